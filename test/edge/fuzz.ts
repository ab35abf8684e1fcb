import { parseArgs } from "node:util";
import { EdgeFailure, type SentFrame } from "./edge-failure.ts";
import { type EdgeReport, EdgeRig } from "./edge-rig.ts";

/**
 * Sends generated messages through the whole admission path of the compiled relay: `bun test/edge/fuzz.ts --messages N
 * [--seed S]`. If the relay ends, falls silent, fails on a message or passes on what it must not, it shows the seed and the messages in
 * hex and exits with 1.
 */

const PROGRESS_MESSAGES = 20_000;

function showReport(seed: string, seconds: number, report: EdgeReport): void {
	const { stats, kinds } = report;
	const reasons = Object.entries(stats.rejected).filter(([, count]) => count > 0);
	for (const [name, count] of [...Object.entries(kinds), ...reasons].sort(([, a], [, b]) => b - a)) {
		console.log(`${String(count).padStart(9)}  ${name}`);
	}
	console.log(
		`seed ${JSON.stringify(seed)}: ${report.sent} messages in ${seconds.toFixed(0)} s (${Math.round(report.sent / seconds)} a second), ` +
			`${report.received} came out, ${report.compared} of them compared byte by byte, ${reasons.length} reasons of rejection; ` +
			`all ${report.good} good messages arrived, no internal error`,
	);
}

/** Finds the message that ended a relay, by sending the messages to another relay. */
async function showCulprit(suspects: readonly SentFrame[]): Promise<void> {
	const another = await EdgeRig.start(seed);
	const culprit = await another.provoke(suspects);
	await another.abort();
	console.error(culprit === null ? "none of them alone ends another relay" : `this one ends another relay: ${culprit}`);
}

const { values } = parseArgs({
	options: {
		messages: { type: "string", default: "1000000" },
		seed: { type: "string", default: `${Date.now()}` },
	},
});
const { seed } = values;
const messages = Number(values.messages);
if (!Number.isSafeInteger(messages) || messages < 1) throw new RangeError("--messages takes a number from 1");
const rig = await EdgeRig.start(seed);
try {
	const startedAtMs = performance.now();
	let shown = 0;
	const report = await rig.run(messages, (sent) => {
		if (sent - shown < PROGRESS_MESSAGES) return;
		shown = sent;
		console.log(`${sent} of ${messages} messages, ${((performance.now() - startedAtMs) / 1000).toFixed(0)} s`);
	});
	showReport(seed, (performance.now() - startedAtMs) / 1000, report);
	await rig.stop();
} catch (error) {
	await rig.abort();
	if (!(error instanceof EdgeFailure)) throw error;
	console.error(error.describe(seed));
	if (error.suspects.length > 0) await showCulprit(error.suspects);
	process.exitCode = 1;
}
