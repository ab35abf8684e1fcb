import { Command } from "commander";
import { type ComparisonResult, compareFirehoses } from "../peer/compare/comparison.ts";
import { MISSING_KEPT_MAX, type RelayTally } from "../peer/compare/ledger.ts";
import { asciiJson, grouped, printable } from "../runtime/report-text.ts";
import { systemTiming, type Timing } from "../runtime/timing.ts";
import { type CommandContext, EXIT, Misuse } from "./command.ts";
import { wholeNumber } from "./numbers.ts";
import { relayUrl } from "./relay-url.ts";

const RELAYS_MAX = 8;
const parseUrl = relayUrl("URL");
/** Accounts of missing messages that are shown, unless as JSON. */
const DIDS_SHOWN = 10;

export interface CompareOptions {
	seconds: number;
	grace: number;
	remember: number;
	json: boolean;
}

/**
 * The command `compare`, which follows the firehoses of several relays at once. Exit codes: 0 they agree, 1 one lacks messages, 2 one can't be
 * read, or no message came that could be compared.
 */
export function compareCommand(context: CommandContext): Command {
	return new Command("compare")
		.description(
			"follow the firehoses of relays side by side: exit code 0 if they agree, 1 if one lacks messages, 2 if one can't be read or nothing could be compared",
		)
		.argument("<url...>", "the relays, such as https://relay.example.com", (url, before: string[] | undefined) => [
			...(before ?? []),
			parseUrl(url),
		])
		.option("--seconds <n>", "how long", wholeNumber(1, 86_400), 60)
		.option(
			"--grace <n>",
			"seconds after the start and before the end in which a message counts for no loss",
			wholeNumber(0, 3_600),
			10,
		)
		.option("--remember <n>", "how many messages are remembered at most", wholeNumber(1_000, 10_000_000), 300_000)
		.option("--json", "print one JSON object a line", false)
		.action((relays: string[], options: CompareOptions) => compare(context, relays, options));
}

/** Compares relays, and tells what was found. @param timing for tests */
export async function compare(
	{ output, exitWith }: Pick<CommandContext, "output" | "exitWith">,
	relays: readonly string[],
	{ seconds, grace, remember, json }: CompareOptions,
	timing: Timing = systemTiming,
): Promise<void> {
	if (relays.length < 2 || relays.length > RELAYS_MAX) throw new Misuse(`compare takes 2 to ${RELAYS_MAX} relays`);
	if (grace * 2 >= seconds) throw new Misuse("--grace must be less than half of --seconds");
	const result = await compareFirehoses({
		relays,
		durationMs: seconds * 1000,
		graceMs: grace * 1000,
		eventsMax: remember,
		timing,
		onProgress(passedMs, events) {
			if (json) output.line(asciiJson({ part: "progress", passedMs: Math.round(passedMs), events }));
			else if (output.isTerminal)
				output.status(`${Math.round(passedMs / 1000)}/${seconds} s, messages: ${events.map(grouped).join(", ")}`);
		},
	});
	for (const line of json ? jsonLines(relays, result) : textLines(relays, result)) output.line(line);
	if (result.broken !== null || result.matched + result.lacking === 0) exitWith(EXIT.misused);
	else if (result.lacking > 0) exitWith(EXIT.failed);
}

function jsonLines(relays: readonly string[], { relays: tallies, ...result }: ComparisonResult): string[] {
	const parts = tallies.flatMap(({ missingEvents, ...tally }, at) => [
		...missingEvents.map((event) => ({ part: "missing", relay: relays[at], ...event })),
		{ part: "relay", relay: relays[at], ...tally },
	]);
	return [...parts, { part: "done", ...result }].map(asciiJson);
}

function textLines(relays: readonly string[], result: ComparisonResult): string[] {
	const { matched, lacking, unjudged, limitReached, broken, comparedMs } = result;
	const lines = result.relays.flatMap((tally, at) => relayLines(relays[at] ?? "", tally));
	lines.push(
		`${(comparedMs / 1000).toFixed(1)} s: ${grouped(matched)} messages at all relays, ${grouped(lacking)} that one lacks, ${grouped(unjudged)} too near to the start or the end to judge`,
	);
	if (limitReached) lines.push("the limit of --remember was reached: older messages were forgotten and not compared");
	if (broken !== null) lines.push(`${broken.relay} can't be read: ${broken.why}`);
	return lines.map(printable);
}

function relayLines(relay: string, tally: RelayTally): string[] {
	const { events, byType, dids, missing, duplicates, orderFaults, unreadable, lagMs } = tally;
	const types = Object.entries(byType).map(([type, count]) => `${type} ${grouped(count)}`);
	const lag = lagMs.p50 === null ? "" : `; behind the first: p50 ${lagMs.p50} ms, p99 ${lagMs.p99} ms`;
	return [
		relay,
		`  ${grouped(events)} messages of ${grouped(dids)} DIDs: ${types.join(", ")}${lag}`,
		`  missing ${grouped(missing)}, repeated ${grouped(duplicates)}, out of order ${grouped(orderFaults)}, unreadable ${grouped(unreadable)}`,
		...missingLines(tally),
	];
}

/** The accounts of which most messages are missing. */
function missingLines({ missing, missingEvents }: RelayTally): string[] {
	const counts = new Map<string, number>();
	for (const { did } of missingEvents) counts.set(did, (counts.get(did) ?? 0) + 1);
	const all = [...counts].sort(([, a], [, b]) => b - a);
	const lines = all.slice(0, DIDS_SHOWN).map(([did, count]) => `    lacks ${grouped(count)} of ${did}`);
	if (all.length > DIDS_SHOWN) lines.push(`    and some of ${grouped(all.length - DIDS_SHOWN)} other accounts`);
	if (missing > MISSING_KEPT_MAX) lines.push(`    by the first ${grouped(MISSING_KEPT_MAX)} of them`);
	return lines;
}
