import type { Command } from "commander";
import { askHealth } from "../http/health-request.ts";
import { type CommandContext, EXIT, settingsOf } from "./command.ts";
import { settingsCommand } from "./settings-command.ts";

/** The command `health`, for the health checks of containers, whose images have no other program that could ask. */
export function healthCommand(context: CommandContext): Command {
	return settingsCommand(
		"health",
		"ask the relay on this machine how it is: exit code 0 if it is well, else 1 and what is wrong",
	).action(async (flags: string[]) => {
		const { metricsListen } = settingsOf(context, flags).config;
		const fault = await askHealth(metricsListen);
		context.output.line(fault ?? "ok");
		if (fault !== null) context.exitWith(EXIT.failed);
	});
}
