import { networkOf } from "../net/network.ts";
import type { Connection } from "./libc.ts";

/** How many unanswered connections the public port holds. */
export interface PlainLimits {
	plainMax: number;
	/** From one IPv4 address or IPv6 /64; null for no such limit, since all come from one proxy. */
	plainPerNetworkMax: number | null;
	/** Answered connections from one network, consumers and others; null likewise. */
	answeredPerNetworkMax: number | null;
}

/** What is too much. */
export interface Excess {
	/** Connections to end. */
	connections: Connection[];
	/** One address of each network that is to open no more for a while, the greediest first. */
	greedy: string[];
}

/**
 * Which of the connections that still have no answer are too many: of each network what it has above its limit, then of the
 * networks with the most until all together are within theirs. Of a network's, those that have sent the least go first, so a
 * whole request outlives a connection that only takes a place. Answered ones are never ended: consumers are among them.
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

/** The greatest number that each may keep so that all together keep at most `totalMax`. */
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
