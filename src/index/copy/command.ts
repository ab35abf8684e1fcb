import { parseArgs } from "node:util";
import { indexUrl } from "../../config/setting.ts";
import { Unavailable } from "../../disk/fault.ts";
import { messageOf } from "../../observe/log-value.ts";
import { openCopySource, openCopyTarget } from "../open.ts";
import { StoreBroken } from "../store-fault.ts";
import { copyIndex } from "./copy.ts";
import { CopyReport, type ReportOutput } from "./report.ts";

const USAGE = "usage: standpipe index copy --from URL --to URL [--json]";

interface CopyRequest {
	from: string;
	to: string;
	json: boolean;
}

/**
 * The command `index`, of which there is `index copy`. Returns the code to exit with: 0 if the index was copied, 1 if it can't be, 2 if it
 * was asked for wrongly.
 *
 * @param complain writes a line for the operator
 */
export async function indexCommand(
	args: string[],
	output: ReportOutput,
	complain: (text: string) => void,
): Promise<number> {
	const request = readRequest(args);
	if (typeof request === "string") {
		complain(request);
		return 2;
	}
	try {
		await copy(request, new CopyReport(request.json ? "json" : "text", output));
		return 0;
	} catch (error) {
		if (!isForeseen(error)) throw error;
		complain(messageOf(error));
		return 1;
	}
}

/** A copy that was asked for, or a sentence that says what is wrong. */
function readRequest([command, ...args]: string[]): CopyRequest | string {
	const options = {
		from: { type: "string" },
		to: { type: "string" },
		json: { type: "boolean", default: false },
	} as const;
	let values: { from?: string | undefined; to?: string | undefined; json: boolean };
	try {
		({ values } = parseArgs({ args, options, strict: true }));
	} catch {
		return USAGE;
	}
	const { from, to, json } = values;
	if (command !== "copy" || from === undefined || to === undefined) return USAGE;
	for (const [name, url] of [
		["--from", from],
		["--to", to],
	] as const) {
		try {
			indexUrl.parse(url);
		} catch (error) {
			// The URL is not shown, since it may have a password in it.
			const accepted = error instanceof Error && error.message !== "" ? error.message : indexUrl.accepts;
			return `${name}: expected ${accepted}`;
		}
	}
	return { from, to, json };
}

async function copy({ from, to }: CopyRequest, report: CopyReport): Promise<void> {
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

/** What can be wrong with a database or the way to it. Everything else is a fault of this program. */
function isForeseen(error: unknown): boolean {
	const isOfSystem = error instanceof Error && "syscall" in error;
	return error instanceof StoreBroken || error instanceof Unavailable || isOfSystem;
}
