import { describe, expect, test } from "bun:test";
import { BusiestHosts, CHOICE_INTERVAL_MS, HOSTS_LISTED_MAX, OTHER } from "../../src/monitor/busiest-hosts.ts";
import { Rng } from "../../src/sim/rng.ts";

interface Host {
	hostname: string;
	events: number;
	rejected: number;
	waitingSinceMs: number;
}

/** Hosts that the test lets send, and what is read of them. */
class Network {
	readonly hosts: Host[];
	readonly rest = { events: 0, rejected: 0, waitingSinceMs: 0 };
	nowMs = 1_000_000;
	readonly #busiest: BusiestHosts;

	constructor(count: number) {
		this.hosts = Array.from({ length: count }, (_, at) => ({
			hostname: `host-${String(at).padStart(4, "0")}`,
			...{ events: 0, rejected: 0, waitingSinceMs: 0 },
		}));
		this.#busiest = new BusiestHosts(
			() => ({ hosts: this.hosts, rest: this.rest }),
			() => this.nowMs,
		);
	}

	send(at: number, events: number, rejected = 0): void {
		const host = this.hosts[at];
		if (host === undefined) throw new RangeError(`no host ${at}`);
		host.events += events;
		host.rejected += rejected;
	}

	read(): Map<string, { events: number; rejected: number; delaySeconds: number }> {
		return new Map(this.#busiest.series().map(({ host, ...series }) => [host, series]));
	}

	/** Passes the time until the next choice, and reads. */
	choose(): string[] {
		this.nowMs += CHOICE_INTERVAL_MS;
		return [...this.read().keys()].filter((host) => host !== OTHER);
	}

	total(): { events: number; rejected: number } {
		const all = [...this.hosts, this.rest];
		const sum = (of: "events" | "rejected"): number => all.reduce((total, one) => total + one[of], 0);
		return { events: sum("events"), rejected: sum("rejected") };
	}
}

describe("hosts with series of their own", () => {
	test("are the hundred that send most, whatever their number", () => {
		const network = new Network(350);
		for (const [at] of network.hosts.entries()) network.send(at, at);
		const listed = network.choose();
		expect(listed.length).toBe(HOSTS_LISTED_MAX);
		expect(listed).toEqual(network.hosts.slice(-HOSTS_LISTED_MAX).map(({ hostname }) => hostname));
	});

	test("are none that have sent nothing", () => {
		const network = new Network(5);
		network.send(3, 1);
		expect(network.choose()).toEqual(["host-0003"]);
	});

	test("stay until another one is twice as busy, so that series do not come and go", () => {
		const network = new Network(HOSTS_LISTED_MAX + 1);
		const last = HOSTS_LISTED_MAX;
		for (let at = 0; at < last; at++) network.send(at, 1_000);
		const first = network.choose();
		expect(first).not.toContain("host-0100");
		// A little busier than each that is listed, round after round.
		for (let round = 0; round < 20; round++) {
			for (let at = 0; at < last; at++) network.send(at, 1_000);
			network.send(last, 1_500);
			expect(network.choose()).toEqual(first);
		}
		for (let round = 0; round < 5; round++) {
			for (let at = 0; at < last; at++) network.send(at, 1_000);
			network.send(last, 5_000);
			network.choose();
		}
		expect(network.choose()).toContain("host-0100");
	});

	test("are chosen at most once a minute, however often is asked", () => {
		const network = new Network(2 * HOSTS_LISTED_MAX);
		for (let at = 0; at < HOSTS_LISTED_MAX; at++) network.send(at, 10);
		const first = network.choose();
		for (let at = HOSTS_LISTED_MAX; at < 2 * HOSTS_LISTED_MAX; at++) network.send(at, 1_000);
		for (let second = 1; second < 60; second++) {
			network.nowMs += 1_000;
			expect([...network.read().keys()].slice(0, -1)).toEqual(first);
		}
		network.nowMs += 1_000;
		expect([...network.read().keys()].slice(0, -1)).not.toEqual(first);
	});

	test("and the rest together grow by what has come, whichever hosts are listed, and no series goes down", () => {
		const rng = new Rng("busiest hosts");
		for (let run = 0; run < 10; run++) {
			const network = new Network(80 + rng.int(200));
			const lastShown = new Map<string, { events: number; rejected: number }>();
			let before = network.read();
			let totalBefore = network.total();
			for (let round = 0; round < 60; round++) {
				// The busy ones change, so that hosts come and go.
				const favourite = rng.int(network.hosts.length);
				for (let i = rng.int(100); i > 0; i--) {
					const at =
						rng.int(2) === 0 ? rng.int(network.hosts.length) : (favourite + rng.int(90)) % network.hosts.length;
					const events = rng.int(1_000);
					network.send(at, events, rng.int(events + 1));
				}
				network.rest.events += rng.int(10);
				network.nowMs += rng.int(2 * CHOICE_INTERVAL_MS);
				const after = network.read();
				const total = network.total();
				expect(after.size).toBeLessThanOrEqual(HOSTS_LISTED_MAX + 1);
				for (const of of ["events", "rejected"] as const) {
					let growth = 0;
					for (const [host, series] of after) {
						const known = before.get(host) ?? lastShown.get(host) ?? { events: 0, rejected: 0 };
						expect(series[of]).toBeGreaterThanOrEqual(known[of]);
						growth += series[of] - known[of];
					}
					expect(growth).toBe(total[of] - totalBefore[of]);
				}
				for (const [host, { events, rejected }] of after) lastShown.set(host, { events, rejected });
				before = after;
				totalBefore = total;
			}
		}
	});

	test("say for how long messages wait, and the rest says the longest", () => {
		const network = new Network(HOSTS_LISTED_MAX + 3);
		for (let at = 0; at < HOSTS_LISTED_MAX; at++) network.send(at, 10);
		network.choose();
		for (const [at, agoMs] of [
			[0, 1_500],
			[HOSTS_LISTED_MAX, 4_000],
			[HOSTS_LISTED_MAX + 1, 9_000],
		] as const) {
			const host = network.hosts[at];
			if (host !== undefined) host.waitingSinceMs = network.nowMs - agoMs;
		}
		const series = network.read();
		expect(series.get("host-0000")?.delaySeconds).toBe(1.5);
		expect(series.get("host-0001")?.delaySeconds).toBe(0);
		expect(series.get(OTHER)?.delaySeconds).toBe(9);
	});
});
