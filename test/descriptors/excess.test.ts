import { describe, expect, test } from "bun:test";
import { excessOf } from "../../src/descriptors/excess.ts";
import type { Connection } from "../../src/descriptors/libc.ts";
import { Rng } from "../../src/sim/rng.ts";

const NONE = { descriptor: 0, localPort: 0, bytesReceived: 0, isAnswered: false };

function connectionsOf(rng: Rng): Connection[] {
	const networks = 1 + rng.int(12);
	return Array.from({ length: rng.int(300) }, (_, descriptor) => {
		const network = Math.min(rng.int(networks), rng.int(networks));
		const address = rng.pick([
			`192.0.2.${network}`,
			`0:0:0:0:0:ffff:c000:2${network.toString(16).padStart(2, "0")}`,
			`2001:db8:0:${network}:${rng.int(9)}:1:2:3`,
		]);
		return { descriptor, localPort: 1, address, bytesReceived: rng.int(500), isAnswered: rng.int(4) === 0 };
	});
}

/** The network that the generator made this address for. */
function networkOf({ address }: Connection): string {
	if (address.startsWith("2001")) return `6/${address.split(":")[3]}`;
	if (address.startsWith("192")) return `4/${address.split(".")[3]}`;
	return `4/${Number.parseInt((address.split(":")[7] ?? "").slice(1), 16)}`;
}

function countByNetwork(connections: readonly Connection[]): Map<string, number> {
	const counts = new Map<string, number>();
	for (const one of connections) counts.set(networkOf(one), (counts.get(networkOf(one)) ?? 0) + 1);
	return counts;
}

describe("which connections are too many", () => {
	test("no more are left than the limits allow; none is cut for another network's greed, and none that has its answer", () => {
		const rng = new Rng("connections");
		for (let at = 0; at < 1_000; at++) {
			const connections = connectionsOf(rng);
			const limits = {
				plainMax: 10 + rng.int(200),
				plainPerNetworkMax: rng.pick([2, 10, 50]),
				answeredPerNetworkMax: rng.pick([1, 5, 500]),
			};
			const found = excessOf(connections, limits);
			const excess = new Set(found.connections);
			const waiting = connections.filter(({ isAnswered }) => !isAnswered);
			const left = waiting.filter((one) => !excess.has(one));
			expect([...excess].some(({ isAnswered }) => isAnswered)).toBe(false);
			expect(left.length).toBeLessThanOrEqual(limits.plainMax);
			const [before, after] = [countByNetwork(waiting), countByNetwork(left)];
			const most = Math.max(0, ...after.values());
			expect(most).toBeLessThanOrEqual(limits.plainPerNetworkMax);
			for (const [network, count] of before) {
				// A network that was cut has as many left as any other network has.
				if ((after.get(network) ?? 0) < count) expect(after.get(network) ?? 0).toBe(most);
			}
			const answered = countByNetwork(connections.filter(({ isAnswered }) => isAnswered));
			const greedy = new Set(countByNetwork([...excess]).keys());
			for (const [network, count] of answered) if (count > limits.answeredPerNetworkMax) greedy.add(network);
			const named = found.greedy.map((address) => networkOf({ ...NONE, address }));
			expect(named.toSorted()).toEqual([...greedy].sort());
			// As many are left as the limits allow, less a remainder that can't be divided evenly.
			const allowed = [...before.values()].reduce((sum, count) => sum + Math.min(count, limits.plainPerNetworkMax), 0);
			expect(left.length).toBeGreaterThan(Math.min(allowed, limits.plainMax) - before.size - 1);
		}
	});

	test("of one network, those that have sent the least go first", () => {
		const connections = [3, 0, 9, 1].map((bytesReceived, descriptor) => {
			return { descriptor, localPort: 1, address: "192.0.2.1", bytesReceived, isAnswered: false };
		});
		const limits = { plainMax: 100, plainPerNetworkMax: 2, answeredPerNetworkMax: 9 };
		const excess = excessOf(connections, limits);
		expect(excess.connections.map(({ bytesReceived }) => bytesReceived)).toEqual([1, 0]);
	});

	test("without a limit per network, as for a relay after a proxy, only the total counts", () => {
		const connections = Array.from({ length: 30 }, (_, descriptor) => {
			return { descriptor, localPort: 1, address: "10.0.0.1", bytesReceived: 0, isAnswered: false };
		});
		const limits = { plainPerNetworkMax: null, answeredPerNetworkMax: null };
		expect(excessOf(connections, { ...limits, plainMax: 40 })).toEqual({ connections: [], greedy: [] });
		const excess = excessOf(connections, { ...limits, plainMax: 20 });
		expect(excess.connections).toHaveLength(10);
		expect(excess.greedy).toEqual([]);
	});
});
