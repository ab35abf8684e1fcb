/**
 * What the fan-out delivers on one core, to few consumers and to many, live and at full speed. It is compared with a bare loop
 * that sends the same bytes to as many sockets. Also what a consumer that does not read costs in memory. The consumers are in
 * this process; the fan-out has a process of its own.
 */
import { join } from "node:path";
import { freePort } from "../src/sim/relay-process.ts";
import { processCpuMs, residentMib, threadCpuMs } from "./rig/cpu.ts";
import { Crowd } from "./rig/crowd.ts";
import { median, type Row, report } from "./rig/figures.ts";
import { PreparedLog } from "./rig/prepared-log.ts";
import { scratchDirectory } from "./rig/scratch.ts";

const FRAME_BYTES = 5_500;
/** What a frame takes on the wire, with its WebSocket header. */
const WIRE_BYTES = FRAME_BYTES + 4;
const LOG_FRAMES = 50_000;
const LIVE_PER_S = 2_000;
const CONSUMERS = [1, 50, 200, 1_000];
/** The number of consumers that is compared with the bare loop. Fan-out and loop take turns, `ROUNDS` times. */
const COMPARED = 200;
const ROUNDS = 3;
const WARM_UP_MS = 2_000;
const WINDOW_MS = 3_000;
const STALLED = 100;
const READING = 400;
/** A live rate that so many consumers keep up with for certain. */
const SLOW_LIVE_PER_S = 25;
const POLL_MS = 20;
const START_MS_MAX = 30_000;
/** In this time a hundred buffers fill, and the garbage collector runs. */
const SETTLE_MS = 8_000;

const THREAD = "fanout 0";

interface Flow {
	framesPerS: number;
	/** By CPU time of the fan-out thread. */
	framesPerCoreS: number;
	cpuMsPerGb: number;
	/** CPU time of the other threads (garbage collector, compilers), as a share of the fan-out thread's. */
	otherShare: number;
	residentMib: number;
}

const directory = scratchDirectory();
const log = new PreparedLog(directory, FRAME_BYTES);
log.append(LOG_FRAMES);
log.close();
await main();
process.exit(0);

async function main(): Promise<void> {
	const rows: Row[] = [];
	const bare: number[] = [];
	const shares: number[] = [];
	const compared: number[] = [];
	for (let round = 0; round < ROUNDS; round++) {
		const loop = await flow("bare", COMPARED, null);
		const fanout = await flow("fanout", COMPARED, 0);
		bare.push(loop.framesPerCoreS);
		compared.push(fanout.framesPerCoreS);
		shares.push(fanout.framesPerCoreS / loop.framesPerCoreS);
	}
	const share = median(shares);
	rows.push(
		{ name: `bare loop, ${COMPARED} sockets`, value: median(bare), unit: "frames/s of a core" },
		{
			name: `fan-out, ${COMPARED} consumers`,
			value: median(compared),
			unit: "frames/s of a core",
			note: `${share.toFixed(2)} of the loop; ${shares.map((each) => each.toFixed(2)).join(", ")} by round`,
		},
	);
	for (const consumers of CONSUMERS) {
		rows.push(...rowsOf(`${consumers} at full speed`, await flow("fanout", consumers, 0)));
		rows.push(...rowsOf(`${consumers} live`, await flow("fanout", consumers, null)));
	}
	const stalled = await stalledMib();
	rows.push({
		name: `each of ${STALLED} stalled consumers`,
		value: stalled.each,
		unit: "MiB",
		note: `while ${READING} others read; ${stalled.eachLater.toFixed(2)} a while later`,
	});
	await report(`frames of ${FRAME_BYTES} bytes from one fan-out thread`, rows, {
		frames_per_s_core_200: median(compared),
		share_of_bare_loop_200: share,
		stalled_mib_each: Math.max(stalled.each, stalled.eachLater),
	});
}

function rowsOf(name: string, flow: Flow): Row[] {
	return [
		{
			name,
			value: flow.framesPerCoreS,
			unit: "frames/s of a core",
			note: `${Math.round(flow.framesPerS).toLocaleString("en-US")} frames/s delivered`,
		},
		{
			name: "  CPU time",
			value: flow.cpuMsPerGb,
			unit: "ms/GB",
			note: `${flow.otherShare.toFixed(2)} more in other threads`,
		},
		{ name: "  resident", value: flow.residentMib, unit: "MiB" },
	];
}

