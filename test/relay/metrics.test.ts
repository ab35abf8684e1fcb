import { afterAll, beforeAll, expect, test } from "bun:test";
import type { ThreadState } from "../../src/runtime/thread-state.ts";
import { RelayRig, until } from "./rig.ts";

/** Metrics that operators' graphs rely on, as in /metrics but without the values. There may be more. */
const SAID = (await Bun.file(new URL("./metrics.txt", import.meta.url)).text()).trimEnd().split("\n");

let rig: RelayRig;

beforeAll(async () => {
	const workers = { RELAY_INGEST_WORKERS: "2", RELAY_FANOUT_WORKERS: "2" };
	rig = await RelayRig.start({ seed: "metrics", hosts: 1, accounts: 1 }, workers);
});

afterAll(() => rig.stop());

/** A metric by reason. The JSON has it under a name of its own. */
const REASON = /^standpipe_messages_(rejected|lenient)_total\{reason="(.+)"\}$/;

test("no metric has lost its name, its meaning, its type or one of its labels", async () => {
	const response = await fetch(`http://127.0.0.1:${rig.relay.internalPort}/metrics`);
	const lines = (await response.text()).split("\n").filter((line) => line !== "");
	const says = new Set(lines.map((line) => (line.startsWith("#") ? line : line.replace(/ [^ ]+$/, ""))));
	expect(says.size).toBe(lines.length);
	// What to do comes after the meaning.
	for (const line of lines) if (line.startsWith("# HELP ")) says.add(line.slice(0, line.indexOf(". ")));
	expect(SAID.filter((line) => !says.has(line))).toEqual([]);
	// The same as JSON.
	const answer = await fetch(`http://127.0.0.1:${rig.relay.internalPort}/_stats`);
	const stats = (await answer.json()) as Record<string, Record<string, unknown>>;
	const missing = SAID.filter((line) => line.startsWith("standpipe_")).filter((line) => {
		const [, family = "counters", reason = line.slice("standpipe_".length)] = REASON.exec(line) ?? [];
		return typeof stats[family]?.[reason] !== "number";
	});
	expect(missing).toEqual([
		"standpipe_log_first_seq",
		"standpipe_log_last_seq",
		"standpipe_log_last_lsn",
		"standpipe_index_applied_lsn",
	]);
	expect(stats["log"]).toEqual({
		firstSeq: 1,
		lastSeq: expect.any(Number),
		lastLsn: expect.any(Number),
		appliedLsn: expect.any(Number),
	});
	expect(stats["openFiles"]).toEqual({ open: expect.any(Number), max: expect.any(Number) });
	expect(stats["rssBytes"]).toBeGreaterThan(0);
});

test("each stage counts how long messages took", async () => {
	const [account] = rig.network.accounts;
	if (account === undefined) throw new Error("the network has no account");
	const sent = 20;
	for (let message = 0; message < sent; message++) rig.network.send(account, await account.commit());
	await until(() => rig.received(account.did).length === sent);
	let text = "";
	const count = (name: string): number => {
		const counts = [...text.matchAll(new RegExp(`^standpipe_${name}_count(?:{.*})? (\\d+)$`, "gm"))];
		return counts.reduce((sum, [, value]) => sum + Number(value), 0);
	};
	// For a second the answer is the one before.
	await until(async () => {
		text = await (await fetch(`http://127.0.0.1:${rig.relay.internalPort}/metrics`)).text();
		return count("host_to_consumer_seconds") > 0;
	});
	for (const name of ["message_intake", "message_admission", "message_log"])
		expect([name, count(`${name}_seconds`)]).toEqual([name, sent]);
	// A message that has to wait after its verification is verified again.
	expect(count("verification_seconds")).toBeGreaterThanOrEqual(sent);
	// Each turn of the consumer counts one of its messages.
	for (const name of ["message_fanout", "host_to_consumer"]) {
		expect(count(`${name}_seconds`)).toBeWithin(1, sent + 1);
		expect(text).toContain(`standpipe_${name}_seconds_bucket{le="300"} ${count(`${name}_seconds`)}\n`);
	}
});

test("each thread reports its state", async () => {
	let states: Record<string, ThreadState> = {};
	// On a busy machine one answer may come too late.
	await until(async () => {
		states = (await rig.stats()).threads;
		return Object.values(states).every(({ memory }) => memory !== null);
	});
	const names = ["control", "fanout 0", "fanout 1", "index", "ingest 0", "ingest 1", "log", "reads"];
	expect(Object.keys(states).sort()).toEqual(names);
	const memory = expect.objectContaining({ heapUsedBytes: expect.any(Number), heapTotalBytes: expect.any(Number) });
	for (const state of Object.values(states))
		expect(state).toEqual({ isAnswering: true, afterMs: expect.any(Number), memory });
	// Each thread has a heap of its own.
	expect(new Set(Object.values(states).map((state) => JSON.stringify(state.memory))).size).toBeGreaterThan(1);
});
