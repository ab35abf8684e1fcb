import { Command } from "commander";
import { type BackupHooks, makeBackup } from "../backup/backup.ts";
import { BackupError } from "../backup/backup-error.ts";
import { BackupReport } from "../backup/report.ts";
import { restoreBackup } from "../backup/restore.ts";
import { CopyChanged, CopyOvertaken, InspectError } from "../log/access.ts";
import { messageOf } from "../observe/log-value.ts";
import { Damage } from "../runtime/boundary.ts";
import { type CommandContext, EXIT, Failed, isForeseen, settingsOf } from "./command.ts";
import { faultLine } from "./log.ts";
import { seq } from "./numbers.ts";

interface BackupOptions {
	to: string;
	json: boolean;
}

interface RestoreOptions {
	from: string;
	seqUsed?: number;
	json: boolean;
}

/** The command `backup`, which copies a relay's log and index while it runs. */
export function backupCommand(context: CommandContext): Command {
	return new Command("backup")
		.description("copy the log and the index to a folder, also while a relay writes to them")
		.requiredOption("--to <folder>", "a folder that is empty or absent")
		.option("--json", "print one JSON object a line", false)
		.addHelpText("after", `\nThe settings say where they are: RELAY_PERSIST_DIR and DATABASE_URL.`)
		.action(({ to, json }: BackupOptions) => foreseen(() => backup(context, to, json)));
}

/** The command `restore`, which puts such a copy in the place of what is lost. */
export function restoreCommand(context: CommandContext): Command {
	return new Command("restore")
		.description("put a backup in the place of a log and an index that are lost, while no relay runs")
		.requiredOption("--from <folder>", "the backup")
		.option(
			"--seq-used <seq>",
			"the last seq that consumers may have seen (default: 100,000 for each second since the backup)",
			seq(0),
		)
		.option("--json", "print one JSON object a line", false)
		.addHelpText(
			"after",
			"\nThe settings say where they go: RELAY_PERSIST_DIR and DATABASE_URL. Nothing is overwritten.",
		)
		.action((options: RestoreOptions) => foreseen(() => restore(context, options)));
}

async function backup(context: CommandContext, to: string, json: boolean): Promise<void> {
	const report = new BackupReport(json ? "json" : "text", context.output, "copied");
	const hooks: BackupHooks = {
		clock: Date.now,
		onStep: (step) => report.step(step),
		onFault: (fault) => report.fault(fault, faultLine(fault)),
	};
	const manifest = await makeBackup(settingsOf(context, []).config, to, hooks);
	report.saved(to, manifest);
	if (manifest.faults === 0) return;
	context.complain(
		`the backup is whole, but the log itself has ${manifest.faults} faults: see \`standpipe log verify\``,
	);
	context.exitWith(EXIT.failed);
}

async function restore(context: CommandContext, { from, seqUsed, json }: RestoreOptions): Promise<void> {
	const report = new BackupReport(json ? "json" : "text", context.output, "restored");
	const { config } = settingsOf(context, []);
	const restored = await restoreBackup(from, config, {
		seqUsed: seqUsed ?? null,
		nowMs: Date.now(),
		onStep: (step) => report.step(step),
	});
	report.restored(from, restored);
}

async function foreseen(work: () => Promise<void>): Promise<void> {
	try {
		await work();
	} catch (error) {
		throw isForeseen(error) || FORESEEN.some((kind) => error instanceof kind) ? new Failed(messageOf(error)) : error;
	}
}

/** What can be wrong with a log or a backup, beside what is wrong with a disk or a database. */
const FORESEEN = [BackupError, CopyChanged, CopyOvertaken, Damage, InspectError] as const;
