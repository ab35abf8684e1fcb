import { describe, expect, test } from "bun:test";
import type { ReasonFailures } from "../../src/control/failures.ts";
import { FAILURE_EXAMPLES_MAX, HostFailures } from "../../src/ingest/host-failures.ts";
import { Counters } from "../../src/observe/counters.ts";
import { STRING_CHARS_MAX } from "../../src/observe/log-value.ts";
import type { Message } from "../../src/protocol/kinds/table.ts";
import { REJECTION_REASONS, type RejectionReason } from "../../src/protocol/reasons.ts";
import { merged } from "../../src/relay/failures.ts";
import { Rng } from "../../src/sim/rng.ts";
import { counted, countedBy } from "../observe/counted.ts";

const REASONS: readonly RejectionReason[] = ["signature-invalid", "rev-stale", "account-throttled", "frame-malformed"];

interface Failed {
	hostId: number;
	reason: RejectionReason;
	outcome: "rejected" | "lenient";
	message: Message | null;
	detail: string;
	atMs: number;
}

function senderOf(hostId: number): { hostId: number; hostname: string } {
	return { hostId, hostname: `pds${hostId}.example.com` };
}

function messageOf(rng: Rng, seq: number): Message {
	const common = { did: `did:plc:${rng.int(9)}`, seq };
	const message = rng.pick([
		{ type: "commit", ...common, rev: `rev${seq}`, opsCount: rng.int(200) },
		{ type: "sync", ...common, rev: `rev${seq}` },
		{ type: "account", ...common },
	]);
	return message as unknown as Message;
}

function generated(rng: Rng): Failed[] {
	return Array.from({ length: 1 + rng.int(120) }, (_, at) => {
		const outcome = rng.int(3) === 0 ? "lenient" : "rejected";
		const reason = rng.pick(REASONS);
		return {
			...{ hostId: rng.int(4), reason, outcome, atMs: 1_000 + at },
			message: outcome === "rejected" && rng.int(4) === 0 ? null : messageOf(rng, at),
			detail: outcome === "lenient" ? `${reason}: ${REJECTION_REASONS[reason].meaning}` : `words ${at}`,
		};
	});
}

function note(memory: HostFailures, { hostId, reason, outcome, message, detail }: Failed): void {
	if (outcome === "lenient" && message !== null) memory.lenient(senderOf(hostId), message, reason);
	else memory.rejected(senderOf(hostId), message, reason, detail);
}

function exampleOf({ message, outcome, detail }: Failed): ReasonFailures["example"] {
	if (message === null) return { did: null, type: null, upstreamSeq: null, rev: null, ops: null, outcome, detail };
	const { did, type, seq } = message;
	const rev = "rev" in message ? message.rev : null;
	return { did, type, upstreamSeq: seq, rev, ops: "opsCount" in message ? message.opsCount : null, outcome, detail };
}

/** What the failures of a host come to, from the whole list of all failures. */
function modelOf(all: readonly Failed[], hostId: number, examplesMax: number): ReasonFailures[] {
	const lasts = [...new Map(all.map((one) => [`${one.hostId} ${one.reason}`, one])).values()];
	const kept = new Set(lasts.sort((a, b) => b.atMs - a.atMs).slice(0, examplesMax));
	return REASONS.flatMap((reason) => {
		const own = all.filter((one) => one.hostId === hostId && one.reason === reason);
		const [first, last] = [own[0], own.at(-1)];
		if (first === undefined || last === undefined) return [];
		const count = (outcome: Failed["outcome"]): number => own.filter((one) => one.outcome === outcome).length;
		return {
			...{ reason, rejected: count("rejected"), lenient: count("lenient") },
			...{ firstAtMs: first.atMs, lastAtMs: last.atMs, example: kept.has(last) ? exampleOf(last) : null },
		};
	});
}

function byReason(failures: readonly ReasonFailures[]): ReasonFailures[] {
	return [...failures].sort((a, b) => REASONS.indexOf(a.reason) - REASONS.indexOf(b.reason));
}

