import { Command } from "commander";
import { indexUrl } from "../config/setting.ts";
import { copyIndex } from "../index/copy/copy.ts";
import { CopyReport } from "../index/copy/report.ts";
import { openCopySource, openCopyTarget } from "../index/open.ts";
import { messageOf } from "../observe/log-value.ts";
import { type CommandContext, Failed, isForeseen, Misuse } from "./command.ts";

interface CopyOptions {
	from: string;
	to: string;
	json: boolean;
}

/** The commands `index`, which work on the index while no relay runs. */
export function indexCommand({ output }: CommandContext): Command {
	const command = new Command("index").description("work on the index while no relay runs");
	command.addCommand(
		new Command("copy")
			.description("copy the index to an empty database, from SQLite to PostgreSQL or back")
			.requiredOption("--from <url>", "the database to copy, as in DATABASE_URL")
			.requiredOption("--to <url>", "the database to copy to, as in DATABASE_URL")
			.option("--json", "print one JSON object a line", false)
			.action(async (options: CopyOptions) => {
				checkUrl("--from", options.from);
				checkUrl("--to", options.to);
				try {
					await copy(options, new CopyReport(options.json ? "json" : "text", output));
				} catch (error) {
					throw isForeseen(error) ? new Failed(messageOf(error)) : error;
				}
			}),
	);
	return command;
}

function checkUrl(name: string, url: string): void {
	try {
		indexUrl.parse(url);
	} catch (error) {
		// The URL is not shown, since it may have a password in it.
		const accepted = error instanceof Error && error.message !== "" ? error.message : indexUrl.accepts;
		throw new Misuse(`${name}: expected ${accepted}`);
	}
}

async function copy({ from, to }: CopyOptions, report: CopyReport): Promise<void> {
	// The source comes first, so that nothing is made at the target if there is nothing to copy.
	const source = await openCopySource(from);
	try {
		const target = await openCopyTarget(to);
		try {
			const copied = await copyIndex(source, target, (step) => report.step(step));
			report.done(copied, source.place, target.place);
		} finally {
			await target.close();
		}
	} finally {
		await source.close();
	}
}
