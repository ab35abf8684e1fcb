import { describe, expect, test } from "bun:test";
import { connect } from "node:net";
import {
	CHECK_MS_MAX,
	CHECK_MS_MIN,
	CHECK_UNDER_PRESSURE_MS,
	DescriptorGuard,
	type DescriptorSystem,
	openDescriptorSystem,
	REFUSED_MS,
} from "../../src/descriptors/guard.ts";
import type { Connection } from "../../src/descriptors/libc.ts";
import { Counters } from "../../src/observe/counters.ts";
import { counted } from "../observe/counted.ts";
import { until } from "../relay/rig.ts";
import { FakeTiming } from "../sim/fake-timing.ts";

const OWN = 50;
const LIMITS = { plainMax: 20, plainPerNetworkMax: 5, answeredPerNetworkMax: 30 };
const LISTENER = 7;

/** A process that holds `OWN` descriptors and these connections. */
function rigOf(connections: Connection[], isFailing = () => false, descriptorsMax = 1_000) {
	const counters = new Counters();
	const timing = new FakeTiming();
	const seen = { checks: 0, looks: 0, closeIdle: 0, refused: [] as (readonly string[])[] };
	const system: DescriptorSystem = {
		count: () => OWN + connections.length,
		look() {
			seen.looks++;
			if (isFailing()) throw Object.assign(new Error("too many open files"), { code: "EMFILE" });
			return { connections: [...connections], listeners: [LISTENER] };
		},
		end: (one) => void connections.splice(connections.indexOf(one), 1),
		refuse(listeners, addresses) {
			expect(listeners).toEqual([LISTENER]);
			seen.refused.push(addresses);
		},
	};
	const closeIdle = (): void => void seen.closeIdle++;
	const guard = new DescriptorGuard({
		system,
		port: 1,
		limits: LIMITS,
		descriptorsMax,
		expected() {
			seen.checks++;
			return OWN;
		},
		counters,
		closeIdle,
		timing,
	});
	return { guard, timing, seen, ended: () => counted(counters).of("connections_ended_total") };
}

function plain(count: number, { isAnswered = false } = {}): Connection[] {
	return Array.from({ length: count }, (_, descriptor) => {
		return { descriptor, localPort: 1, address: "192.0.2.1", bytesReceived: 0, isAnswered };
	});
}

