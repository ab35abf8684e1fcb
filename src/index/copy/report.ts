import type { ReportOutput } from "../../runtime/line-output.ts";
import { PercentSteps } from "../../runtime/percent-steps.ts";
import { grouped } from "../../runtime/report-text.ts";
import type { Copied, CopyStep } from "./copy.ts";

const PHASES = { copy: "copied", check: "checked" } as const;

/** Tells an operator how a copy goes: in sentences, or in one JSON object a line. */
export class CopyReport {
	readonly #format: "text" | "json";
	readonly #output: ReportOutput;
	readonly #isReplaceable: boolean;
	readonly #steps: PercentSteps;

	constructor(format: "text" | "json", output: ReportOutput) {
		this.#format = format;
		this.#output = output;
		this.#isReplaceable = format === "text" && output.isTerminal;
		this.#steps = new PercentSteps(this.#isReplaceable);
	}

	/** Says how far it is, as `PercentSteps` has it. */
	step({ phase, rows, rowsTotal }: CopyStep): void {
		const percent = this.#steps.percent(phase, rows, rowsTotal);
		if (percent === null) return;
		const text =
			this.#format === "json"
				? JSON.stringify({ part: "progress", phase, rows, rowsTotal, percent })
				: `${PHASES[phase]} ${grouped(rows)} of ${grouped(rowsTotal)} rows (${percent} %)`;
		if (this.#isReplaceable) this.#output.status(text);
		else this.#output.line(text);
	}

	/** Says what was copied. `from` and `to` are the names of the places. */
	done({ checkpoint, hostIdMax, logId, rows }: Copied, from: string, to: string): void {
		if (this.#format === "json") {
			this.#output.line(JSON.stringify({ part: "done", from, to, rows, checkpoint, hostIdMax, logId }));
			return;
		}
		const tables = Object.entries(rows).map(([name, count]) => `${name} ${grouped(count)}`);
		this.#output.line(`copied and checked: ${tables.join(", ")}`);
		this.#output.line(
			`${to} is now what ${from} is: the index of the log ${logId ?? "(none yet)"}, up to lsn ${checkpoint}`,
		);
		this.#output.line("start the relay with this place as its DATABASE_URL; it applies what the log has after that");
	}
}
