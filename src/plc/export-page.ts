import { type Fetch, FetchError, inPlainWords, outboundFetch } from "../net/outbound-fetch.ts";
import { retryAfterMs } from "../net/retry-after.ts";
import type { LineText } from "./line.ts";
import { LineSplitter } from "./line-splitter.ts";

/** Lines asked for at once. The directory gives at most so many. */
export const PAGE_LINES = 1_000;
/** Bytes of lines that are kept of one page. */
export const PAGE_BYTES_MAX = 16 * 1024 * 1024;
/** Bytes of one page that are read, decompressed, with what is not kept. */
export const PAGE_BYTES_READ_MAX = 64 * 1024 * 1024;
/** For one page, from the request to its last line. */
const TIMEOUT_MS = 60_000;

/** Lines of the export, in its order. */
export interface Page {
	lines: LineText[];
	/** Whether there may be more lines after them. */
	isFull: boolean;
}

/** The directory gave no page. */
export class PageError extends Error {
	override readonly name = "PageError";
	/** How long the directory asked us to wait; null if it did not. */
	readonly retryAfterMs: number | null;

	constructor(message: string, retryAfter: number | null, options?: ErrorOptions) {
		super(message, options);
		this.retryAfterMs = retryAfter;
	}
}

export interface PageOptions {
	/** Origin of the directory. */
	directory: string;
	userAgent: string;
	fetch?: Fetch;
	/** Milliseconds since 1970. */
	clock?: () => number;
	/** Ends the request. */
	signal: AbortSignal;
}

/**
 * Asks for the lines after a seq or a time. If the page ends early, because it is too long or the connection breaks, the lines that
 * came whole are the page.
 *
 * @throws PageError
 */
export async function fetchPage(after: string, options: PageOptions): Promise<Page> {
	const { directory, userAgent, fetch = outboundFetch, clock = Date.now } = options;
	const url = new URL(`/export?count=${PAGE_LINES}&after=${encodeURIComponent(after)}`, directory);
	const signal = AbortSignal.any([options.signal, AbortSignal.timeout(TIMEOUT_MS)]);
	const headers = { Accept: "application/jsonlines", "User-Agent": userAgent };
	const response = await fetch(url, { headers, signal, redirect: "error" }).catch((error: unknown) => {
		throw failed(error);
	});
	if (!response.ok) {
		await response.body?.cancel();
		const { status } = response;
		throw new PageError(`HTTP status ${status}`, retryAfterMs(status, response.headers, clock()));
	}
	return await readPage(response, signal);
}

/** The body's lines, up to the limits. */
async function readPage(response: Response, signal: AbortSignal): Promise<Page> {
	const splitter = new LineSplitter();
	let bytesRead = 0;
	try {
		for await (const chunk of decoded(response)) {
			signal.throwIfAborted();
			splitter.push(chunk);
			bytesRead += chunk.length;
			const isCut = splitter.bytes > PAGE_BYTES_MAX || bytesRead > PAGE_BYTES_READ_MAX;
			// Leaving the loop cancels the body, which closes the connection.
			if (isCut || splitter.lines.length > PAGE_LINES) return cutPage(splitter);
		}
	} catch (error) {
		if (splitter.lines.length === 0) throw failed(error);
		return cutPage(splitter);
	}
	splitter.end();
	const { lines } = splitter;
	return { lines: lines.slice(0, PAGE_LINES), isFull: lines.length >= PAGE_LINES };
}

function cutPage({ lines }: LineSplitter): Page {
	if (lines.length === 0) throw new PageError("its first line is too long", null);
	return { lines: lines.slice(0, PAGE_LINES), isFull: true };
}

function decoded({ body, headers }: Response): ReadableStream<Uint8Array<ArrayBuffer>> {
	if (body === null) return new ReadableStream({ start: (controller) => controller.close() });
	const encoding = headers.get("content-encoding")?.trim().toLowerCase() ?? "identity";
	if (encoding === "identity") return body;
	if (encoding !== "gzip") throw new FetchError("unknown-encoding");
	return body.pipeThrough(new DecompressionStream("gzip"));
}

function failed(error: unknown): PageError {
	if (error instanceof PageError) return error;
	const plain = inPlainWords(error);
	return new PageError(plain instanceof Error ? plain.message : String(plain), null, { cause: error });
}
