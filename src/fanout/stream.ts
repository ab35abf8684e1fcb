import type { LogSpan, RecordBatch } from "../log/log.ts";
import type { StreamErrorName } from "../protocol/event-frames.ts";

/** Where a consumer's stream begins: it gets `first`, if that is set, and then every message after the cursor. */
export interface StreamStart {
	/** A seq, or the end of the log as the request found it. */
	cursor: number | "live";
	first: Uint8Array<ArrayBuffer> | null;
}

/** Why a consumer's request is refused, in the answer to it. */
export interface StreamRefusal {
	refusal: string;
}

/** Why a consumer's stream ends before it begins: said in the stream, which is closed then. */
export interface StreamError {
	error: StreamErrorName;
	message: string;
}

/**
 * A way in which consumers are served the log: its address, what may be asked for, and how records go over the wire. A stream
 * keeps nothing of a consumer. All streams leave out the same records of accounts that are taken down, so that is decided before `encode`.
 */
export interface Stream {
	/** What answers call it. */
	readonly name: string;
	/** Where it is served. */
	readonly path: string;
	/** Reads what a consumer asks for. */
	start(query: URLSearchParams, span: LogSpan): StreamStart | StreamRefusal | StreamError;
	/** A record of a batch as it goes over the wire, or null if it is not for this stream. Called for each record and consumer. */
	encode(batch: RecordBatch, index: number): Uint8Array | null;
	/** Tells a consumer that messages before `nextSeq` can't be had any more. */
	gap(nextSeq: number): Uint8Array<ArrayBuffer>;
	/** Tells a consumer why its stream ends. Nothing may follow. */
	error(name: StreamErrorName, message: string): Uint8Array<ArrayBuffer>;
}
