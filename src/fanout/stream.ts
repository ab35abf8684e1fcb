import type { LogSpan, RecordBatch } from "../log/log.ts";
import type { StreamErrorName } from "../protocol/event-frames.ts";

/** Where a consumer's stream begins. It gets the frame `first`, if that is set, and then every message after the cursor. */
export interface StreamStart {
	/** A seq; or `live`, the end of the log when the request came. */
	cursor: number | "live";
	first: Uint8Array<ArrayBuffer> | null;
}

/** Why a consumer's request is refused. The HTTP answer says it. */
export interface StreamRefusal {
	refusal: string;
}

/** Why a consumer's stream ends before it begins. A frame in the stream says it, and the stream is closed. */
export interface StreamError {
	error: StreamErrorName;
	message: string;
}

/**
 * A kind of subscription: its path, its parameters, and how records go over the wire. It has no state of a consumer. All streams leave
 * out the same records of accounts that are taken down, so that is decided before `encode`.
 */
export interface Stream {
	/** Its name in answers. */
	readonly name: string;
	/** Its path at the public port. */
	readonly path: string;
	/** Reads the parameters of a request. */
	start(query: URLSearchParams, span: LogSpan): StreamStart | StreamRefusal | StreamError;
	/** A record of a batch as it goes over the wire, or null if it is not for this stream. Called for each record and consumer. */
	encode(batch: RecordBatch, index: number): Uint8Array | null;
	/** The frame that tells a consumer that messages before `nextSeq` are no longer available. */
	gap(nextSeq: number): Uint8Array<ArrayBuffer>;
	/** The frame that tells a consumer why its stream ends. It is the last one. */
	error(name: StreamErrorName, message: string): Uint8Array<ArrayBuffer>;
}
