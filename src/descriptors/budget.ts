import { reserveHeadroom } from "./headroom.ts";

/** Files that a reader of the log keeps open, and some for its listing. */
const FILES_PER_READER = 36;
/** The database's handles, the listening sockets, rings' wake-ups, the active segment, lookups and requests under way. */
const FILES_BASE = 64;
const FILES_PER_INGEST_WORKER = 8;
/** Connections that are not consumers: an eighth of the limit. */
const PLAIN_SHARE = 8;
const PLAIN_MIN = 16;
const PLAIN_MAX = 1_024;
/** Of them, from one network. */
const PLAIN_PER_NETWORK_SHARE = 4;
/** For hosts, at least. */
const HOSTS_MIN = 64;

export interface DescriptorUsers {
	ingestWorkers: number;
	fanoutWorkers: number;
	consumersMax: number;
}

/** How the files that the process may have open are shared out. */
export interface DescriptorBudget {
	limit: number;
	/** What the relay needs for itself. */
	own: number;
	/** Connections to the public port that are not consumers, and how many of them from one network. */
	plainMax: number;
	plainPerNetworkMax: number;
	/** Consumers, at most as many as the settings say. */
	consumersMax: number;
	/** What is left for hosts. */
	hostsMax: number;
}

/** Sets the log's reserve aside, and shares out the rest of what this process may open; null if the system has no limit. */
export function budgetDescriptors(users: DescriptorUsers): DescriptorBudget | null {
	const limit = reserveHeadroom();
	return limit === null ? null : shareDescriptors(limit.soft, users);
}

/** Shares out `limit` files. What is left for consumers and hosts is halved, if it does not do for all consumers. */
export function shareDescriptors(limit: number, users: DescriptorUsers): DescriptorBudget {
	const readers = 1 + users.fanoutWorkers;
	const own = FILES_BASE + FILES_PER_READER * readers + FILES_PER_INGEST_WORKER * users.ingestWorkers;
	const plainMax = Math.min(Math.max(Math.floor(limit / PLAIN_SHARE), PLAIN_MIN), PLAIN_MAX);
	const left = Math.max(limit - own - plainMax, 2);
	const consumersMax = Math.min(users.consumersMax, Math.max(Math.floor(left / 2), 1));
	return {
		limit,
		own,
		plainMax,
		plainPerNetworkMax: Math.ceil(plainMax / PLAIN_PER_NETWORK_SHARE),
		consumersMax,
		hostsMax: left - consumersMax,
	};
}

/** What to warn of at the start; null if the limit does. */
export function budgetWarning(budget: DescriptorBudget, users: DescriptorUsers, hosts: number): string | null {
	const { limit, own, consumersMax, hostsMax } = budget;
	if (consumersMax === users.consumersMax && hostsMax >= Math.max(hosts, HOSTS_MIN)) return null;
	const needed = own + PLAIN_MAX + 2 * Math.max(users.consumersMax, hosts, HOSTS_MIN);
	return (
		`the limit of ${limit} open files is too low for ${users.consumersMax} consumers (RELAY_MAX_CONSUMERS) and ${hosts} hosts: ` +
		`it does for ${consumersMax} consumers and ${hostsMax} hosts; raise it (\`ulimit -n\`, LimitNOFILE) to ${needed}`
	);
}
