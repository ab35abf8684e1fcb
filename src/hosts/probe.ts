import { BodyTooLargeError, readBody } from "../net/bounded-fetch.ts";
import { type GuardOptions, guardedFetch } from "../net/guarded-fetch.ts";
import type { ParsedHostname } from "../net/hostname.ts";
import { isRelay } from "../protocol/relay-token.ts";

const PROBE_TIMEOUT_MS = 5000;
/** A `describeServer` answer has a few hundred bytes. */
const PROBE_BODY_BYTES_MAX = 64 * 1024;
/** Length of the reason in an answer. The reason may quote the host. */
const WHY_CHARS_MAX = 200;

/** A host is not a PDS that can be followed. The message completes "host NAME …". */
export class ProbeError extends Error {
	override readonly name = "ProbeError";
	/** It answers, but as a relay. */
	readonly isRelay: boolean;

	constructor(message: string, { isRelay = false } = {}) {
		super(message);
		this.isRelay = isRelay;
	}
}

export interface ProbeOptions {
	guard: GuardOptions;
	userAgent: string;
	timeoutMs?: number;
}

/**
 * Asks a host for `com.atproto.server.describeServer`, as any PDS answers it (rulebook 5, requestCrawl).
 * @throws ProbeError if it does not answer as a PDS in time, or is a relay
 */
export async function probeHost(
	{ hostname, insecure }: ParsedHostname,
	{ guard, userAgent, timeoutMs = PROBE_TIMEOUT_MS }: ProbeOptions,
): Promise<void> {
	const headers = { Accept: "application/json", "User-Agent": userAgent };
	const signal = AbortSignal.timeout(timeoutMs);
	try {
		const url = new URL(`${insecure ? "http" : "https"}://${hostname}/xrpc/com.atproto.server.describeServer`);
		await checkResponse(await guardedFetch(url, { headers, signal }, guard), signal);
	} catch (error) {
		if (error instanceof ProbeError) throw error;
		if (error instanceof BodyTooLargeError)
			throw new ProbeError(`answered describeServer with more than ${PROBE_BODY_BYTES_MAX} bytes`);
		if (error instanceof Error && error.name === "TimeoutError")
			throw new ProbeError(`did not answer describeServer within ${timeoutMs} ms`);
		const why = error instanceof Error ? error.message : String(error);
		throw new ProbeError(`is unreachable: ${why.slice(0, WHY_CHARS_MAX)}`);
	}
}

async function checkResponse(response: Response, signal: AbortSignal): Promise<void> {
	try {
		if (isRelay(response.headers.get("server") ?? ""))
			throw new ProbeError("is a relay itself, and following it would make a loop", { isRelay: true });
		if (response.status !== 200) throw new ProbeError(`answered describeServer with HTTP ${response.status}`);
		const body = await readBody(response, signal, PROBE_BODY_BYTES_MAX);
		if (!isJsonObject(new TextDecoder().decode(body)))
			throw new ProbeError("answered describeServer without a JSON object");
	} finally {
		if (!response.bodyUsed) await response.body?.cancel();
	}
}

function isJsonObject(text: string): boolean {
	try {
		const value: unknown = JSON.parse(text);
		return typeof value === "object" && value !== null && !Array.isArray(value);
	} catch {
		return false;
	}
}
