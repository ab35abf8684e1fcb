import type { HostStatus } from "../protocol/host-status.ts";

/**
 * When a host is dialled again. `backoff`: after a delay that doubles from failure to failure. `half-hour`: after half an hour.
 * `soon`: within a second. `never`: not until an operator asks for the host.
 */
export type Retry = "backoff" | "half-hour" | "soon" | "never";

/** What follows from a fault. */
export interface FaultRule {
	readonly retry: Retry;
	/** The host's status until it is connected again. */
	readonly status: HostStatus;
	/** What the host's operator, or ours, can do. A sentence without its full stop. */
	readonly advice: string;
}

const RESTART_OR_PROXY = "the host's operator should see whether the PDS and its proxy run";

/** Why a host is not connected, and what follows from it. The names stand in the log: never give one another meaning. */
const RULES = {
	/** The name has no address, or the resolver does not answer. */
	dns: {
		retry: "backoff",
		status: "offline",
		advice:
			"the host's operator should check the DNS records of its name; if many hosts fail so, check the relay's resolver",
	},
	/** The name leads to an address that is not public. */
	"private-address": {
		retry: "backoff",
		status: "offline",
		advice: "the host's name must lead to public addresses only: its operator should correct the DNS records",
	},
	/** Nothing listens at the port. */
	refused: { retry: "backoff", status: "offline", advice: RESTART_OR_PROXY },
	/** There is no route to the address. */
	unreachable: {
		retry: "backoff",
		status: "offline",
		advice: "no network leads to the host: if many hosts fail so, check the relay's network",
	},
	/** No answer in time, to the connection or to the handshake. */
	timeout: {
		retry: "backoff",
		status: "offline",
		advice: `${RESTART_OR_PROXY}, and whether a firewall drops the relay's address`,
	},
	/** The TLS handshake failed. */
	tls: {
		retry: "backoff",
		status: "offline",
		advice: "the host's operator should renew its certificate, with its whole chain, for this name",
	},
	/** It answered the handshake with HTTP and no upgrade. */
	"http-status": {
		retry: "backoff",
		status: "offline",
		advice: "the host's proxy must pass WebSocket upgrades of /xrpc/com.atproto.sync.subscribeRepos on to the PDS",
	},
	/** The connection broke, or the host closed it. */
	dropped: { retry: "backoff", status: "offline", advice: RESTART_OR_PROXY },
	/** Not even a pong came for a while. */
	silent: {
		retry: "backoff",
		status: "offline",
		advice: "the host has vanished without closing the connection, or does not answer pings",
	},
	/** It sent an error frame. */
	"error-frame": {
		retry: "backoff",
		status: "offline",
		advice: "the host has ended the stream with an error: its log should say why",
	},
	/** It sent what can't be read, or seqs that don't increase, so that we ended the connection. */
	unreadable: {
		retry: "backoff",
		status: "offline",
		advice: "the host sends what breaks the protocol: its operator should update the PDS",
	},
	/** It says that our cursor is beyond its last seq. */
	"future-cursor": {
		retry: "half-hour",
		status: "idle",
		advice:
			"the host's seqs went back, as after a restored backup: after an hour the relay follows it from its live end, and an operator can reset the cursor at once",
	},
	/** We ended the connection to go on from another place in the host's stream. */
	moved: { retry: "soon", status: "idle", advice: "the relay goes on from another place in the host's stream" },
	/** It is a relay itself. */
	"relay-loop": {
		retry: "never",
		status: "banned",
		advice:
			"relays that follow each other make a loop; if the name leads to a PDS again, an operator can ask for the host",
	},
	/** A bug of ours. */
	internal: {
		retry: "backoff",
		status: "offline",
		advice: "the relay has failed here: its log says how, please report it",
	},
} as const satisfies Record<string, FaultRule>;

export type HostFault = keyof typeof RULES;

export const HOST_FAULTS: { readonly [F in HostFault]: FaultRule } = RULES;

export const HOST_FAULT_NAMES = Object.keys(RULES) as readonly HostFault[];

/** Whether a name in the log is one of a fault that this release knows. */
export function isHostFault(name: string): name is HostFault {
	return Object.hasOwn(RULES, name);
}
