import { encode } from "@atcute/cbor";

/** Fields of a payload. They can have any type, so that a test can break them. */
export interface SimPayload {
	repo?: unknown;
	did?: unknown;
	rev?: unknown;
	since?: unknown;
	commit?: unknown;
	blocks?: unknown;
	ops?: unknown;
	prevData?: unknown;
	blobs?: unknown;
	tooBig?: unknown;
	rebase?: unknown;
	time?: unknown;
	handle?: unknown;
	active?: unknown;
	status?: unknown;
	/** A field that no relay knows, and that it must pass on. */
	padding?: unknown;
}

/** A message without its `seq`, which its host gives it. */
export interface SimMessage {
	type: "commit" | "sync" | "identity" | "account";
	did: string;
	rev: string | null;
	/** The payload, as @atcute/cbor takes it. A test that breaks a message changes it here. */
	body: SimPayload;
}

/** A frame of a header and a payload, the two CBOR objects (rulebook 1.2). */
export function joinFrame(header: object, payload: object): Uint8Array<ArrayBuffer> {
	return Buffer.concat([encode(header), encode(payload)]);
}

/** The frame of a message, as its host sends it. */
export function encodeFrame(message: SimMessage, seq: number): Uint8Array<ArrayBuffer> {
	return joinFrame({ op: 1, t: `#${message.type}` }, { ...message.body, seq });
}

export function encodeErrorFrame(error: string, message: string): Uint8Array<ArrayBuffer> {
	return joinFrame({ op: -1 }, { error, message });
}

export function encodeInfoFrame(name: string, message: string): Uint8Array<ArrayBuffer> {
	return joinFrame({ op: 1, t: "#info" }, { name, message });
}
