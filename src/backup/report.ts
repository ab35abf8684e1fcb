import type { LogFault } from "../log/access.ts";
import type { ReportOutput } from "../runtime/line-output.ts";
import { PercentSteps } from "../runtime/percent-steps.ts";
import { grouped } from "../runtime/report-text.ts";
import type { BackupStep } from "./backup.ts";
import type { Manifest } from "./manifest.ts";
import type { Restored } from "./restore.ts";

/** Tells an operator how a backup or a restore goes: in sentences, or in one JSON object a line. */
export class BackupReport {
	readonly #format: "text" | "json";
	readonly #output: ReportOutput;
	readonly #isReplaceable: boolean;
	readonly #steps: PercentSteps;
	readonly #verb: string;

	/** @param verb what is done with the bytes of index and log, such as `copied` */
	constructor(format: "text" | "json", output: ReportOutput, verb: string) {
		this.#format = format;
		this.#output = output;
		this.#verb = verb;
		this.#isReplaceable = format === "text" && output.isTerminal;
		this.#steps = new PercentSteps(this.#isReplaceable);
	}

	/** Says how far it is, as `PercentSteps` has it. */
	step({ phase, bytes, bytesTotal }: BackupStep): void {
		// How far the index is, its database does not tell.
		if (phase === "index" && bytes === 0) {
			if (this.#isReplaceable) this.#output.status(`index is being ${this.#verb}`);
			return;
		}
		const percent = this.#steps.percent(phase, bytes, bytesTotal);
		if (percent === null) return;
		const text = `${phase === "check" ? "log checked" : `${phase} ${this.#verb}`}: ${grouped(bytes)} of ${grouped(bytesTotal)} bytes (${percent} %)`;
		if (this.#format === "json") this.#json({ part: "progress", phase, bytes, bytesTotal, percent });
		else if (this.#isReplaceable) this.#output.status(text);
		else this.#output.line(text);
	}

	fault(fault: LogFault, line: string): void {
		if (this.#format === "json") this.#json({ part: "fault", ...fault });
		else this.#output.line(line);
	}

	/** Says what the backup in this folder has. */
	saved(folder: string, { segments, index, ...numbers }: Manifest): void {
		const logBytes = segments.reduce((sum, { bytes }) => sum + bytes, 0);
		if (this.#format === "json") {
			this.#json({
				part: "done",
				folder,
				...numbers,
				segments: segments.length,
				logBytes,
				indexBytes: index.bytes,
				checkpoint: index.checkpoint,
			});
			return;
		}
		const { logId, firstLsn, lastLsn, lastSeq } = numbers;
		this.#output.line(
			`log ${logId}: ${segments.length} segments of ${grouped(logBytes)} bytes, lsn ${firstLsn} to ${lastLsn}, up to seq ${lastSeq}`,
		);
		this.#output.line(`index: ${grouped(index.bytes)} bytes, up to lsn ${index.checkpoint}`);
		this.#output.line(
			`${folder} is a backup now; \`standpipe restore --from\` puts it back. The mirror of the PLC directory is not in it`,
		);
	}

	/** Says what was restored from this folder, and what comes next. */
	restored(folder: string, { manifest, used }: Restored): void {
		const { logId, lastSeq, beganAtMs } = manifest;
		const backupOf = new Date(beganAtMs).toISOString();
		if (this.#format === "json") {
			this.#json({ part: "done", folder, logId, lastSeq, backupOf, seqUsedMax: used.seq, lsnUsedMax: used.lsn });
			return;
		}
		this.#output.line(`restored the log ${logId} and its index from the backup of ${backupOf}, up to seq ${lastSeq}`);
		this.#output.line(`the relay goes on with seq ${used.seq + 1}, since those before may have been used`);
		this.#output.line(
			"start it: it asks hosts again for what they sent since then. What the operator set since then has to be set again",
		);
	}

	#json(value: object): void {
		this.#output.line(JSON.stringify(value));
	}
}