/** @param cursor where the consumers begin; null follows a log that grows at `LIVE_PER_S` */
async function flow(mode: "fanout" | "bare", consumers: number, cursor: number | null): Promise<Flow> {
	const { child, port } = await start(mode, mode === "fanout" && cursor === null ? LIVE_PER_S : 0);
	const crowd = new Crowd(port, cursor, cursor === null ? Number.POSITIVE_INFINITY : LOG_FRAMES * WIRE_BYTES);
	await crowd.connect(consumers);
	await Bun.sleep(WARM_UP_MS);
	const before = sample(crowd, child.pid);
	await Bun.sleep(WINDOW_MS);
	const after = sample(crowd, child.pid);
	const memoryMib = residentMib(child.pid);
	crowd.close();
	child.kill();
	await child.exited;
	const bytes = after.bytes - before.bytes;
	const threadMs = after.threadMs - before.threadMs;
	const frames = bytes / WIRE_BYTES;
	return {
		framesPerS: (frames * 1000) / (after.atMs - before.atMs),
		framesPerCoreS: (frames * 1000) / threadMs,
		cpuMsPerGb: threadMs / (bytes / 1e9),
		otherShare: (after.processMs - before.processMs - threadMs) / threadMs,
		residentMib: memoryMib,
	};
}

async function start(mode: string, livePerS: number): Promise<{ child: Bun.Subprocess; port: number }> {
	const port = freePort();
	const entry = join(import.meta.dir, "rig", "fanout-process.ts");
	const args = [mode, directory, port, FRAME_BYTES, livePerS].map(String);
	const child = Bun.spawn([process.execPath, ...process.execArgv, entry, ...args], {
		stdout: "pipe",
		stderr: "inherit",
	});
	const started = await Promise.race([child.stdout.getReader().read(), Bun.sleep(START_MS_MAX)]);
	if (started?.value === undefined) {
		child.kill("SIGKILL");
		throw new Error(`the ${mode} process did not start`);
	}
	return { child, port };
}

function sample(crowd: Crowd, pid: number): { atMs: number; bytes: number; threadMs: number; processMs: number } {
	return {
		atMs: performance.now(),
		bytes: crowd.bytes,
		threadMs: threadCpuMs(pid).get(THREAD) ?? 0,
		processMs: processCpuMs(pid),
	};
}

/**
 * Memory that each consumer costs that reads nothing while others read, and the same after a while. The log's caches are filled
 * before, since they cost the same whoever reads.
 */
async function stalledMib(): Promise<{ each: number; eachLater: number }> {
	const { child, port } = await start("fanout", SLOW_LIVE_PER_S);
	const whole = LOG_FRAMES * WIRE_BYTES;
	const reading = new Crowd(port, null, Number.POSITIVE_INFINITY);
	await reading.connect(READING);
	const replaying = new Crowd(port, 0, Number.POSITIVE_INFINITY);
	await replaying.connect(1);
	while (replaying.bytes < whole) await Bun.sleep(POLL_MS);
	const before = await leanMib(child.pid);
	const stalled = new Crowd(port, 0, Number.POSITIVE_INFINITY);
	stalled.stall();
	await stalled.connect(STALLED);
	await Bun.sleep(SETTLE_MS);
	const after = await leanMib(child.pid);
	const readBefore = reading.bytes;
	const later = await leanMib(child.pid);
	if (reading.bytes === readBefore) throw new Error("the consumers that read got nothing");
	for (const crowd of [reading, replaying, stalled]) crowd.close();
	child.kill();
	await child.exited;
	return { each: (after - before) / STALLED, eachLater: (later - before) / STALLED };
}

/** The least resident memory within a while, which has the least garbage in it. */
async function leanMib(pid: number): Promise<number> {
	let mib = Number.POSITIVE_INFINITY;
	for (const endMs = performance.now() + SETTLE_MS; performance.now() < endMs; await Bun.sleep(WARM_UP_MS / 4)) {
		mib = Math.min(mib, residentMib(pid));
	}
	return mib;
}
