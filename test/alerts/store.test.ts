import { afterEach, beforeEach, expect, test } from "bun:test";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { detect, newMemory } from "../../src/alerts/detect.ts";
import { NO_INCIDENTS, next } from "../../src/alerts/incidents.ts";
import { ALERT_KIND_NAMES } from "../../src/alerts/kinds.ts";
import { AlertsFile, type AlertsState, FILE_NAME, HOST_RATES_MAX } from "../../src/alerts/store.ts";
import { Rng } from "../../src/sim/rng.ts";
import { FACTS } from "./facts.ts";

let directory: string;
let path: string;
beforeEach(() => {
	directory = mkdtempSync(join(tmpdir(), "standpipe-alerts-"));
	path = join(directory, FILE_NAME);
});
afterEach(() => rmSync(directory, { recursive: true, force: true }));

function stateOf(): AlertsState {
	const rejectedOf = [{ hostname: "a.example", rejected: 7 }];
	const { memory } = detect(newMemory(FACTS, 1), { ...FACTS, logGaps: 1, rejectedOf }, 2);
	const observations = [{ kind: "log-gap", subject: "log", severity: "critical", text: "odd" }] as const;
	const { state, notices } = next(NO_INCIDENTS, { looked: new Set(ALERT_KIND_NAMES), observations }, 3, 4);
	return { incidents: state, memory, waiting: notices.map((notice) => ({ target: "t", notice })) };
}

test("what is saved is what is loaded, for the owner's eyes only", async () => {
	const file = new AlertsFile(directory);
	expect(await file.load()).toBeNull();
	await file.save(stateOf());
	expect(await file.load()).toEqual(stateOf());
	await file.save({ ...stateOf(), waiting: [] });
	expect((await file.load())?.waiting).toEqual([]);
	expect(statSync(path).mode & 0o777).toBe(0o600);
});

test("rejections of so many hosts are saved: those with the most", async () => {
	const rejectedOf = Array.from({ length: HOST_RATES_MAX + 500 }, (_, at) => ({
		hostname: `host-${at}`,
		rejected: 1 + at,
	}));
	const { memory } = detect(newMemory(FACTS, 1), { ...FACTS, rejectedOf }, 2);
	const file = new AlertsFile(directory);
	await file.save({ ...stateOf(), memory });
	const saved = (await file.load())?.memory?.rejectedOf ?? new Map();
	expect([saved.size, saved.has("host-499"), saved.has("host-500")]).toEqual([HOST_RATES_MAX, false, true]);
});

test("a file that is damaged in any way is taken for none, and can be saved over; a draft is never read", async () => {
	const rng = new Rng("damaged alerts");
	const file = new AlertsFile(directory);
	await file.save(stateOf());
	const good = readFileSync(path);
	writeFileSync(`${path}.new`, "{}");
	expect(await file.load()).toEqual(stateOf());
	for (let at = 0; at < 200; at++) {
		const bytes = Buffer.from(good);
		if (rng.int(2) === 0) writeFileSync(path, bytes.subarray(0, rng.int(bytes.length)));
		else {
			bytes[rng.int(bytes.length)] = rng.int(256);
			writeFileSync(path, bytes);
		}
		// It is none, or one of the same shape: a letter of a text may have changed.
		const loaded = await file.load();
		if (loaded !== null) expect(loaded.incidents.incidents.size).toBe(1);
		await file.save(stateOf());
		expect(await file.load()).toEqual(stateOf());
	}
});
