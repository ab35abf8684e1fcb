import { closeSync, openSync, rmSync, writeSync } from "node:fs";
import { Command, Option } from "commander";
import { writeWhole } from "../disk/write-whole.ts";
import {
	type ExportCounts,
	type ExportRange,
	exportLogCar,
	exportLogFiles,
	InspectError,
	inspectLogFile,
	LOG_FAULTS,
	type LogFault,
	type LogSummary,
	verifyLogFiles,
} from "../log/access.ts";
import { messageOf } from "../observe/log-value.ts";
import { LineOutput, OutputFailed } from "../runtime/line-output.ts";
import { asciiJson, grouped } from "../runtime/report-text.ts";
import { type CommandContext, EXIT, Failed, Misuse, settingsOf } from "./command.ts";
import { did } from "./did.ts";
import { seq } from "./numbers.ts";

const STDOUT = 1;

interface ExportOptions {
	from: number;
	to: number;
	did?: string;
	format: "json" | "car";
	out?: string;
}

/** The commands `log`, which read the log's files, also while a relay writes to them. */
export function logCommand(context: CommandContext): Command {
	const command = new Command("log").description("read the files of a log, also while a relay writes to them");
	command.addCommand(
		new Command("inspect")
			.description("print the contents of a segment, line by line")
			.argument("<file>", "the segment")
			.option("--json", "print one JSON object a line", false)
			.action((file: string, { json }: { json: boolean }) => {
				const lines = new LineOutput();
				try {
					readable(() => inspectLogFile(file, json ? "json" : "text", (line) => lines.line(line)));
				} finally {
					lines.flush();
				}
			}),
	);
	command.addCommand(
		new Command("verify")
			.description("check all files of a log: exit code 0 if they are sound, 1 if something is damaged or missing")
			.argument("[folder]", "the log (default: RELAY_PERSIST_DIR)")
			.option("--json", "print one JSON object a line", false)
			.action((folder: string | undefined, { json }: { json: boolean }) => verify(context, folder, json)),
	);
	command.addCommand(
		new Command("export")
			.description("write the messages of a range, as one JSON object a line, or their blocks as a CAR file")
			.argument("[folder]", "the log (default: RELAY_PERSIST_DIR)")
			.option("--from <seq>", "the first seq", seq(0), 1)
			.option("--to <seq>", "the last seq", seq(0), Number.MAX_SAFE_INTEGER)
			.option("--did <did>", "messages of this account only", did)
			.addOption(new Option("--format <format>", "what is written").choices(["json", "car"]).default("json"))
			.option("--out <file>", "a new file to write to (a CAR needs one)")
			.action((folder: string | undefined, options: ExportOptions) => exportRange(context, folder, options)),
	);
	return command;
}

function readable<Result>(read: () => Result): Result {
	try {
		return read();
	} catch (error) {
		throw error instanceof InspectError ? new Failed(error.message) : error;
	}
}

function folderOf(context: CommandContext, folder: string | undefined): string {
	return folder ?? settingsOf(context, []).config.persistDir;
}

function verify(context: CommandContext, folder: string | undefined, json: boolean): void {
	const { output } = context;
	const summary = readable(() =>
		verifyLogFiles(folderOf(context, folder), {
			onFault: (fault) => output.line(json ? JSON.stringify({ part: "fault", ...fault }) : faultLine(fault)),
			onSegment({ segments, records, bytes }) {
				if (json) output.line(JSON.stringify({ part: "progress", segments, records, bytes }));
				else if (output.isTerminal) output.status(`${segments} segments, ${grouped(records)} records`);
			},
		}),
	);
	if (json) output.line(JSON.stringify({ part: "done", ...summary }));
	else for (const line of summaryLines(summary)) output.line(line);
	if (summary.faults > 0) context.exitWith(EXIT.failed);
}

/** A fault of a log, in a line. */
export function faultLine({ fault, segment, detail }: LogFault): string {
	return `${fault}: ${segment}: ${detail}: ${LOG_FAULTS[fault]}`;
}

function summaryLines(summary: LogSummary): string[] {
	const {
		segments,
		bytes,
		records,
		messages,
		firstSeq,
		lastSeq,
		firstTimeUs,
		lastTimeUs,
		seqsLeftOut,
		unsealed,
		faults,
	} = summary;
	const time = (us: number | null): string => (us === null ? "-" : new Date(us / 1000).toISOString());
	const left = seqsLeftOut === 0 ? "" : `; ${grouped(seqsLeftOut)} seqs were left out, as after a crash`;
	return [
		`${segments} segments of ${grouped(bytes)} bytes with ${grouped(records)} records`,
		...(messages === 0
			? ["no messages"]
			: [
					`${grouped(messages)} messages, seq ${firstSeq} to ${lastSeq}${left}`,
					`${time(firstTimeUs)} to ${time(lastTimeUs)}`,
				]),
		...(unsealed === 0 ? [] : [`${unsealed} segments have no footer, as after a crash`]),
		faults === 0 ? "all is sound" : `${grouped(faults)} faults`,
	];
}

async function exportRange(context: CommandContext, folder: string | undefined, options: ExportOptions): Promise<void> {
	const { from: seqMin, to: seqMax, did = null, format, out } = options;
	if (format === "car" && out === undefined) throw new Misuse("--format car: name a file with --out");
	const directory = folderOf(context, folder);
	const range = { seqMin, seqMax, did };
	const file = out === undefined ? null : created(out);
	let isWhole = false;
	try {
		const { messages, damage } = await exportTo(file, directory, range, format);
		isWhole = true;
		const damaged = damage === 0 ? "" : `; ${damage} damaged stretches were passed over: see \`log verify\``;
		context.complain(`${grouped(messages)} messages${damaged}`);
		if (damage > 0) context.exitWith(EXIT.failed);
	} catch (error) {
		throw error instanceof InspectError ? new Failed(error.message) : error;
	} finally {
		if (file !== null) closeSync(file);
		// Nobody is to take the beginning of an export for the whole.
		if (out !== undefined && file !== null && !isWhole) rmSync(out, { force: true });
	}
}

/** @param file null for standard output */
async function exportTo(
	file: number | null,
	directory: string,
	range: ExportRange,
	format: ExportOptions["format"],
): Promise<ExportCounts> {
	const lines = new LineOutput((bytes) => writeSync(file ?? STDOUT, bytes));
	if (format === "car" && file !== null) return exportLogCar(directory, range, (bytes) => writeAll(file, bytes));
	const counts = exportLogFiles(directory, range, ({ timeUs, blocks: _, ...message }) =>
		lines.line(asciiJson({ ...message, time: new Date(timeUs / 1000).toISOString() })),
	);
	lines.flush();
	return counts;
}

/** @throws OutputFailed */
function writeAll(file: number, bytes: Uint8Array): void {
	try {
		writeWhole(file, bytes);
	} catch (error) {
		throw new OutputFailed(error);
	}
}

/** The descriptor of a file that did not exist. */
function created(path: string): number {
	try {
		return openSync(path, "wx");
	} catch (error) {
		throw new Failed(`--out: ${messageOf(error)}`);
	}
}
