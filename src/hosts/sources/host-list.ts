import { statSync } from "node:fs";
import * as v from "valibot";
import { readBody } from "../../net/bounded-fetch.ts";
import { type Fetch, outboundFetch } from "../../net/outbound-fetch.ts";
import { messageOf } from "../../observe/log-value.ts";
import { LISTED_HOSTS_MAX, SourceError } from "./source.ts";

/** Public lists of all PDSes have some MB. */
export const LIST_BYTES_MAX = 32 * 1024 * 1024;
const TIMEOUT_MS = 120_000;

const ACCEPTED = 'an array of names, {"pdses": {NAME: …}}, or what listHosts answers';

/** An object. A record would take an array too. */
const NAMED = v.pipe(
	v.unknown(),
	v.check((value) => !Array.isArray(value)),
	v.record(v.string(), v.unknown()),
);
/** The shapes of lists: names or origins, as keys or as texts. */
const LIST = v.union([
	v.array(v.string()),
	v.pipe(
		v.object({ pdses: NAMED }),
		v.transform(({ pdses }) => Object.keys(pdses)),
	),
	v.pipe(
		v.object({ hosts: v.array(v.object({ hostname: v.string() })) }),
		v.transform(({ hosts }) => hosts.map(({ hostname }) => hostname)),
	),
]);

/** Reads a list of hosts in JSON. @throws SourceError */
export function readHostList(bytes: Uint8Array): string[] {
	let list: unknown;
	try {
		list = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
	} catch {
		throw new SourceError("the list is not JSON in UTF-8");
	}
	const result = v.safeParse(LIST, list);
	if (!result.success) throw new SourceError(`the list must be ${ACCEPTED}`);
	if (result.output.length > LISTED_HOSTS_MAX)
		throw new SourceError(`the list has more than ${LISTED_HOSTS_MAX} hosts`);
	return result.output;
}

/**
 * Loads a list of hosts from a file, or from an http:// or https:// URL.
 * @throws SourceError
 */
export async function loadHostList(place: string, userAgent: string, fetch: Fetch = outboundFetch): Promise<string[]> {
	try {
		return readHostList(await (/^https?:\/\//i.test(place) ? download(place, userAgent, fetch) : readFile(place)));
	} catch (error) {
		throw new SourceError(`${place}: ${messageOf(error)}`);
	}
}

async function readFile(path: string): Promise<Uint8Array> {
	const { size } = statSync(path);
	if (size > LIST_BYTES_MAX) throw new SourceError(`the file has more than ${LIST_BYTES_MAX} bytes`);
	return Bun.file(path).bytes();
}

async function download(place: string, userAgent: string, fetch: Fetch): Promise<Uint8Array> {
	const signal = AbortSignal.timeout(TIMEOUT_MS);
	const response = await fetch(new URL(place), {
		headers: { Accept: "application/json", "User-Agent": userAgent },
		signal,
	});
	if (response.status === 200) return readBody(response, signal, LIST_BYTES_MAX);
	await response.body?.cancel();
	throw new SourceError(`the server answers HTTP ${response.status}`);
}
