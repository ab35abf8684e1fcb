import { Command } from "commander";
import { InspectError, inspectLogFile } from "../log/access.ts";
import { type CommandContext, Failed } from "./command.ts";

/** The commands `log`, which read the log's files. */
export function logCommand({ output }: CommandContext): Command {
	const command = new Command("log").description("read the files of a log");
	command.addCommand(
		new Command("inspect")
			.description("print the contents of a segment, line by line, also while a relay writes to it")
			.argument("<file>", "the segment")
			.option("--json", "print one JSON object a line", false)
			.action((file: string, { json }: { json: boolean }) => {
				try {
					inspectLogFile(file, json ? "json" : "text", (line) => output.line(line));
				} catch (error) {
					throw error instanceof InspectError ? new Failed(error.message) : error;
				}
			}),
	);
	return command;
}
