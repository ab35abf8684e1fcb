/**
 * What one sync of the log costs, for a file that grows with each write, and for one whose blocks exist already. It measures
 * the disk of the system's temporary folder, or with `--dir FOLDER`, which can be given several times, others. The figures are
 * those of the first folder. Also how long a sync takes while the next segment's file is being prepared, by the size of the
 * pieces.
 */
import { closeSync, mkdtempSync, openSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { BLOCK_BYTES, systemLogFs } from "../src/log/local/log-fs.ts";
import { percentile, type Row, report } from "./rig/figures.ts";
import { evictFile } from "./rig/page-cache.ts";

/** The size of one commit's record, as in most batches at low rates. */
const BATCH = Buffer.alloc(5_600, 0x5a);
const BATCHES = 2_000;
const TURN_BATCHES = 20;
const PIECE_BYTES = 1024 ** 2;
const FILE_BYTES = Math.ceil((BATCHES * BATCH.length) / BLOCK_BYTES + 1) * BLOCK_BYTES;
/** Size of the file that is prepared meanwhile: a segment. */
const PREPARED_BYTES = 256 * 1024 ** 2;

/** A file that batches are written to. */
interface Way {
	name: string;
	/** Makes the file, at this path. */
	make: (path: string) => number;
	write: (file: number, bytes: Buffer, position: number) => void;
}

interface Syncs {
	tookUs: number[];
	/** CPU time of this process, user and system. The kernel's own threads are not in it. */
	cpuUs: number;
}

/**
 * In order: the log's way without a prepared file; a way that does not help; the log's two ways with a prepared file; and a way
 * that shows why it writes whole blocks.
 */
const WAYS: readonly Way[] = [
	{ name: "a file that grows", make: (path) => openSync(path, "wx+"), write: systemLogFs.write },
	{ name: "allocated, not written (`fallocate`)", make: allocated, write: systemLogFs.write },
	{ name: "prepared: zeros", make: (path) => written(path, 0), write: systemLogFs.overwrite },
	{
		name: "reused: old bytes, not in memory",
		make: (path) => evicted(written(path, 7), path),
		write: systemLogFs.overwrite,
	},
	{ name: "  without whole blocks", make: (path) => evicted(written(path, 7), path), write: systemLogFs.write },
];
/** How the other file is written meanwhile: bytes between two syncs of it. */
const PIECES: readonly { name: string; bytes: number | null }[] = [
	{ name: "nothing else goes on", bytes: null },
	{ name: "pieces of 1 MiB, each with its sync", bytes: 1024 ** 2 },
	{ name: "pieces of 16 MiB", bytes: 16 * 1024 ** 2 },
	{ name: "256 MiB and one sync", bytes: PREPARED_BYTES },
];

const { values } = parseArgs({ options: { dir: { type: "string", multiple: true } }, strict: false });
const rows: Row[] = [];
let figures: Record<string, number> = {};
for (const parent of values.dir?.map(String) ?? [tmpdir()]) {
	const directory = mkdtempSync(join(parent, "standpipe-bench-"));
	try {
		rows.push({
			name: `in ${parent}`,
			value: FILE_BYTES / 1024 ** 2,
			unit: "MiB",
			note: "written to each file, in turns",
		});
		rows.push(...measureWays(directory));
		rows.push(...(await measureBeside(directory)));
	} finally {
		rmSync(directory, { recursive: true });
	}
}
await report(`one write of ${BATCH.length} bytes and its fdatasync`, rows, figures);

/** Measures all files in short turns, so that other work of the machine affects them alike. */
function measureWays(directory: string): Row[] {
	const all = WAYS.map((way, at) => {
		const path = join(directory, `${at}`);
		return { way, path, file: way.make(path), syncs: { tookUs: [], cpuUs: 0 } };
	});
	for (let batch = 0; batch < BATCHES; batch += TURN_BATCHES) {
		for (const { way, file, syncs } of all) measureTurn(file, way, batch, syncs);
	}
	for (const { file, path } of all) {
		closeSync(file);
		rmSync(path);
	}
	const [growing, , prepared, reused] = all.map(({ syncs }) => syncs);
	if (rows.length === 1) {
		figures = {
			sync_prepared_over_growing: ratio(prepared, growing),
			sync_reused_over_growing: ratio(reused, growing),
			sync_cpu_prepared_over_growing: (prepared?.cpuUs ?? 0) / (growing?.cpuUs ?? 0),
		};
	}
	return all.map(({ way, syncs }) => rowOf(way.name, syncs, growing));
}

function measureTurn(file: number, { write }: Way, firstBatch: number, into: Syncs): void {
	const before = process.cpuUsage();
	for (let batch = firstBatch; batch < firstBatch + TURN_BATCHES; batch++) {
		into.tookUs.push(syncedUs(file, batch * BATCH.length, write));
	}
	const { user, system } = process.cpuUsage(before);
	into.cpuUs += user + system;
}

function syncedUs(file: number, position: number, write: Way["write"]): number {
	const startMs = performance.now();
	write(file, BATCH, position);
	systemLogFs.sync(file);
	return (performance.now() - startMs) * 1000;
}

/** Measures syncs of a prepared file while another file is written in the background, as fast as its own syncs allow. */
async function measureBeside(directory: string): Promise<Row[]> {
	const path = join(directory, "active");
	const rows: Row[] = [];
	let alone: Syncs | undefined;
	for (const { name, bytes } of PIECES) {
		const file = written(path, 0);
		const other = join(directory, "next");
		const syncs: Syncs = { tookUs: [], cpuUs: 0 };
		const before = process.cpuUsage();
		const preparing = bytes === null ? null : prepare(other, bytes);
		for (let at = 0; at < BATCHES || !(preparing?.isDone ?? true); at++) {
			syncs.tookUs.push(syncedUs(file, (at % BATCHES) * BATCH.length, systemLogFs.overwrite));
			await new Promise(setImmediate);
		}
		const { user, system } = process.cpuUsage(before);
		syncs.cpuUs = user + system;
		alone ??= syncs;
		await preparing?.done;
		closeSync(file);
		rmSync(path);
		rmSync(other, { force: true });
		rows.push(rowOf(`  ${name}`, syncs, alone));
	}
	return [{ name: "while the next file is prepared", value: PREPARED_BYTES / 1024 ** 2, unit: "MiB" }, ...rows];
}

function prepare(path: string, pieceBytes: number): { isDone: boolean; done: Promise<void> } {
	const state = { isDone: false, done: Promise.resolve() };
	const zeros = Buffer.alloc(PIECE_BYTES);
	const run = async (): Promise<void> => {
		const file = openSync(path, "wx+");
		for (let at = 0; at < PREPARED_BYTES; at += PIECE_BYTES) {
			await systemLogFs.writeInBackground(file, zeros, at);
			if ((at + PIECE_BYTES) % pieceBytes === 0) await systemLogFs.syncInBackground(file);
		}
		closeSync(file);
		state.isDone = true;
	};
	state.done = run();
	return state;
}

function rowOf(name: string, syncs: Syncs | undefined, reference: Syncs | undefined): Row {
	if (syncs === undefined) throw new RangeError(`${name} was not measured`);
	const { tookUs, cpuUs } = syncs;
	return {
		name: `  ${name}`,
		value: percentile(tookUs, 0.5),
		unit: "µs",
		note: `p99 ${percentile(tookUs, 0.99).toFixed(0)} µs; CPU ${(cpuUs / tookUs.length).toFixed(0)} µs; ${ratio(syncs, reference).toFixed(2)} of the first`,
	};
}

function ratio(syncs: Syncs | undefined, reference: Syncs | undefined): number {
	return percentile(syncs?.tookUs ?? [], 0.5) / percentile(reference?.tookUs ?? [], 0.5);
}

/** A file whose blocks are allocated, and marked as not written by the file system. */
function allocated(path: string): number {
	const file = openSync(path, "wx+");
	const { success, stderr } = Bun.spawnSync(["fallocate", "-l", String(FILE_BYTES), path]);
	if (!success) throw new Error(`fallocate failed: ${stderr}`);
	systemLogFs.sync(file);
	return file;
}

function written(path: string, value: number): number {
	const file = openSync(path, "wx+");
	const piece = Buffer.alloc(PIECE_BYTES, value);
	for (let at = 0; at < FILE_BYTES; at += piece.length) {
		systemLogFs.write(file, piece.subarray(0, Math.min(piece.length, FILE_BYTES - at)), at);
	}
	systemLogFs.sync(file);
	return file;
}

function evicted(file: number, path: string): number {
	evictFile(path);
	return file;
}
