/**
 * What the mirror of the PLC directory costs: CPU time per operation and bytes per DID; and how long the index's transactions take while
 * the mirror reads the export for the first time, with a file of its own and in the index's file. With `--operations N`.
 */
import { Database } from "bun:sqlite";
import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Counters } from "../src/observe/counters.ts";
import { PAGE_LINES } from "../src/plc/export-page.ts";
import { readLines } from "../src/plc/fold.ts";
import { PAGE_INTERVAL_MS } from "../src/plc/follower.ts";
import { Mirror } from "../src/plc/mirror.ts";
import { RotationKeys } from "../src/plc/rotation-keys.ts";
import { openSqliteMirror } from "../src/plc/sqlite/store.ts";
import { selectSignatureCheck } from "../src/verify/signature-check.ts";
import { percentile, type Row, report } from "./rig/figures.ts";
import { plcLines } from "./rig/plc-lines.ts";
import { scratchDirectory } from "./rig/scratch.ts";

const { values } = parseArgs({
	options: { operations: { type: "string" }, load: { type: "string" }, into: { type: "string" } },
	strict: false,
});
const OPERATIONS = Number(values.operations ?? 20_000);
/** As often as the index writes, and about as many rows. */
const TRANSACTION_INTERVAL_MS = 25;
const TRANSACTION_ROWS = 20;
const ACCOUNTS = 100_000;
const TURN_MS = 10_000;
const NICENESS = "10";

if (values.load !== undefined) await load(String(values.load), String(values.into), PAGE_INTERVAL_MS);
else await measure();

/** Loads a file of lines into a mirror, page by page. */
async function load(linesPath: string, path: string, pauseMs: number): Promise<void> {
	const store = await openSqliteMirror(path);
	const keys = new RotationKeys(selectSignatureCheck("auto"));
	const options = { store, directory: "https://plc.test", keys, counters: new Counters(), clock: Date.now };
	const mirror = await Mirror.open(options);
	const lines = readFileSync(linesPath, "utf8").split("\n");
	for (let at = 0; at < lines.length; at += PAGE_LINES) {
		const page = lines.slice(at, at + PAGE_LINES).map((text) => ({ text, isTooLong: false }));
		await mirror.apply(readLines(page), null);
		await Bun.sleep(pauseMs);
	}
	await store.close();
}

async function measure(): Promise<void> {
	const folder = scratchDirectory();
	const linesPath = join(folder, "lines");
	const { lines, dids } = plcLines(OPERATIONS);
	writeFileSync(linesPath, lines.join("\n"));

	const whole = join(folder, "whole.sqlite");
	const before = process.cpuUsage();
	await load(linesPath, whole, 0);
	const { user, system } = process.cpuUsage(before);
	const usPerOperation = (user + system) / OPERATIONS;
	const bytesPerDid = statSync(whole).size / dids;

	const alone = await transactions(join(folder, "alone.sqlite"));
	const apart = await beside(linesPath, join(folder, "apart-mirror.sqlite"), join(folder, "apart.sqlite"));
	const together = await beside(linesPath, join(folder, "together.sqlite"), join(folder, "together.sqlite"));
	const rows: Row[] = [
		{ name: "operations", value: OPERATIONS, unit: "", note: `of ${dids} DIDs` },
		{ name: "CPU time per operation", value: usPerOperation, unit: "µs" },
		{ name: "bytes per DID in SQLite", value: bytesPerDid, unit: "B" },
		{ name: `transactions of ${TRANSACTION_ROWS} rows: no mirror`, ...latency(alone) },
		{ name: "  the mirror in a file of its own", ...latency(apart) },
		{ name: "  the mirror in the same file", ...latency(together) },
	];
	await report("the mirror of the PLC directory", rows, {
		plc_us_per_operation: usPerOperation,
		plc_bytes_per_did: bytesPerDid,
		plc_index_p99_ms_apart: percentile(apart, 0.99),
		plc_index_p99_ms_together: percentile(together, 0.99),
	});
}

/** Measures transactions while another process loads a mirror. */
async function beside(linesPath: string, mirror: string, index: string): Promise<number[]> {
	const args = [process.execPath, import.meta.path, "--load", linesPath, "--into", mirror];
	const child = Bun.spawn(["nice", "-n", NICENESS, ...args], { stdout: "ignore" });
	while (!(await Bun.file(mirror).exists())) await Bun.sleep(10);
	const tookMs = await transactions(index);
	child.kill();
	await child.exited;
	return tookMs;
}

/** Writes as the index does, for a while. Returns what each transaction took, in milliseconds. */
async function transactions(path: string): Promise<number[]> {
	const database = new Database(path, { create: true });
	for (const pragma of ["busy_timeout = 5000", "journal_mode = WAL", "synchronous = NORMAL"])
		database.run(`PRAGMA ${pragma}`);
	database.run("CREATE TABLE account (id INTEGER PRIMARY KEY, did TEXT UNIQUE, rev TEXT)");
	const upsert = database.prepare(
		"INSERT INTO account (did, rev) VALUES (?, ?) ON CONFLICT (did) DO UPDATE SET rev = excluded.rev",
	);
	let row = 0;
	const write = database.transaction(() => {
		for (let at = 0; at < TRANSACTION_ROWS; at++) upsert.run(`did:plc:${(row++ * 7919) % ACCOUNTS}`, `rev ${row}`);
	}).immediate;
	const tookMs: number[] = [];
	for (const endMs = performance.now() + TURN_MS; performance.now() < endMs; ) {
		await Bun.sleep(TRANSACTION_INTERVAL_MS);
		const startMs = performance.now();
		write();
		tookMs.push(performance.now() - startMs);
	}
	database.close();
	return tookMs;
}

function latency(tookMs: readonly number[]): Omit<Row, "name"> {
	const all = [...tookMs];
	const note = `p99 ${percentile(all, 0.99).toFixed(1)} ms; max ${Math.max(...all).toFixed(1)} ms`;
	return { value: percentile(all, 0.5), unit: "ms", note };
}
