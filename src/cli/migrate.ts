import { Command } from "commander";
import type { Config } from "../config/settings.ts";
import { openCopyTarget } from "../index/open.ts";
import { LogTaken, stageLog } from "../log/access.ts";
import { openIndigo } from "../migrate/indigo/source.ts";
import { MigrateError, type MigrateOptions, migrateIndigo } from "../migrate/migrate.ts";
import { MigrateReport } from "../migrate/report.ts";
import { messageOf } from "../observe/log-value.ts";
import { type CommandContext, Failed, isForeseen, settingsOf } from "./command.ts";
import { databaseUrl } from "./database-url.ts";
import { seq } from "./numbers.ts";

interface IndigoOptions {
	from: string;
	seqAfter?: number;
	json: boolean;
}

/** The commands `migrate`, which take over the state of another relay before this one starts for the first time. */
export function migrateCommand(context: CommandContext): Command {
	const command = new Command("migrate").description("take over the state of another relay, before the first start");
	command.addCommand(
		new Command("indigo")
			.description("take over hosts with cursors and limits, bans, takedowns and accounts of indigo's relay")
			.requiredOption("--from <url>", "the database of indigo's relay, as in its DATABASE_URL")
			.option("--seq-after <seq>", "the last seq that indigo has used (default: above all that it can be)", seq(1))
			.option("--json", "print one JSON object a line", false)
			.addHelpText("after", "\nIt writes to RELAY_PERSIST_DIR and DATABASE_URL, which must hold nothing yet.")
			.action(async (options: IndigoOptions) => {
				const { config } = settingsOf(context, []);
				// Indigo knows a second form for a file: `sqlite=PATH`.
				const from = databaseUrl("--from", options.from.replace(/^sqlite=/, "sqlite://"));
				try {
					await migrate(from, options, config, new MigrateReport(options.json ? "json" : "text", context.output));
				} catch (error) {
					throw isForeseen(error) || isRefused(error) ? new Failed(messageOf(error)) : error;
				}
			}),
	);
	return command;
}

async function migrate(
	from: string,
	{ seqAfter }: IndigoOptions,
	config: Config,
	report: MigrateReport,
): Promise<void> {
	const options: MigrateOptions = {
		...{ allowInsecureHosts: config.allowInsecureHosts, accountLimit: config.accountLimit, log: config },
		seqAfter: seqAfter ?? null,
		nowMs: Date.now,
		onStep: (step) => report.step(step),
	};
	// The source comes first, so that nothing is made at the targets if there is nothing to take over.
	const source = await openIndigo(from);
	try {
		const log = stageLog(config.persistDir);
		try {
			const target = await openCopyTarget(config.databaseUrl);
			try {
				report.done(await migrateIndigo(source, target, log, options), source.place);
			} finally {
				await target.close();
			}
		} finally {
			log.close();
		}
	} finally {
		await source.close();
	}
}

/** What is wrong with what was asked for, beside what is wrong with a disk or a database. */
function isRefused(error: unknown): boolean {
	return error instanceof MigrateError || error instanceof LogTaken;
}
