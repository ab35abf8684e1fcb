import { encode } from "@atcute/cbor";
import { toString as cidToString, decode } from "@atcute/cid";
import { toBase32 } from "@atcute/multibase";
import * as v from "valibot";
import type { OperationData } from "../identity/mirror.ts";
import { BLESSED_PREFIX } from "../protocol/cid.ts";
import { isStorable } from "../protocol/text.ts";
import { Refusal } from "./refusal.ts";

/** Maximum length of an operation as DAG-CBOR, signature included (did:plc specification v0.3). */
export const OPERATION_BYTES_MAX = 7_500;
/** Rotation keys in one operation. The specification allows 5, and the directory has accepted up to 10. */
export const ROTATION_KEYS_MAX = 10;
/** Names of keys and services. A name with a dollar sign first could be taken for a link or for bytes when it is encoded. */
const NAME = /^(?!\$)/;
const DID_HASH_CHARS = 24;
const SIGNATURE_BYTES = 64;
/** Base64url of 64 bytes, without padding. */
const SIGNATURE = /^[A-Za-z0-9_-]{86}$/;
const PDS_TYPE = "AtprotoPersonalDataServer";
/** Longer endpoints than this are no origin, and longer keys are of no kind that signs commits. */
const PDS_CHARS_MAX = 512;
const KEY_CHARS_MAX = 128;

const name = v.pipe(v.string(), v.regex(NAME));

const operationSchema = v.strictObject({
	type: v.literal("plc_operation"),
	rotationKeys: v.array(v.string()),
	verificationMethods: v.record(name, v.string()),
	alsoKnownAs: v.array(v.string()),
	services: v.record(name, v.strictObject({ type: v.string(), endpoint: v.string() })),
	prev: v.nullable(v.string()),
	sig: v.string(),
});

const tombstoneSchema = v.strictObject({ type: v.literal("plc_tombstone"), prev: v.string(), sig: v.string() });

/** The form of the first operations, which only the first operation of a DID can have. */
const legacySchema = v.strictObject({
	type: v.literal("create"),
	signingKey: v.string(),
	recoveryKey: v.string(),
	handle: v.string(),
	service: v.string(),
	prev: v.null(),
	sig: v.string(),
});

const anySchema = v.variant("type", [operationSchema, tombstoneSchema, legacySchema]);

/** An operation whose form is right. Nothing of it is verified. */
export interface Operation {
	/** CIDv1 of the signed operation. */
	cid: string;
	/** The DID that it would be the first operation of. */
	did: string;
	/** CID of the operation that it follows; null for the first one. */
	prev: string | null;
	/** By falling priority. Empty for a tombstone. */
	rotationKeys: readonly string[];
	/** The bytes that the signature covers. */
	unsigned: Uint8Array;
	signature: Uint8Array;
	data: OperationData;
}

/**
 * Reads an operation.
 *
 * @param value a value that was parsed from JSON
 * @throws Refusal
 */
export function readOperation(value: unknown): Operation {
	// The value itself is encoded, since the schema's output could lack a part of it.
	if (!v.is(anySchema, value)) throw new Refusal("operation-malformed");
	const { sig, ...unsignedValue } = value;
	const bytes = encoded(value);
	if (bytes.length > OPERATION_BYTES_MAX) throw new Refusal("operation-too-large", `${bytes.length} bytes`);
	const digest = Bun.SHA256.hash(bytes, new Uint8Array(32)) as Uint8Array;
	const rotationKeys = rotationKeysOf(value);
	if (rotationKeys.length > ROTATION_KEYS_MAX) throw new Refusal("rotation-key", `${rotationKeys.length} keys`);
	return {
		cid: cidOf(digest),
		did: `did:plc:${toBase32(digest).slice(0, DID_HASH_CHARS)}`,
		prev: value.prev,
		rotationKeys,
		unsigned: encoded(unsignedValue),
		signature: readSignature(sig),
		data: dataOf(value),
	};
}

/** The CID of the bytes with this SHA-256, as DAG-CBOR. */
export function cidOf(digest: Uint8Array): string {
	return cidToString(decode(Uint8Array.from([...BLESSED_PREFIX, ...digest])));
}

/** A member named `__proto__` passes the schema, with any value, and not every value can be encoded. */
function encoded(value: unknown): Uint8Array {
	try {
		return encode(value);
	} catch (error) {
		throw new Refusal("operation-malformed", error instanceof Error ? error.message : "");
	}
}

/** The one encoding that is allowed: otherwise the same signature could give an operation another CID. */
function readSignature(text: string): Uint8Array {
	const bytes = SIGNATURE.test(text) ? Buffer.from(text, "base64url") : null;
	if (bytes?.length !== SIGNATURE_BYTES || bytes.toString("base64url") !== text)
		throw new Refusal("signature-malformed");
	return bytes;
}

type AnyOperation = v.InferOutput<typeof anySchema>;

function rotationKeysOf(value: AnyOperation): readonly string[] {
	if (value.type === "plc_tombstone") return [];
	return value.type === "create" ? [value.recoveryKey, value.signingKey] : value.rotationKeys;
}

function dataOf(value: AnyOperation): OperationData {
	if (value.type === "plc_tombstone") return { tombstoned: true, signingKey: null, pds: null };
	if (value.type === "create") {
		const isUrl = value.service.startsWith("http://") || value.service.startsWith("https://");
		return usable(value.signingKey, isUrl ? value.service : `https://${value.service}`);
	}
	const service = value.services["atproto_pds"];
	return usable(value.verificationMethods["atproto"], service?.type === PDS_TYPE ? service.endpoint : undefined);
}

function usable(signingKey: string | undefined, pds: string | undefined): OperationData {
	return {
		tombstoned: false,
		signingKey: within(signingKey, KEY_CHARS_MAX),
		pds: within(pds, PDS_CHARS_MAX),
	};
}

function within(text: string | undefined, charsMax: number): string | null {
	return text !== undefined && text.length <= charsMax && isStorable(text) ? text : null;
}
