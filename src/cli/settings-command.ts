import { Command } from "commander";
import { settingsHelp } from "../config/settings.ts";

/**
 * A command that takes the relay's settings as flags. Its action gets them unread, since the table of settings reads them, and
 * reports all faults at once.
 */
export function settingsCommand(name: string, description: string): Command {
	return new Command(name)
		.description(description)
		.usage("[flags]")
		.argument("[flags...]", "settings")
		.allowUnknownOption()
		.allowExcessArguments()
		.passThroughOptions()
		.addHelpText(
			"after",
			`
Each setting can be given as a flag or as an environment variable. If both are given, the flag counts.

${settingsHelp()}`,
		);
}
