import { Command } from "commander";
import { Unreachable } from "../peer/check/client.ts";
import { CHECK_NAMES, type CheckResult, checkRelay } from "../peer/check/table.ts";
import type { ReportOutput } from "../runtime/line-output.ts";
import { asciiJson, printable } from "../runtime/report-text.ts";
import { type CommandContext, EXIT, Misuse } from "./command.ts";
import { did } from "./did.ts";
import { wholeNumber } from "./numbers.ts";
import { relayUrl } from "./relay-url.ts";

const NAME_WIDTH = Math.max(...CHECK_NAMES.map((name) => name.length));
const MARKS = { pass: "pass", fail: "FAIL", skip: "skip" } as const;

interface CheckCommandOptions {
	seconds: number;
	pages: number;
	limit: number;
	rate: number;
	inactiveDid?: string;
	json: boolean;
}

/**
 * The command `check`, which looks at a relay as any client does. Exit codes: 0 no rule of severity `must` is broken, 1 one is, 2 the relay can't
 * be asked.
 */
export function checkCommand(context: CommandContext): Command {
	return new Command("check")
		.description(
			"tell whether a relay is conformant, and change nothing there: exit code 0 if it breaks no rule that it must keep, 1 if it does, 2 if it can't be asked",
		)
		.argument("<url>", "the relay, such as https://relay.example.com", relayUrl("URL"))
		.option("--seconds <n>", "how long its firehose is watched at most", wholeNumber(1, 3_600), 30)
		.option("--pages <n>", "how many pages of each listing are read at most", wholeNumber(1, 500), 20)
		.option("--limit <n>", "how many rows a page is to have", wholeNumber(1, 1_000), 500)
		.option("--rate <n>", "how many requests are made in a second", wholeNumber(1, 1_000), 5)
		.option("--inactive-did <did>", "an account that is not active there (without it: one of the listing)", did)
		.option("--json", "print one JSON object a line", false)
		.action(async (relay: string, options: CheckCommandOptions) => {
			try {
				if (!(await check(relay, options, context.output))) context.exitWith(EXIT.failed);
			} catch (error) {
				throw error instanceof Unreachable ? new Misuse(printable(error.message)) : error;
			}
		});
}

/** @returns whether the relay breaks no rule that it must keep */
async function check(
	relay: string,
	{ seconds, pages, limit, rate, inactiveDid, json }: CheckCommandOptions,
	output: ReportOutput,
): Promise<boolean> {
	const counts = { pass: 0, fail: 0, skip: 0, failedMust: 0 };
	const next = (done: number): void => {
		const name = CHECK_NAMES[done];
		if (!json && output.isTerminal && name !== undefined) output.status(`${done + 1}/${CHECK_NAMES.length} ${name}`);
	};
	next(0);
	let done = 0;
	const limits = { streamMs: seconds * 1000, pagesMax: pages, limit, requestsPerS: rate };
	for await (const result of checkRelay({ relay, ...limits, inactiveDid: inactiveDid ?? null })) {
		counts[result.result]++;
		if (result.result === "fail" && result.severity === "must") counts.failedMust++;
		if (json) output.line(asciiJson({ part: "check", ...result }));
		else tell(result, output);
		next(++done);
	}
	if (json) output.line(asciiJson({ part: "done", relay, ...counts }));
	else
		output.line(
			`${counts.pass} passed, ${counts.fail} failed, of which ${counts.failedMust} with severity must, ${counts.skip} could not be judged`,
		);
	return counts.failedMust === 0;
}

function tell({ name, severity, result, found, expected, source }: CheckResult, output: ReportOutput): void {
	output.line(printable(`${MARKS[result]}  ${name.padEnd(NAME_WIDTH)}  ${found}`));
	if (result === "fail") output.line(`      ${severity}: ${expected} (${source})`);
}
