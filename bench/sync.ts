/**
 * What one sync of the log costs, for a file that grows with each write, and for one whose blocks exist already. It measures
 * the disk of the system's temporary folder, or with `--dir FOLDER`, which can be given several times, others. The figures are
 * those of the first folder. Also how long a sync takes while the next segment's file is being prepared, by how that is done.
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
const BATCHES = 1_000;
const TURN_BATCHES = 20;
const WRITE_BYTES = 1024 ** 2;
const ZEROS = Buffer.alloc(WRITE_BYTES);
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
/** How the other file is written meanwhile: in pieces of so many bytes, each with its sync; so many of them for each byte of a batch. */
const PACES: readonly { name: string; pieceBytes: number; bytesPerByte: number }[] = [
	{ name: "nothing else goes on", pieceBytes: 0, bytesPerByte: 0 },
	{ name: "1 MiB at a time, 2.5 bytes for each of the log", pieceBytes: WRITE_BYTES, bytesPerByte: 2.5 },
	{ name: "1 MiB at a time, without a pause", pieceBytes: WRITE_BYTES, bytesPerByte: Number.POSITIVE_INFINITY },
	{ name: "256 MiB and one sync", pieceBytes: PREPARED_BYTES, bytesPerByte: Number.POSITIVE_INFINITY },
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

/** Measures syncs of a prepared file while another file is written in the background. */
async function measureBeside(directory: string): Promise<Row[]> {
	const all: { name: string; syncs: Syncs }[] = [];
	for (const pace of PACES) all.push({ name: pace.name, syncs: await measurePace(directory, pace) });
	const alone = all[0]?.syncs;
	return [
		{ name: "while the next file is prepared", value: PREPARED_BYTES / 1024 ** 2, unit: "MiB" },
		...all.map(({ name, syncs }) => rowOf(`  ${name}`, syncs, alone)),
	];
}

async function measurePace(directory: string, { pieceBytes, bytesPerByte }: (typeof PACES)[number]): Promise<Syncs> {
	const path = join(directory, "active");
	const nextPath = join(directory, "next");
	const file = written(path, 0);
	const next = openSync(nextPath, "wx+");
	const syncs: Syncs = { tookUs: [], cpuUs: 0 };
	let preparedBytes = 0;
	let isBusy = false;
	const before = process.cpuUsage();
	for (let at = 0; at < BATCHES || isBusy; at++) {
		if (
			!isBusy &&
			pieceBytes > 0 &&
			preparedBytes <= at * BATCH.length * bytesPerByte &&
			preparedBytes < PREPARED_BYTES
		) {
			isBusy = true;
			void writePiece(next, preparedBytes, pieceBytes).then(() => {
				isBusy = false;
			});
			preparedBytes += pieceBytes;
		}
		syncs.tookUs.push(syncedUs(file, (at % BATCHES) * BATCH.length, systemLogFs.overwrite));
		await new Promise(setImmediate);
	}
	const { user, system } = process.cpuUsage(before);
	syncs.cpuUs = user + system;
	for (const [open, name] of [
		[file, path],
		[next, nextPath],
	] as const) {
		closeSync(open);
		rmSync(name);
	}
	return syncs;
}

async function writePiece(file: number, start: number, bytes: number): Promise<void> {
	for (let at = start; at < start + bytes; at += WRITE_BYTES) await systemLogFs.writeInBackground(file, ZEROS, at);
	await systemLogFs.syncInBackground(file);
}

function rowOf(name: string, syncs: Syncs | undefined, reference: Syncs | undefined): Row {
	if (syncs === undefined) throw new RangeError(`${name} was not measured`);
	const { tookUs, cpuUs } = syncs;
	return {
		name: `  ${name}`,
		value: percentile(tookUs, 0.5),
		unit: "µs",
		note: `p99 ${percentile(tookUs, 0.99).toFixed(0)} µs; max ${Math.max(...tookUs).toFixed(0)} µs; CPU ${(cpuUs / tookUs.length).toFixed(0)} µs; ${ratio(syncs, reference).toFixed(2)} of the first`,
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
	const piece = Buffer.alloc(WRITE_BYTES, value);
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
