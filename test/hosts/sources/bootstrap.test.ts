import { expect, test } from "bun:test";
import type { AddedHost } from "../../../src/control/hosts.ts";
import { Bootstrap } from "../../../src/hosts/sources/bootstrap.ts";
import type { Fetch } from "../../../src/net/outbound-fetch.ts";
import { Counters } from "../../../src/observe/counters.ts";
import { countedBy } from "../../observe/counted.ts";

const INTERVAL_MS = 3_600_000;

/** A bootstrap whose waits last until the test ends them. */
class Bench {
	readonly counters = new Counters();
	readonly added: string[] = [];
	/** Waits that last, by their length. */
	readonly waits: { ms: number; end: () => void }[] = [];
	#onWait: () => void = () => undefined;

	bootstrap(relays: readonly string[], fetch: Fetch): Bootstrap {
		return new Bootstrap({
			...{ relays, intervalMs: INTERVAL_MS, userAgent: "standpipe/test", counters: this.counters, fetch },
			add: async (hostnames): Promise<AddedHost[]> => {
				this.added.push(...hostnames);
				return hostnames.map((hostname) => ({ hostname, outcome: "new" }));
			},
			random: () => 0.5,
			sleep: (ms, signal) => {
				const { promise, resolve, reject } = Promise.withResolvers<void>();
				signal.addEventListener("abort", () => reject(signal.reason));
				if (signal.aborted) return Promise.reject(signal.reason);
				this.waits.push({ ms, end: resolve });
				this.#onWait();
				return promise;
			},
		});
	}

	/** The next wait. */
	async wait(): Promise<{ ms: number; end: () => void }> {
		for (;;) {
			const wait = this.waits.shift();
			if (wait !== undefined) return wait;
			const { promise, resolve } = Promise.withResolvers<void>();
			this.#onWait = resolve;
			await promise;
		}
	}
}

const withJitter = (ms: number): number => ms * 0.95;

test("hosts are pulled at the start and after each interval, and sooner after a failure", async () => {
	const bench = new Bench();
	let isAway = false;
	let pulls = 0;
	const fetch: Fetch = async () => {
		if (isAway) return new Response(null, { status: 404 });
		return Response.json({ hosts: [{ hostname: `pds${pulls++}.example.com` }] });
	};
	const bootstrap = bench.bootstrap(["https://relay.example.com"], fetch);
	bootstrap.start();
	for (let time = 1; time <= 2; time++) {
		const { ms, end } = await bench.wait();
		expect([ms, bench.added.length]).toEqual([withJitter(INTERVAL_MS), time]);
		isAway = time === 2;
		end();
	}
	for (const expectedMs of [60_000, 120_000, 240_000, 480_000, 960_000, 1_920_000, INTERVAL_MS, INTERVAL_MS]) {
		const { ms, end } = await bench.wait();
		expect(ms).toBe(withJitter(expectedMs));
		end();
	}
	const last = await bench.wait();
	isAway = false;
	last.end();
	expect((await bench.wait()).ms).toBe(withJitter(INTERVAL_MS));
	expect(countedBy(bench.counters, "host_pulls_total")).toEqual({ done: 3, failed: 9 });
	await bootstrap.stop();
});

test("one relay that fails or hangs holds up no other, and a stop ends all", async () => {
	const bench = new Bench();
	const asked: string[] = [];
	const fetch: Fetch = (url, init) => {
		asked.push(url.origin);
		if (url.hostname === "good.example.com") return Promise.resolve(Response.json({ hosts: [{ hostname: "a.com" }] }));
		return new Promise((_, reject) => init.signal?.addEventListener("abort", () => reject(init.signal?.reason)));
	};
	const bootstrap = bench.bootstrap(["https://hangs.example.com", "https://good.example.com"], fetch);
	bootstrap.start();
	await bench.wait();
	expect([asked.length, bench.added]).toEqual([2, ["a.com"]]);
	await bootstrap.stop();
	expect(bench.waits).toEqual([]);
	expect(countedBy(bench.counters, "host_pulls_total")).toEqual({ done: 1 });
});
