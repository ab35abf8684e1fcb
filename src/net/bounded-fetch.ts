import { gunzipSync } from "node:zlib";
import { FetchError, inPlainWords } from "./outbound-fetch.ts";

/** A response whose body has been read. */
export interface BoundedResponse {
	status: number;
	headers: Headers;
	body: Uint8Array<ArrayBuffer>;
}

const GZIP_NAMES: ReadonlySet<string> = new Set(["gzip", "x-gzip"]);

/** A server sent more than it was allowed to. */
export class BodyTooLargeError extends Error {
	override readonly name = "BodyTooLargeError";
}

/**
 * Makes a request and reads the response, within limits of time and of bytes (of the decompressed body). The body of a response
 * that is not 2xx is not read. Throws `BodyTooLargeError`, a `TimeoutError`, or what `send` throws.
 *
 * @param send makes the request; it must pass on the signal
 */
export async function fetchBounded(
	send: (signal: AbortSignal) => Promise<Response>,
	limits: { timeoutMs: number; bytesMax: number },
): Promise<BoundedResponse> {
	const signal = AbortSignal.timeout(limits.timeoutMs);
	const response = await send(signal);
	const { status, headers } = response;
	if (response.ok) return { status, headers, body: await readBody(response, signal, limits.bytesMax) };
	await response.body?.cancel();
	return { status, headers, body: new Uint8Array() };
}

/**
 * Reads a body to its end. Throws `BodyTooLargeError`, the signal's reason, or the error that broke the connection.
 *
 * @param bytesMax of the body as it was sent, and as decompressed
 */
export async function readBody(
	{ body, headers }: Pick<Response, "body" | "headers">,
	signal: AbortSignal,
	bytesMax: number,
): Promise<Uint8Array<ArrayBuffer>> {
	const chunks: Uint8Array[] = [];
	let bytes = 0;
	try {
		for await (const chunk of body ?? []) {
			signal.throwIfAborted();
			bytes += chunk.length;
			// Leaving the loop cancels the body, which closes the connection.
			if (bytes > bytesMax) throw new BodyTooLargeError(`the body is longer than ${bytesMax} bytes`);
			chunks.push(chunk);
		}
	} catch (error) {
		throw inPlainWords(error);
	}
	return new Uint8Array(decompress(Buffer.concat(chunks), headers.get("content-encoding"), bytesMax));
}

/**
 * Undoes the `Content-Encoding` of a body.
 * @throws BodyTooLargeError if there are more than `bytesMax` bytes in it; FetchError if it is not what the header says
 */
function decompress(bytes: Uint8Array, encoding: string | null, bytesMax: number): Uint8Array {
	const name = encoding?.trim().toLowerCase() ?? "";
	if (name === "" || name === "identity") return bytes;
	if (!GZIP_NAMES.has(name)) throw new FetchError("unknown-encoding");
	try {
		return gunzipSync(bytes, { maxOutputLength: bytesMax });
	} catch (error) {
		if (error instanceof Error && "code" in error && error.code === "ERR_BUFFER_TOO_LARGE")
			throw new BodyTooLargeError(`the body is longer than ${bytesMax} bytes`);
		throw new FetchError("malformed-encoding");
	}
}