describe("the failures of a host's messages", () => {
	test("are those of its messages, by reason, with the last of each, whatever failed in whatever order", () => {
		const rng = new Rng("host failures");
		for (let round = 0; round < 200; round++) {
			const examplesMax = rng.pick([1, 3, 100]);
			let nowMs = 0;
			const counters = new Counters();
			const memory = new HostFailures(counters, () => nowMs, examplesMax);
			const all = generated(rng);
			for (const failed of all) {
				nowMs = failed.atMs;
				note(memory, failed);
				expect(memory.examples).toBeLessThanOrEqual(examplesMax);
				expect(memory.of([failed.hostId])[0]?.reasons.at(-1)?.example).toEqual(exampleOf(failed));
			}
			for (let hostId = 0; hostId < 4; hostId++) {
				const model = modelOf(all, hostId, examplesMax);
				expect(byReason(memory.of([hostId, 99])[0]?.reasons ?? [])).toEqual(model);
				expect(memory.countsOf(hostId)).toHaveLength(model.length);
				const total = (outcome: Failed["outcome"]): number =>
					all.filter((one) => one.hostId === hostId && one.outcome === outcome).length;
				const totals = memory.totals().find((one) => one.hostId === hostId);
				const expected = { hostId, rejected: total("rejected"), lenient: total("lenient") };
				expect(totals ?? { hostId, rejected: 0, lenient: 0 }).toEqual(expected);
				const last = memory.lastRejection(hostId);
				if (last !== null)
					expect(all).toContainEqual(expect.objectContaining({ atMs: last.atMs, outcome: "rejected" }));
				const newest = all.findLast((one) => one.hostId === hostId);
				if (newest?.outcome === "rejected" && examplesMax === 100) expect(last?.atMs).toBe(newest.atMs);
			}
			const faults = new Map<number, number>();
			for (const { hostId, outcome, reason } of all)
				if (outcome === "rejected" && reason !== "account-throttled") faults.set(hostId, (faults.get(hostId) ?? 0) + 1);
			expect(new Map(memory.takeFaults())).toEqual(faults);
			expect(memory.takeFaults().size).toBe(0);
			const rejected = Object.values(countedBy(counters, "messages_rejected_total"));
			expect(rejected.reduce((sum, one) => sum + one, 0)).toBe(all.filter((one) => one.outcome === "rejected").length);
		}
	});

	test("are the same if several workers have judged the messages", () => {
		const rng = new Rng("failures of workers");
		for (let round = 0; round < 100; round++) {
			let nowMs = 0;
			const workers = Array.from({ length: 3 }, () => new HostFailures(new Counters(), () => nowMs));
			const all = generated(rng);
			for (const failed of all) {
				nowMs = failed.atMs;
				note(rng.pick(workers), failed);
			}
			for (let hostId = 0; hostId < 4; hostId++) {
				const told = merged(workers.flatMap((worker) => worker.of([hostId])).flatMap(({ reasons }) => reasons));
				expect(byReason(told)).toEqual(modelOf(all, hostId, 100));
				const counts = told.map(({ rejected, lenient }) => rejected + lenient);
				expect(counts).toEqual([...counts].sort((a, b) => b - a));
			}
		}
	});

	test("take no memory of a host of which nothing failed, and a bounded one of all others", () => {
		const counters = new Counters();
		const memory = new HostFailures(counters, () => 1, 10);
		expect(memory.of([1])).toEqual([]);
		expect(memory.lastRejection(1)).toBeNull();
		expect(memory.totals()).toEqual([]);
		for (let hostId = 0; hostId < 1_000; hostId++) memory.rejected(senderOf(hostId), null, "rev-stale", "old");
		expect(memory.examples).toBe(10);
		expect(counted(counters).of("failure_examples_forgotten_total")).toBe(990);
		expect(memory.totals()).toHaveLength(1_000);
		expect(FAILURE_EXAMPLES_MAX * 3 * STRING_CHARS_MAX).toBeLessThan(16_000_000);
	});

	test("have texts that are cut and well formed, whatever the sender wrote", () => {
		const memory = new HostFailures(new Counters(), () => 1);
		const did = `did:web:${"a".repeat(2_000)}`;
		const message = { type: "commit", did, seq: 1, rev: "\ud800".repeat(1_000), opsCount: 1 } as unknown as Message;
		memory.rejected(senderOf(1), message, "rev-stale", `${"x".repeat(STRING_CHARS_MAX - 1)}😀`);
		const example = memory.of([1])[0]?.reasons[0]?.example;
		for (const text of [example?.did, example?.rev, example?.detail]) {
			expect(text?.length).toBe(STRING_CHARS_MAX + 1);
			expect(text?.isWellFormed()).toBe(true);
		}
	});
});

test("the latest rejections are those whose last message failed last, of all hosts and reasons, without what has passed", () => {
	const rng = new Rng("latest rejections");
	for (let round = 0; round < 100; round++) {
		const all = generated(rng);
		let nowMs = 0;
		const memory = new HostFailures(new Counters(), () => nowMs);
		for (const one of all) {
			nowMs = one.atMs;
			note(memory, one);
		}
		const lasts = [...new Map(all.map((one) => [`${one.hostId} ${one.reason}`, one])).values()];
		const rejected = lasts.filter(({ outcome }) => outcome === "rejected").sort((a, b) => b.atMs - a.atMs);
		const limit = rng.int(8);
		expect(memory.latest(limit)).toMatchObject(
			rejected.slice(0, limit).map(({ hostId, reason, detail, atMs }) => {
				return { ...{ hostname: senderOf(hostId).hostname, reason, detail, atMs }, passedSince: false };
			}),
		);
		expect(memory.latest(limit)).toHaveLength(Math.min(limit, rejected.length));
	}
});
