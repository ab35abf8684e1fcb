import { Command } from "commander";
import { copyIndex } from "../index/copy/copy.ts";
import { CopyReport } from "../index/copy/report.ts";
import { openCopySource, openCopyTarget } from "../index/open.ts";
import { messageOf } from "../observe/log-value.ts";
import { type CommandContext, Failed, isForeseen } from "./command.ts";
import { databaseUrl } from "./database-url.ts";

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
			.action(async ({ from, to, json }: CopyOptions) => {
				const urls = { from: databaseUrl("--from", from), to: databaseUrl("--to", to) };
				try {
					await copy(urls, new CopyReport(json ? "json" : "text", output));
				} catch (error) {
					throw isForeseen(error) ? new Failed(messageOf(error)) : error;
				}
			}),
	);
	return command;
}

async function copy({ from, to }: Pick<CopyOptions, "from" | "to">, report: CopyReport): Promise<void> {
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
