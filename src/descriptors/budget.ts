import { reserveHeadroom } from "./headroom.ts";

/** Files that a reader of the log keeps open, and some more while it lists the folder. */
const FILES_PER_READER = 36;
/**
 * For the database, the listening sockets, the threads' wake-ups, the active segment, and the lookups and requests under way.
 */
const FILES_BASE = 64;
const FILES_PER_INGEST_WORKER = 8;
/** Of the mirror's thread: its database, its requests and its stream. */
const FILES_OF_MIRROR = 12;
/** Of the mirror's database, in each thread that reads it. */
const FILES_PER_MIRROR_READER = 3;
/** Connections that are not consumers: an eighth of the limit. */
const PLAIN_SHARE = 8;
const PLAIN_MIN = 16;
const PLAIN_MAX = 1_024;
/** How large a part of them one network may have: a quarter. */
const PLAIN_PER_NETWORK_SHARE = 4;
/** Connections to hosts that the limit should allow, at least. */
const HOSTS_MIN = 64;

export interface DescriptorUsers {
	ingestWorkers: number;
	fanoutWorkers: number;
	plcMirror: boolean;
	consumersMax: number;
}

/** How the files that the process may have open are divided up. */
export interface DescriptorBudget {
	limit: number;
	/** What the relay needs for itself. */
	own: number;
	/** Connections to the public port that are not consumers, and how many of them from one network. */
	plainMax: number;
	plainPerNetworkMax: number;
	/** Connections for consumers, at most as many as the settings say. */
	consumersMax: number;
	/** Connections to hosts: the rest. */
	hostsMax: number;
}

/** Sets the log's reserve aside, and divides up the rest of what this process may open; null if the system has no limit. */
export function budgetDescriptors(users: DescriptorUsers): DescriptorBudget | null {
	const limit = reserveHeadroom();
	return limit === null ? null : shareDescriptors(limit.soft, users);
}

/** Divides up `limit` files. Consumers get at most half of what they share with hosts. */
export function shareDescriptors(limit: number, users: DescriptorUsers): DescriptorBudget {
	const readers = 1 + users.fanoutWorkers;
	const mirror = users.plcMirror ? FILES_OF_MIRROR + FILES_PER_MIRROR_READER * users.ingestWorkers : 0;
	const own = FILES_BASE + FILES_PER_READER * readers + FILES_PER_INGEST_WORKER * users.ingestWorkers + mirror;
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

/** What to warn of at the start; null if the limit is high enough. */
export function budgetWarning(budget: DescriptorBudget, users: DescriptorUsers, hosts: number): string | null {
	const { limit, own, consumersMax, hostsMax } = budget;
	if (consumersMax === users.consumersMax && hostsMax >= Math.max(hosts, HOSTS_MIN)) return null;
	const needed = own + PLAIN_MAX + 2 * Math.max(users.consumersMax, hosts, HOSTS_MIN);
	return (
		`the limit of ${limit} open files is too low for ${users.consumersMax} consumers (RELAY_MAX_CONSUMERS) and ${hosts} hosts: ` +
		`it is enough for ${consumersMax} consumers and ${hostsMax} hosts; raise it (\`ulimit -n\`, LimitNOFILE) to ${needed}`
	);
}
