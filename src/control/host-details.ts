import type { EventLimits } from "../config/setting.ts";
import type { HostConnection } from "../log/record/host-connection.ts";
import type { HostPolicy } from "../log/record/policy-facts.ts";
import type { HostStatus } from "../protocol/host-status.ts";
import type { ControlResult, Requester } from "./answer.ts";
import type { DelayedHost, WindowName } from "./delays.ts";

/** What a worker has counted of a host since the relay's start. */
export interface HostUsage {
	hostId: number;
	/** Messages that have come, whatever became of them. */
	messages: number;
	/** How many have passed in the last second, hour and day; null if the host has no limits, so that nobody counts. */
	used: Readonly<Record<WindowName, number>> | null;
}

/** All that is known of a host. */
export interface HostDetail {
	id: number;
	hostname: string;
	/** The relay connects by ws:// instead of wss://. */
	insecure: boolean;
	status: HostStatus;
	/** Why it has its status, and what can be done, for people. */
	detail: string;
	/** Where the host is in its life: a phase of `hosts/state.ts`. */
	phase: string;
	connection: HostConnection;
	/** The seq that all messages are known up to; null before the first. A moment behind, as the index is. */
	cursor: number | null;
	/** Accounts whose host it is, but for deleted ones. A moment behind. */
	accountCount: number;
	gaps: number;
	lastGap: string | null;
	/** The most accounts that may have a place there; null for any number. */
	accountLimit: number | null;
	/** How many messages may pass; null for any number. */
	limits: EventLimits | null;
	/** Zeros if no worker has followed it since the start. */
	usage: Omit<HostUsage, "hostId">;
	/** What an operator has set for it. */
	policy: HostPolicy;
	/** The name by which it is banned: its own or that of a domain. Null if it is not. */
	bannedBy: string | null;
}

/** The part of `Control` by which an operator sees all that is known of hosts. */
export interface HostDetailControl {
	/** Hosts with id > `afterId`, by id. */
	hostDetails(afterId: number, limit: number, by: Requester): Promise<ControlResult<{ hosts: HostDetail[] }>>;
	/** One host, and what of it waits because of its limits, if anything does. Refused if it is not known. */
	hostDetail(hostname: string, by: Requester): Promise<ControlResult<{ host: HostDetail; delays: DelayedHost | null }>>;
}
