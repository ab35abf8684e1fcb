import type { ReportOutput } from "../runtime/line-output.ts";
import { asciiJson, grouped } from "../runtime/report-text.ts";
import type { Migrated, MigrateStep } from "./migrate.ts";
import { SKIP_REASONS } from "./skips.ts";

/** Percent between two lines if no line can be replaced. */
const PERCENT_STEP = 10;

/** Tells an operator how a migration goes: in sentences, or in one JSON object a line. */
export class MigrateReport {
	readonly #format: "text" | "json";
	readonly #output: ReportOutput;
	#shown = -1;

	constructor(format: "text" | "json", output: ReportOutput) {
		this.#format = format;
		this.#output = output;
	}

	/** Says how far it is: on a terminal after each percent, else after each ten. */
	step({ rows, rowsTotal }: MigrateStep): void {
		const percent = rowsTotal === 0 ? 100 : Math.min(100, Math.floor((100 * rows) / rowsTotal));
		const isReplaceable = this.#format === "text" && this.#output.isTerminal;
		const shown = Math.floor(percent / (isReplaceable ? 1 : PERCENT_STEP));
		if (shown === this.#shown) return;
		this.#shown = shown;
		const text =
			this.#format === "json"
				? JSON.stringify({ part: "progress", rows, rowsTotal, percent })
				: `${grouped(rows)} of ${grouped(rowsTotal)} accounts (${percent} %)`;
		if (isReplaceable) this.#output.status(text);
		else this.#output.line(text);
	}

	/** Says what was taken over, and what was not. Names of the latter are texts of strangers, so they are shown as JSON. */
	done(migrated: Migrated, from: string): void {
		const { skipped, ...counts } = migrated;
		if (this.#format === "json") {
			for (const skip of skipped) this.#output.line(asciiJson({ part: "skipped", ...skip }));
			this.#output.line(asciiJson({ part: "done", from, ...counts }));
			return;
		}
		for (const { reason, count, first } of skipped) {
			const names = `${first.map((name) => asciiJson(name)).join(", ")}${count > first.length ? ", …" : ""}`;
			this.#output.line(`${grouped(count)} ${SKIP_REASONS[reason]} (${reason}): ${names}`);
		}
		const { hosts, bannedHosts, accountLimits, domainBans, accounts, takedowns, waiting, firstSeq } = counts;
		this.#output.line(
			`taken over from ${from}: ${grouped(hosts)} hosts with their cursors, ${grouped(bannedHosts)} of them banned and ${grouped(accountLimits)} with an account limit of ` +
				`their own; ${grouped(domainBans)} banned domains; ${grouped(accounts)} accounts, of which ${grouped(waiting)} wait for room; ${grouped(takedowns)} takedowns`,
		);
		this.#output.line(`start the relay: its first message gets the seq ${firstSeq}`);
	}
}
