// net/: names, addresses and requests on the network, whoever chose them. It knows nothing of hosts' streams or of DIDs.

import { lookup as lookupDns } from "node:dns/promises";
import { dnsNameFault } from "../protocol/dns-name.ts";
import { addressFault } from "./address.ts";
import { type Fetch, inPlainWords, outboundFetch } from "./outbound-fetch.ts";

/** An address that a name resolves to. */
export interface ResolvedAddress {
	address: string;
	family: number;
}

/** Resolves a name to all of its addresses, in the order in which to try them. */
export type Lookup = (hostname: string) => Promise<ResolvedAddress[]>;

export interface GuardOptions {
	/** Ask any host on any port and address, with or without TLS: for development only. */
	allowInsecure: boolean;
	lookup?: Lookup;
	fetch?: Fetch;
}

/** A stranger's URL names a target that we must not connect to. */
export class ForbiddenTargetError extends Error {
	override readonly name = "ForbiddenTargetError";
}

/** How many addresses of one host are tried. The request's signal bounds the time for all of them. */
const ADDRESSES_MAX = 4;

/** IPv4 first: a relay without IPv6 is more common than a host without IPv4. */
const lookupAll: Lookup = (hostname) => lookupDns(hostname, { all: true, order: "ipv4first" });

/**
 * `fetch` for a URL that a stranger chose (rulebook 4, SSRF): https on its own port, to a public DNS name, all of whose addresses
 * are public. It connects to the very address that was checked, so a name that resolves differently the next time gains nothing,
 * and it follows no redirects. For requests without a body, since they may be sent to several addresses in turn.
 *
 * Throws `ForbiddenTargetError`, what `lookup` and `fetch` throw, or the reason of `init.signal`.
 */
export async function guardedFetch(url: URL, init: BunFetchRequestInit, options: GuardOptions): Promise<Response> {
	const fetchFrom: Fetch = options.fetch ?? outboundFetch;
	if (options.allowInsecure) return fetchFrom(url, { ...init, redirect: "error" });
	checkTarget(url);
	const addresses = await untilAborted(lookUp(url.hostname, options.lookup ?? lookupAll), init.signal);
	const fault = addressFault(addresses);
	if (fault !== null) throw new ForbiddenTargetError(fault);
	let failure: unknown;
	for (const address of addresses.slice(0, ADDRESSES_MAX)) {
		init.signal?.throwIfAborted();
		try {
			return await fetchFrom(...pinned(url, init, address));
		} catch (error) {
			failure = error;
		}
	}
	throw failure;
}

async function lookUp(hostname: string, lookup: Lookup): Promise<ResolvedAddress[]> {
	try {
		return await lookup(hostname);
	} catch (error) {
		throw inPlainWords(error);
	}
}

function checkTarget(url: URL): void {
	if (url.protocol !== "https:") throw new ForbiddenTargetError("only https is allowed");
	if (url.port !== "") throw new ForbiddenTargetError("an explicit port is not allowed");
	if (url.username !== "" || url.password !== "") throw new ForbiddenTargetError("userinfo is not allowed");
	const fault = dnsNameFault(url.hostname, false);
	if (fault !== null) throw new ForbiddenTargetError(fault);
}

/**
 * The request, to one address. The server gets the name in the `Host` header; its certificate is checked against the name, too.
 */
function pinned(url: URL, init: BunFetchRequestInit, to: ResolvedAddress): [URL, BunFetchRequestInit] {
	const target = new URL(url);
	target.hostname = to.family === 6 ? `[${to.address}]` : to.address;
	const headers = new Headers(init.headers);
	headers.set("Host", url.host);
	const tls = { ...init.tls, serverName: url.hostname };
	// Connections are pooled by address, and hosts behind one address must not share one.
	return [target, { ...init, headers, tls, redirect: "error", keepalive: false }];
}

/** A DNS lookup can't be cancelled, but it need not be waited for. */
async function untilAborted<T>(result: Promise<T>, signal: AbortSignal | null | undefined): Promise<T> {
	if (signal === null || signal === undefined) return result;
	signal.throwIfAborted();
	const aborted = Promise.withResolvers<never>();
	const abort = (): void => aborted.reject(signal.reason);
	signal.addEventListener("abort", abort, { once: true });
	try {
		return await Promise.race([result, aborted.promise]);
	} finally {
		signal.removeEventListener("abort", abort);
	}
}
