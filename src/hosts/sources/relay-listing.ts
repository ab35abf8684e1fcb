import * as v from "valibot";
import { readBody } from "../../net/bounded-fetch.ts";
import { type Fetch, outboundFetch } from "../../net/outbound-fetch.ts";
import { retryAfterMs } from "../../net/retry-after.ts";
import { messageOf } from "../../observe/log-value.ts";
import { LISTED_HOSTS_MAX, type ListedHosts, type Sleep, SourceError, systemSleep } from "./source.ts";

/** The greatest page of the lexicon. A relay may give fewer. */
const PAGE_HOSTS = 1_000;
/** A host takes some 100 bytes. */
export const PAGE_BYTES_MAX = 4 * 1024 * 1024;
/** Pages of one listing. Some may be empty. */
export const PAGES_MAX = 1_000;
const CURSOR_CHARS_MAX = 1_000;
const PAGE_TIMEOUT_MS = 30_000;
/** For each page. */
export const TRIES_MAX = 5;
const FIRST_PAUSE_MS = 1_000;
/** Between two pages, so that the other relay has time for others. */
export const PAGE_PAUSE_MS = 250;
/** What the other relay itself does not follow. */
const OMITTED: ReadonlySet<string> = new Set(["offline", "banned"]);

export interface RelayListingOptions {
	/** Origin of the other relay. */
	relay: string;
	userAgent: string;
	/** Ends the listing. */
	signal: AbortSignal;
	fetch?: Fetch;
	sleep?: Sleep;
}

const PAGE = v.object({
	cursor: v.nullish(v.string()),
	hosts: v.array(v.object({ hostname: v.string(), status: v.nullish(v.string()) })),
});
type Page = v.InferOutput<typeof PAGE>;

/**
 * Lists the hosts of another relay by its `com.atproto.sync.listHosts`, page by page. A page is asked for when the one before has been
 * used. Hosts that are offline or banned there are left out.
 *
 * @throws SourceError if the other relay gives no page after some tries, or goes on without end
 */
export async function* listRelay(options: RelayListingOptions): AsyncGenerator<ListedHosts> {
	const { relay, signal, sleep = systemSleep } = options;
	const cursors = new Set<string>();
	let cursor = "";
	let hosts = 0;
	for (let pages = 0; pages < PAGES_MAX; pages++) {
		cursors.add(cursor);
		const page = await fetchPage(cursor, options);
		const hostnames = page.hosts.filter(({ status }) => !OMITTED.has(status ?? "")).map(({ hostname }) => hostname);
		hosts += page.hosts.length;
		if (hosts > LISTED_HOSTS_MAX) throw new SourceError(`${relay} lists more than ${LISTED_HOSTS_MAX} hosts`);
		yield { hostnames, omitted: page.hosts.length - hostnames.length };
		const next = page.cursor ?? "";
		if (next === "") return;
		if (cursors.has(next) || next.length > CURSOR_CHARS_MAX)
			throw new SourceError(`${relay} gives out a cursor twice, or one that is too long`);
		cursor = next;
		await sleep(PAGE_PAUSE_MS, signal);
	}
	throw new SourceError(`${relay} lists its hosts in more than ${PAGES_MAX} pages`);
}

/** A failure of a page. Null for `pauseMs` means that another try is of no use. */
interface Failed {
	why: string;
	pauseMs: number | null;
}

async function fetchPage(cursor: string, options: RelayListingOptions): Promise<Page> {
	const { relay, signal, sleep = systemSleep } = options;
	for (let tries = 1; ; tries++) {
		const page = await tryPage(cursor, options, FIRST_PAUSE_MS * 2 ** (tries - 1));
		if ("hosts" in page) return page;
		if (page.pauseMs === null || tries === TRIES_MAX) throw new SourceError(`${relay}: ${page.why}`);
		await sleep(page.pauseMs, signal);
	}
}

async function tryPage(cursor: string, options: RelayListingOptions, pauseMs: number): Promise<Page | Failed> {
	const { relay, userAgent, signal, fetch = outboundFetch } = options;
	const url = new URL("/xrpc/com.atproto.sync.listHosts", relay);
	url.searchParams.set("limit", String(PAGE_HOSTS));
	if (cursor !== "") url.searchParams.set("cursor", cursor);
	const headers = { Accept: "application/json", "User-Agent": userAgent };
	const timeout = AbortSignal.timeout(PAGE_TIMEOUT_MS);
	try {
		const both = AbortSignal.any([signal, timeout]);
		const response = await fetch(url, { headers, signal: both, redirect: "error" });
		if (response.status === 200) return readPage(await readBody(response, both, PAGE_BYTES_MAX));
		await response.body?.cancel();
		const isLasting = response.status < 500 && response.status !== 429;
		const asked = retryAfterMs(response.status, response.headers, Date.now());
		return { why: `listHosts answers HTTP ${response.status}`, pauseMs: isLasting ? null : (asked ?? pauseMs) };
	} catch (error) {
		signal.throwIfAborted();
		const why = timeout.aborted ? `no answer within ${PAGE_TIMEOUT_MS} ms` : messageOf(error);
		return { why: `listHosts: ${why}`, pauseMs };
	}
}

function readPage(body: Uint8Array): Page | Failed {
	const failed = { why: "listHosts gives no list of hosts in JSON", pauseMs: null };
	try {
		const result = v.safeParse(PAGE, JSON.parse(new TextDecoder().decode(body)));
		return result.success ? result.output : failed;
	} catch {
		return failed;
	}
}
