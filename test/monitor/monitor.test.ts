import { describe, expect, test } from "bun:test";
import { MEMORY_INTERVAL_MS, Monitor } from "../../src/monitor/monitor.ts";
import { pageCacheBytes } from "../../src/monitor/page-cache.ts";
import { samplesOf } from "../../src/monitor/reading.ts";
import { READINGS } from "../../src/monitor/readings.ts";
import type { HostStatus } from "../../src/protocol/host-status.ts";
import type { ThreadState } from "../../src/runtime/thread-state.ts";
import { FIGURES } from "./figures.ts";

const DAY_MS = 24 * 3_600_000;
const memory = { heapUsedBytes: 1, heapTotalBytes: 2, externalBytes: 3, arrayBufferBytes: 4 };

/** A monitor whose threads answer when the test says so. */
function bench() {
	const asked: ((states: Record<string, ThreadState>) => void)[] = [];
	const hosts: { status: HostStatus; downSinceMs: number | null }[] = [];
	const clock = { nowMs: 0 };
	const monitor = new Monitor({
		position: () => FIGURES.log,
		readers: () => [...FIGURES.readers],
		rings: () => [...FIGURES.rings],
		openFiles: () => FIGURES.openFiles,
		hosts: () => hosts,
		dateMs: () => 100 * DAY_MS,
		busiest: () => FIGURES.busiest,
		threads: () => new Promise((resolve) => asked.push(resolve)),
		limits: FIGURES.limits,
		build: () => FIGURES.build,
		isReady: () => true,
		nowMs: () => clock.nowMs,
		status: () => FIGURES.process,
		pageCacheBytes: () => null,
	});
	return { asked, clock, hosts, monitor };
}

describe("a monitor", () => {
	test("counts hosts by status", () => {
		const { hosts, monitor } = bench();
		const before = { active: 0, throttled: 0, idle: 0, offline: 0, banned: 0 };
		expect(monitor.figures()).toMatchObject({ hosts: before, hostsOfflineDay: 0 });
		hosts.push({ status: "active", downSinceMs: null }, { status: "banned", downSinceMs: 0 });
		// Down for a day, for less, and for ever.
		for (const downSinceMs of [99 * DAY_MS, 99 * DAY_MS + 1, 0]) hosts.push({ status: "offline", downSinceMs });
		expect(monitor.figures()).toMatchObject({
			hosts: { ...before, active: 1, banned: 1, offline: 3 },
			hostsOfflineDay: 2,
		});
	});

	test("waits for no thread: it has their memory as of the last answer, and asks again after a while", async () => {
		const { asked, clock, monitor } = bench();
		expect(monitor.figures().threads).toEqual({});
		monitor.figures();
		expect(asked.length).toBe(1);
		asked[0]?.({
			log: { isAnswering: true, afterMs: 0, memory },
			index: { isAnswering: true, afterMs: 0, memory: { ...memory, heapTotalBytes: 9 } },
		});
		await Promise.resolve();
		expect(monitor.figures().threads).toEqual({
			log: { heapBytes: 2, bufferBytes: 4 },
			index: { heapBytes: 9, bufferBytes: 4 },
		});
		clock.nowMs += MEMORY_INTERVAL_MS - 1;
		monitor.figures();
		expect(asked.length).toBe(1);
		clock.nowMs += 1;
		monitor.figures();
		expect(asked.length).toBe(2);
		asked[1]?.({ log: { isAnswering: false, memory: null }, index: { isAnswering: true, afterMs: 0, memory } });
		await Promise.resolve();
		expect(monitor.figures().threads["index"]).toEqual({ heapBytes: 2, bufferBytes: 4 });
		expect(monitor.figures().threads["log"]).toEqual({ heapBytes: 2, bufferBytes: 4 });
	});
});

describe("readings", () => {
	test("have only the labels that they are declared with, and finite numbers", () => {
		for (const reading of READINGS) {
			const samples = samplesOf(reading, FIGURES);
			for (const { labels, value } of samples) {
				expect(Object.keys(labels)).toEqual(Object.keys(reading.labels));
				expect(Number.isFinite(value)).toBe(true);
			}
			const series = samples.map(({ labels }) => JSON.stringify(labels));
			expect(new Set(series).size).toBe(series.length);
			if (reading.name !== "standpipe_log_size_limit_bytes")
				expect([reading.name, samples.length > 0]).toEqual([reading.name, true]);
		}
	});

	test("of memory sum up to what is resident, unless a heap has pages that are not", () => {
		const parts = (heap: number): number[] => {
			const reading = READINGS.find(({ name }) => name === "standpipe_memory_bytes");
			if (reading === undefined) throw new Error("there is such a reading");
			return samplesOf(reading, { ...FIGURES, threads: { log: { heapBytes: heap, bufferBytes: 0 } } }).map(
				({ value }) => value,
			);
		};
		expect(parts(1_000)).toEqual([1_000, 96, 3_000]);
		expect(parts(10_000)).toEqual([10_000, 96, 0]);
	});
});

describe("the page cache", () => {
	const files = (all: Record<string, string>) => (path: string) => {
		const text = all[path];
		if (text === undefined) throw new Error(`no file ${path}`);
		return text;
	};

	test.each<[string, Record<string, string>, number | null]>([
		["version 2", { "/proc/self/cgroup": "0::/a/b\n", "/sys/fs/cgroup/a/b/memory.stat": "anon 1\nfile 23\n" }, 23],
		["in a container", { "/proc/self/cgroup": "0::/\n", "/sys/fs/cgroup//memory.stat": "file 5\n" }, 5],
		[
			"version 1",
			{
				"/proc/self/cgroup": "4:memory:/x\n3:cpu:/\n0::/\n",
				"/sys/fs/cgroup/memory/x/memory.stat": "cache 1\ntotal_cache 7\n",
			},
			7,
		],
		["a system that does not tell", { "/proc/self/cgroup": "0::/\n" }, null],
		["another system", {}, null],
	])("is read of %s", (_, all, bytes) => {
		expect(pageCacheBytes(files(all))).toBe(bytes);
	});
});
