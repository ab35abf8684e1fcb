import type { Context, MiddlewareHandler } from "hono";
import { type Fetch, outboundFetch } from "../net/outbound-fetch.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { messageOf } from "../observe/log-value.ts";
import { counter } from "../observe/metric.ts";
import { isRelay, RELAY_TOKEN } from "../protocol/relay-token.ts";
import { LogLimiter } from "../runtime/log-limiter.ts";
import type { ClientEnv } from "./base.ts";
import { bodyOf } from "./parameters.ts";
import { SYNC } from "./reads.ts";
import { isAdminPath } from "./same-origin.ts";

const forwards = counter(
	"sibling_requests_total",
	"requests passed on to sibling relays, by what became of them",
	"If `failed`, `refused` or `dropped` grows, look in the log lines for the sibling, and at its password.",
	{
		name: "outcome",
		values: ["accepted", "refused", "failed", "dropped"],
	},
);

/** How long a sibling may take to answer. */
export const SIBLING_MS_MAX = 10_000;
/** Requests that wait for one sibling, and their bytes. Beyond that further ones are dropped. */
export const SIBLING_QUEUE_MAX = 1_000;
export const SIBLING_QUEUE_BYTES_MAX = 4 * 1024 * 1024;
const LINE_INTERVAL_MS = 10_000;
/** A stranger's request for a host is passed on at most once in this time; so many hosts are remembered for that. */
const REPEAT_INTERVAL_MS = 60_000;
const REPEATS_MAX = 10_000;
const COPIED_HEADERS = ["Accept", "User-Agent", "Content-Type"] as const;

/** The calls of strangers and of admins that are passed on, each as siblings know it. */
const FORWARDED: ReadonlyMap<string, string> = new Map([
	[`${SYNC}requestCrawl`, `${SYNC}requestCrawl`],
	[`${SYNC}notifyOfUpdate`, `${SYNC}requestCrawl`],
	...[
		"pds/requestCrawl",
		"pds/changeLimits",
		"pds/block",
		"pds/unblock",
		"repo/takeDown",
		"repo/suspend",
		"repo/reverseTakedown",
		"subs/killUpstream",
		"subs/banDomain",
		"subs/unbanDomain",
	].map((name) => [`/admin/${name}`, `/admin/${name}`] as const),
]);

export interface SiblingsOptions {
	/** Their public ports, such as `https://relay2.example.com`. */
	origins: readonly string[];
	counters: Counters;
	fetch?: Fetch;
}

/** A request on its way to a sibling. */
interface Forward {
	target: string;
	method: string;
	headers: Headers;
	body: Uint8Array<ArrayBuffer> | null;
}

/** Passes requests on to one sibling, one at a time and in their order, so that an undoing never overtakes what it undoes. */
class Sibling {
	readonly #origin: string;
	readonly #fetch: Fetch;
	readonly #counters: Counters;
	readonly #lines = new LogLimiter({ intervalMs: LINE_INTERVAL_MS, keysMax: 8 });
	readonly #queue: Forward[] = [];
	#queuedBytes = 0;
	#isSending = false;

	constructor(origin: string, fetch: Fetch, counters: Counters) {
		this.#origin = origin;
		this.#fetch = fetch;
		this.#counters = counters;
	}

	take(forward: Forward): void {
		const bytes = forward.body?.length ?? 0;
		if (this.#queue.length >= SIBLING_QUEUE_MAX || this.#queuedBytes + bytes > SIBLING_QUEUE_BYTES_MAX) {
			this.#note("dropped", forward, "too many requests wait for it");
			return;
		}
		this.#queue.push(forward);
		this.#queuedBytes += bytes;
		if (!this.#isSending) void this.#sendAll();
	}

	async #sendAll(): Promise<void> {
		this.#isSending = true;
		for (let next = this.#queue[0]; next !== undefined; next = this.#queue[0]) {
			await this.#send(next);
			this.#queue.shift();
			this.#queuedBytes -= next.body?.length ?? 0;
		}
		this.#isSending = false;
	}

	/** Never rejects. */
	async #send(forward: Forward): Promise<void> {
		const { target, method, headers, body } = forward;
		try {
			const response = await this.#fetch(new URL(target, this.#origin), {
				method,
				headers,
				body,
				// The headers have a password, which must not go elsewhere.
				redirect: "error",
				signal: AbortSignal.timeout(SIBLING_MS_MAX),
			});
			await response.body?.cancel();
			this.#note(response.ok ? "accepted" : "refused", forward, `status ${response.status}`);
		} catch (error) {
			this.#note("failed", forward, messageOf(error));
		}
	}

	#note(outcome: "accepted" | "refused" | "failed" | "dropped", { target }: Forward, detail: string): void {
		this.#counters.add(forwards.of(outcome));
		const omitted = this.#lines.take(outcome);
		if (omitted === null) return;
		const [path = ""] = target.split("?");
		const log = logOf("http");
		const fields = { sibling: this.#origin, path, outcome, detail, ...(omitted > 0 ? { omitted } : {}) };
		const line = "the sibling {sibling} has {outcome} {path}: {detail}";
		if (outcome === "accepted") log.info(line, fields);
		else log.warning(line, fields);
	}
}

/**
 * Passes on to sibling relays what an operator or a host asks of this one. A request that a relay has passed on goes no further,
 * so that relays that are each other's siblings make no circle. The caller does not wait for them.
 */
export function forwardToSiblings({
	origins,
	counters,
	fetch = outboundFetch,
}: SiblingsOptions): MiddlewareHandler<ClientEnv> {
	const siblings = origins.map((origin) => new Sibling(origin, fetch, counters));
	const repeats = new LogLimiter({ intervalMs: REPEAT_INTERVAL_MS, keysMax: REPEATS_MAX });
	return async (context, next) => {
		await next();
		const path = FORWARDED.get(context.req.path);
		if (path === undefined || siblings.length === 0 || context.req.method !== "POST") return;
		if (isFromRelay(context) || !isWorthwhile(context)) return;
		const forward = forwardOf(context, path);
		if (!isAdminPath(path) && repeats.take(String(Bun.hash(forward.body ?? ""))) === null) return;
		for (const sibling of siblings) sibling.take(forward);
	};
}

function isFromRelay({ req }: Context): boolean {
	return req.header("Via") !== undefined || isRelay(req.header("User-Agent") ?? "");
}

/** A stranger's request goes on only if this relay has accepted it; what an admin names may be known to siblings only. */
function isWorthwhile({ req, res }: Context): boolean {
	return res.ok || (isAdminPath(req.path) && res.status === 404);
}

function forwardOf({ req }: Context, path: string): Forward {
	const headers = new Headers({ Via: `HTTP/1.1 ${RELAY_TOKEN}` });
	const names = isAdminPath(path) ? [...COPIED_HEADERS, "Authorization"] : COPIED_HEADERS;
	for (const name of names) {
		const value = req.header(name);
		if (value !== undefined) headers.set(name, value);
	}
	return { target: `${path}${new URL(req.url).search}`, method: req.method, headers, body: bodyOf(req.raw) };
}
