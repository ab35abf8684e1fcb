import { describe, expect, test } from "bun:test";
import { LAST_REJECTIONS_LIMITS, LastRejections } from "../../src/ingest/last-rejections.ts";
import type { RejectionReason } from "../../src/protocol/reasons.ts";
import { Rng } from "../../src/sim/rng.ts";

const REASONS: readonly RejectionReason[] = ["signature-invalid", "rev-stale", "host-mismatch"];
const TYPES = ["commit", "sync", "account", "identity"] as const;

function senderOf(hostId: number): { hostId: number; hostname: string } {
	return { hostId, hostname: `pds${hostId}.example.com` };
}

function note(memory: LastRejections, hostId: number, did: string, { type = "commit", atMs = 0, seq = 1 } = {}): void {
	memory.note(senderOf(hostId), { did, type, seq }, "rev-stale", "it is old", atMs);
}

describe("the last rejections", () => {
	test("are those of each account and host, within both limits, whatever comes in whatever order", () => {
		const rng = new Rng("last rejections");
		for (let round = 0; round < 30; round++) {
			const limits = { entriesMax: 1 + rng.int(12), perHostMax: 1 + rng.int(5) };
			const memory = new LastRejections(limits);
			/** The naive model: everything, the latest last. */
			const all: {
				hostId: number;
				did: string;
				atMs: number;
				reason: RejectionReason;
				passedSince: boolean;
				type: string;
			}[] = [];
			for (let atMs = 1; atMs < 200; atMs++) {
				const hostId = rng.int(5);
				const did = `did:plc:${rng.int(8)}`;
				const type = rng.pick(TYPES);
				if (rng.int(4) === 0) {
					memory.passed(hostId, did, type);
					const isRepo = (one: string): boolean => one === "commit" || one === "sync";
					for (const one of all)
						if (one.hostId === hostId && one.did === did && (one.type === type || (isRepo(one.type) && isRepo(type))))
							one.passedSince = true;
				} else {
					const reason = rng.pick(REASONS);
					memory.note(senderOf(hostId), { did, type, seq: atMs }, reason, reason, atMs);
					all.push({ hostId, did, atMs, reason, passedSince: false, type });
				}
				expect(memory.size).toBeLessThanOrEqual(limits.entriesMax);
				// What is remembered is true, and the last one is always remembered.
				for (let at = 0; at < 8; at++) {
					const found = memory.of(`did:plc:${at}`);
					expect(found.map((one) => one.atMs)).toEqual(found.map((one) => one.atMs).sort((a, b) => b - a));
					for (const one of found) {
						const last = all.findLast(
							({ hostId: id, did: of }) => of === one.did && senderOf(id).hostname === one.hostname,
						);
						expect(one).toMatchObject({
							...{ atMs: last?.atMs, reason: last?.reason, type: last?.type, passedSince: last?.passedSince },
							...{ upstreamSeq: last?.atMs, detail: last?.reason },
						});
					}
				}
				for (let host = 0; host < 5; host++) {
					const ofHost = [0, 1, 2, 3, 4, 5, 6, 7].flatMap((at) =>
						memory.of(`did:plc:${at}`).filter(({ hostname }) => hostname === senderOf(host).hostname),
					);
					expect(ofHost.length).toBeLessThanOrEqual(limits.perHostMax);
				}
				const last = all.at(-1);
				if (last !== undefined) expect(memory.of(last.did).map((one) => one.atMs)).toContain(last.atMs);
			}
		}
	});

	test("of a host that sends rubbish push out its own only, as long as others are few", () => {
		const memory = new LastRejections({ entriesMax: 100, perHostMax: 10 });
		note(memory, 1, "did:plc:good");
		for (let at = 0; at < 10_000; at++) note(memory, 2, `did:plc:${at}`);
		expect(memory.of("did:plc:good")).toHaveLength(1);
		expect(memory.size).toBe(11);
	});

	test("leave out DIDs that are too long, and cut long details", () => {
		const memory = new LastRejections();
		note(memory, 1, `did:web:${"a".repeat(300)}`);
		expect(memory.size).toBe(0);
		const detail = `${"x".repeat(299)}😀`;
		memory.note(senderOf(1), { did: "did:plc:a", type: "commit", seq: 1 }, "rev-stale", detail, 0);
		expect(memory.of("did:plc:a")[0]?.detail).toBe(`${"x".repeat(299)}\uFFFD`);
	});

	test("take up to a few MB in a worker", () => {
		expect(LAST_REJECTIONS_LIMITS.entriesMax * 1_000).toBeLessThan(10_000_000);
		expect(LAST_REJECTIONS_LIMITS.perHostMax).toBeLessThan(LAST_REJECTIONS_LIMITS.entriesMax / 8);
	});

	test("are copies: what is told does not change later", () => {
		const memory = new LastRejections();
		note(memory, 1, "did:plc:a");
		const [told] = memory.of("did:plc:a");
		memory.passed(1, "did:plc:a", "sync");
		expect(told?.passedSince).toBe(false);
		expect(memory.of("did:plc:a")[0]?.passedSince).toBe(true);
		memory.passed(2, "did:plc:b", "sync");
		expect(memory.size).toBe(1);
	});
});