describe("the guard", () => {
	test("doesn't look at connections while few descriptors are open", () => {
		const { guard, seen } = rigOf(plain(5));
		expect(guard.check()).toBe(false);
		expect(seen.looks).toBe(0);
	});

	test("ends what is above the limits, and looks again soon", () => {
		const connections = plain(100);
		const { guard, ended } = rigOf(connections);
		expect(guard.check()).toBe(true);
		expect(connections).toHaveLength(5);
		expect(ended()).toBe(95);
		expect(guard.check()).toBe(false);
	});

	test("has the system refuse new connections of a greedy network for a while, once for each while", () => {
		const connections = plain(100);
		const { guard, timing, seen } = rigOf(connections);
		guard.check();
		expect(seen.refused).toEqual([["192.0.2.1"]]);
		connections.push(...plain(100));
		guard.check();
		timing.pass(REFUSED_MS - 1);
		guard.check();
		expect(seen.refused).toEqual([["192.0.2.1"]]);
		timing.pass(1);
		guard.check();
		expect(seen.refused).toEqual([["192.0.2.1"], []]);
	});

	test("goes on refusing a network that still holds too many answered connections", () => {
		const connections = plain(31, { isAnswered: true });
		const { guard, timing, seen } = rigOf(connections);
		guard.check();
		expect(seen.refused).toEqual([["192.0.2.1"]]);
		timing.pass(REFUSED_MS);
		guard.check();
		expect(seen.refused).toEqual([["192.0.2.1"], ["192.0.2.1"]]);
		connections.length = 20;
		timing.pass(REFUSED_MS);
		guard.check();
		expect(seen.refused.at(-1)).toEqual([]);
	});

	test("has idle answered connections closed if those are the many", () => {
		const connections = plain(100, { isAnswered: true });
		const { guard, seen } = rigOf(connections);
		guard.check();
		expect(connections).toHaveLength(100);
		expect(seen.closeIdle).toBe(1);
	});

	test("checks seldom while many descriptors are left, and more often the fewer there are", () => {
		let before = Number.POSITIVE_INFINITY;
		for (const descriptorsMax of [1_000_000, 40_000, 20_000, 10_000, 1_000]) {
			const { guard, timing, seen } = rigOf([], () => false, descriptorsMax);
			guard.start();
			seen.checks = 0;
			const first = timing.nextMs;
			expect(first).toBeLessThanOrEqual(before);
			expect(first).toBeGreaterThanOrEqual(CHECK_MS_MIN);
			expect(first).toBeLessThanOrEqual(CHECK_MS_MAX);
			before = first;
			timing.pass(10 * first);
			expect(seen.checks).toBe(10);
			guard.stop();
			expect(timing.waiting).toBe(0);
		}
		expect(before).toBe(CHECK_MS_MIN);
	});

	test("checks often while it refuses a network, and at once after it has ended connections", () => {
		const connections = plain(100);
		const { guard, timing } = rigOf(connections, () => false, 1_000_000);
		guard.start();
		expect(timing.nextMs).toBe(CHECK_UNDER_PRESSURE_MS);
		timing.pass(timing.nextMs);
		expect(timing.nextMs).toBe(CHECK_MS_MIN);
		timing.pass(REFUSED_MS);
		expect(timing.nextMs).toBe(CHECK_MS_MAX);
	});

	test("looks again if it had no descriptor to look with", () => {
		let isFull = true;
		const connections = plain(100);
		const { guard } = rigOf(connections, () => isFull);
		expect(guard.check()).toBe(true);
		isFull = false;
		guard.check();
		expect(connections).toHaveLength(5);
	});
});

const system = openDescriptorSystem();
test.skipIf(system === null)("this system tells idle connections from answered ones, and ends them", async () => {
	if (system === null) throw new Error("unreachable");
	const server = Bun.serve({ hostname: "::", port: 0, fetch: () => new Response("answer") });
	const port = server.port ?? 0;
	const closed = new Set<string>();
	const open = (name: string, request: string) => {
		const socket = connect(port, "127.0.0.1", () => socket.write(request));
		return socket.on("close", () => closed.add(name)).on("error", () => {});
	};
	const half = open("half", "GET / HTTP/1.1\r\n");
	const whole = open("whole", "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
	const mine = () => system.look(port).connections;
	await until(() => mine().length === 2 && mine().some(({ isAnswered }) => isAnswered));
	const [waiting] = mine().filter(({ isAnswered }) => !isAnswered);
	expect(waiting).toMatchObject({ localPort: port, bytesReceived: 16, address: "0:0:0:0:0:ffff:7f00:1" });
	if (waiting !== undefined) system.end(waiting);
	await until(() => closed.size > 0);
	expect([...closed]).toEqual(["half"]);
	expect(mine()).toHaveLength(1);
	const { listeners } = system.look(port);
	expect(listeners).toHaveLength(1);
	system.refuse(listeners, ["127.0.0.9", "1:2:3:4:0:0:0:1"]);
	const answer = await fetch(`http://127.0.0.1:${port}/`);
	expect(await answer.text()).toBe("answer");
	system.refuse(listeners, ["127.0.0.1"]);
	// Over IPv6 it is another network.
	expect(await (await fetch(`http://[::1]:${port}/`)).text()).toBe("answer");
	const refused = fetch(`http://127.0.0.1:${port}/`, { keepalive: false });
	expect(await Promise.race([refused.then(() => "taken"), Bun.sleep(300).then(() => "waits")])).toBe("waits");
	system.refuse(listeners, []);
	expect(await (await refused).text()).toBe("answer");
	half.destroy();
	whole.destroy();
	await server.stop(true);
});
