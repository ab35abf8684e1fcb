import { networkOf } from "../net/network.ts";
import type { Connection } from "./libc.ts";

/** How many connections the public port may hold. */
export interface PlainLimits {
	plainMax: number;
	/** From one IPv4 address or IPv6 /64. Null for no such limit, if all come from one proxy. */
	plainPerNetworkMax: number | null;
	/** Answered connections from one network, consumers and others. Null as above. */
	answeredPerNetworkMax: number | null;
}

/** What is above the limits. */
export interface Excess {
	/** Connections to end. */
	connections: Connection[];
	/** One address of each network that may open no more for a while. The network with the most connections comes first. */
	greedy: string[];
}

/**
 * Finds which of the connections without an answer are too many. First, each network loses what it has above its limit. Then
 * the networks with the most lose more, until all together are within the total. Within a network, connections that have sent
 * the least go first, so that a whole request outlives a connection that only takes a place. Answered connections are never
 * ended: consumers are among them.
 */
export function excessOf(connections: readonly Connection[], limits: PlainLimits): Excess {
	const networks = [...Map.groupBy(connections, ({ address }) => networkOf(address)).values()].map((list) => {
		const waiting = list.filter(({ isAnswered }) => !isAnswered).sort((a, b) => b.bytesReceived - a.bytesReceived);
		return { list, waiting };
	});
	const unlimited = Number.POSITIVE_INFINITY;
	const fair = levelFor(
		networks.map(({ waiting }) => waiting.length),
		limits.plainMax,
	);
	const level = Math.min(limits.plainPerNetworkMax ?? unlimited, fair);
	const answeredMax = limits.answeredPerNetworkMax ?? unlimited;
	const isProxied = limits.plainPerNetworkMax === null;
	const greedy = networks
		.filter(({ list, waiting }) => waiting.length > level || list.length - waiting.length > answeredMax)
		.sort((a, b) => b.list.length - a.list.length);
	return {
		connections: networks.flatMap(({ waiting }) => waiting.slice(level)),
		greedy: isProxied ? [] : greedy.flatMap(({ list }) => list[0]?.address ?? []),
	};
}

/** The greatest number that each network may keep if all together may keep at most `totalMax`. */
function levelFor(counts: readonly number[], totalMax: number): number {
	const sizes = counts.toSorted((a, b) => a - b);
	let left = totalMax;
	for (const [at, size] of sizes.entries()) {
		const share = Math.floor(left / (sizes.length - at));
		if (size > share) return share;
		left -= size;
	}
	return Number.POSITIVE_INFINITY;
}
