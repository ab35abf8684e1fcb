import type { AddedHost } from "../../control/hosts.ts";
import type { ReportOutput } from "../../runtime/line-output.ts";
import { asciiJson, printable } from "../../runtime/report-text.ts";
import type { ListedHost } from "./admin-client.ts";
import type { IntakeCounts } from "./intake.ts";

/** Hosts between two lines of progress, if no line can be replaced. */
const HOSTS_PER_LINE = 500;

/** Tells an operator how the hosts of a list fare: in sentences, or in one JSON object a line. */
export class IntakeReport {
	readonly #isJson: boolean;
	readonly #output: ReportOutput;
	#told = 0;

	constructor(format: "text" | "json", output: ReportOutput) {
		this.#isJson = format === "json";
		this.#output = output;
	}

	step(counts: Readonly<IntakeCounts>, refused: readonly AddedHost[]): void {
		for (const { hostname, error = "", message = "" } of refused)
			this.#output.line(
				this.#isJson
					? asciiJson({ part: "refused", hostname, error, message })
					: printable(`refused ${hostname}: ${error}: ${message}`),
			);
		const isReplaceable = !this.#isJson && this.#output.isTerminal;
		const done = counts.new + counts.known + counts.refused;
		if (!isReplaceable && done - this.#told < HOSTS_PER_LINE) return;
		this.#told = done;
		const text = this.#isJson ? asciiJson({ part: "progress", ...counts }) : summary(counts);
		if (isReplaceable) this.#output.status(text);
		else this.#output.line(text);
	}

	done(counts: Readonly<IntakeCounts>): void {
		if (this.#isJson) this.#output.line(asciiJson({ part: "done", ...counts }));
		else {
			const rules = Object.entries(counts.byRule).map(([rule, count]) => `${rule} ${count}`);
			this.#output.line(`${summary(counts)}${rules.length === 0 ? "" : ` (${rules.join(", ")})`}`);
		}
	}
}

function summary({ listed, omitted, repeated, known, refused, ...counts }: Readonly<IntakeCounts>): string {
	const left = omitted + repeated === 0 ? "" : `, ${omitted} offline or banned there, ${repeated} repeated`;
	return `${listed} listed${left}: ${counts.new} new, ${known} known, ${refused} refused`;
}

/** A line about one host. */
export function reportHost(host: ListedHost, json: boolean): string {
	const { Host: hostname, Status: status, StatusDetail: detail, Cursor: seq, UserCount: accountCount } = host;
	if (json) return asciiJson({ hostname, status, detail, seq: seq < 0 ? null : seq, accountCount });
	return printable(`${hostname}  ${status}  ${accountCount} accounts  ${detail}`);
}
