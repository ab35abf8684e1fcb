import { encode } from "@atcute/cbor";

/** The frames that the relay itself sends to a consumer. They have no seq and are never in the log (rulebook 1.2, 1.5). */

/** The errors of `subscribeRepos` that the lexicon defines. */
export type StreamErrorName = "FutureCursor" | "ConsumerTooSlow";

const ERROR_HEADER = encode({ op: -1 });
const INFO_HEADER = encode({ op: 1, t: "#info" });

/** An error frame. The stream must be closed right after it (rulebook 1.2.4). */
export function encodeErrorFrame(name: StreamErrorName, message?: string): Uint8Array<ArrayBuffer> {
	return Buffer.concat([ERROR_HEADER, encode(message === undefined ? { error: name } : { error: name, message })]);
}

/** An `#info` frame, which informs the consumer and leaves the stream open (rulebook 2.5). */
export function encodeInfoFrame(name: "OutdatedCursor", message?: string): Uint8Array<ArrayBuffer> {
	return Buffer.concat([INFO_HEADER, encode(message === undefined ? { name } : { name, message })]);
}
