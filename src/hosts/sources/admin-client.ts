import * as v from "valibot";
import type { AddedHost } from "../../control/hosts.ts";
import { readBody } from "../../net/bounded-fetch.ts";
import { type Fetch, outboundFetch } from "../../net/outbound-fetch.ts";
import { retryAfterMs } from "../../net/retry-after.ts";
import { messageOf } from "../../observe/log-value.ts";
import { type Sleep, SourceError, systemSleep } from "./source.ts";

const ANSWER_BYTES_MAX = 4 * 1024 * 1024;
/** More than the relay takes for any answer. */
const TIMEOUT_MS = 60_000;
/** For each request. A relay that restarts meanwhile is waited for. */
const TRIES_MAX = 5;
const FIRST_PAUSE_MS = 1_000;
const HOSTS_PER_PAGE = 1_000;

const ADDED = v.object({
	hosts: v.array(
		v.object({
			hostname: v.string(),
			outcome: v.picklist(["new", "known", "refused"]),
			error: v.exactOptional(v.string()),
			message: v.exactOptional(v.string()),
		}),
	),
});
/** The fields of the admin API that are shown of a host. */
const LISTED = v.array(
	v.object({
		ID: v.number(),
		Host: v.string(),
		Status: v.string(),
		StatusDetail: v.string(),
		Cursor: v.number(),
		UserCount: v.number(),
	}),
);

export type ListedHost = v.InferOutput<typeof LISTED>[number];

export interface AdminClientOptions {
	/** Origin of the relay's public port. */
	relay: string;
	password: string;
	/** Where the hosts come from, for the relay's audit log. */
	source: string;
	fetch?: Fetch;
	sleep?: Sleep;
}

/** Asks a running relay, by its admin API. Each call rejects with a SourceError if the relay does not do what it is asked. */
export class AdminClient {
	readonly #options: AdminClientOptions;
	/** Nobody ends a request but the process. */
	readonly #signal = new AbortController().signal;

	constructor(options: AdminClientOptions) {
		this.#options = options;
	}

	async addHosts(hosts: readonly string[]): Promise<readonly AddedHost[]> {
		const body = JSON.stringify({ hosts, source: this.#options.source });
		return (await this.#ask(ADDED, "addHosts", { method: "POST", body })).hosts;
	}

	/** Every host that the relay knows, by its id. */
	async *hosts(): AsyncGenerator<ListedHost> {
		let last = 0;
		for (;;) {
			const page = await this.#ask(LISTED, `list?limit=${HOSTS_PER_PAGE}&cursor=${last}`, {});
			yield* page;
			const end = page.at(-1)?.ID ?? last;
			if (page.length < HOSTS_PER_PAGE || end <= last) return;
			last = end;
		}
	}

	async #ask<Schema extends v.GenericSchema>(
		schema: Schema,
		target: string,
		init: BunFetchRequestInit,
	): Promise<v.InferOutput<Schema>> {
		const { relay, sleep = systemSleep } = this.#options;
		for (let tries = 1; ; tries++) {
			const answer = await this.#try(target, init, FIRST_PAUSE_MS * 2 ** (tries - 1));
			if (answer.pauseMs !== null && tries < TRIES_MAX) {
				await sleep(answer.pauseMs, this.#signal);
				continue;
			}
			const result = v.safeParse(schema, answer.body);
			if (result.success) return result.output;
			throw new SourceError(`the relay at ${relay} ${answer.fault}`);
		}
	}

	/** `pauseMs` is null if another try is of no use. */
	async #try(
		target: string,
		init: BunFetchRequestInit,
		pauseMs: number,
	): Promise<{ body?: unknown; fault: string; pauseMs: number | null }> {
		const { relay, password, fetch = outboundFetch } = this.#options;
		const signal = AbortSignal.timeout(TIMEOUT_MS);
		const headers = {
			Authorization: `Basic ${Buffer.from(`admin:${password}`).toString("base64")}`,
			"Content-Type": "application/json",
		};
		try {
			const url = new URL(`/admin/pds/${target}`, relay);
			const response = await fetch(url, { ...init, headers, signal, redirect: "error" });
			const text = new TextDecoder().decode(await readBody(response, signal, ANSWER_BYTES_MAX));
			if (response.ok) return { body: parsed(text), fault: "gives an answer that is none of a relay", pauseMs: null };
			const isPassing = response.status === 429 || response.status >= 500;
			const asked = retryAfterMs(response.status, response.headers, Date.now());
			const fault = `answers HTTP ${response.status}: ${text.slice(0, 300)}`;
			return { fault, pauseMs: isPassing ? (asked ?? pauseMs) : null };
		} catch (error) {
			const why = signal.aborted ? `no answer within ${TIMEOUT_MS} ms` : messageOf(error);
			return { fault: `does not answer: ${why}`, pauseMs };
		}
	}
}

function parsed(text: string): unknown {
	try {
		return JSON.parse(text);
	} catch {
		return undefined;
	}
}
