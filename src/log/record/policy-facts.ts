import { decode, encode } from "@atcute/cbor";
import { DID_CHARS_MAX } from "../../protocol/limits.ts";
import { RECORD_FACTS_BYTES_MAX } from "./facts.ts";
import { decodeStateFacts, encodeStateFacts } from "./state-facts.ts";

/** The status that the operator has given an account, such as `takendown`. */
export interface LocalStatus {
	status: string;
}

/** Whether a message that breaks only a strict rule is dropped (`enforce`), or passed and counted (`observe`). */
export type Strictness = "enforce" | "observe";

/** What the operator has set for a host. A null means that the relay's general rule holds. */
export interface HostPolicy {
	isBanned: boolean;
	/** The most accounts that may be active there. */
	accountLimit: number | null;
	/** The most messages that the host may send in a second, an hour and a day. */
	eventLimits: { perS: number; perHour: number; perDay: number } | null;
	strictness: Strictness | null;
	/**
	 * If not null, a host with `observe` is to get `enforce` by itself after a clean period. The period began at this time, in
	 * milliseconds since 1970.
	 */
	cleanSinceMs: number | null;
}

/** A domain whose hosts are refused, with all that is below it. */
export interface DomainBan {
	/** Since when, in milliseconds since 1970. */
	sinceMs: number;
}

/** A setting that was changed at run time. */
export interface SettingValue {
	value: boolean | number;
}

/** The values that each kind of policy gives its keys. */
export interface PolicyValues {
	/** By DID. */
	localStatus: LocalStatus;
	/** By hostname. */
	hostPolicy: HostPolicy;
	/** By domain. */
	domainBan: DomainBan;
	/** By the setting's name. */
	setting: SettingValue;
}

/** A kind of policy: of what the operator has set while the relay runs. */
export type PolicyKind = keyof PolicyValues;

/** From here on the key has this value. Null: the operator has taken it back. */
export interface PolicyFacts<K extends PolicyKind = PolicyKind> {
	key: string;
	value: PolicyValues[K] | null;
}

/** Picks the fields that this release knows from a value, since a later release may have added some. */
const PICK: { readonly [K in PolicyKind]: (value: PolicyValues[K]) => PolicyValues[K] } = {
	localStatus: ({ status }) => ({ status }),
	hostPolicy: ({ isBanned, accountLimit, eventLimits, strictness, cleanSinceMs }) => ({
		isBanned,
		accountLimit,
		eventLimits,
		strictness,
		cleanSinceMs,
	}),
	domainBan: ({ sinceMs }) => ({ sinceMs }),
	setting: ({ value }) => ({ value }),
};

export const POLICY_KINDS = Object.keys(PICK) as readonly PolicyKind[];

/** The longest key is a DID. */
export const POLICY_KEY_BYTES_MAX = DID_CHARS_MAX;

/** How the facts of a kind of policy are written: as state facts, whose key is UTF-8. */
export interface PolicyCodec<K extends PolicyKind> {
	/** @throws RangeError for a key that is empty or too long */
	encode(facts: PolicyFacts<K>): Uint8Array;
	decode(facts: Uint8Array): PolicyFacts<K>;
}

/** The codec of a kind of policy. */
export function policyCodec<K extends PolicyKind>(kind: K): PolicyCodec<K> {
	return {
		encode({ key, value }) {
			const keyBytes = Buffer.from(key);
			if (keyBytes.length === 0 || keyBytes.length > POLICY_KEY_BYTES_MAX)
				throw new RangeError(`a key of ${keyBytes.length} bytes is not from 1 to ${POLICY_KEY_BYTES_MAX} bytes long`);
			return encodeStateFacts({ key: keyBytes, value: value === null ? NO_VALUE : encode(PICK[kind](value)) });
		},
		decode(facts) {
			const { key, value } = decodeStateFacts(facts);
			const name = Buffer.from(key).toString();
			return { key: name, value: value.length === 0 ? null : PICK[kind](decode(value) as PolicyValues[K]) };
		},
	};
}

const NO_VALUE = new Uint8Array(0);

/** What an admin did: a line of the audit log. */
export interface AdminAction {
	/** Milliseconds since 1970. */
	atMs: number;
	/** The address that the request came from. */
	by: string;
	/** The name of the action, such as `takeDown`. */
	action: string;
	/** What it was done to: a DID, a host, a domain, the name of a setting. */
	subject: string;
	/** What was set before, and what is set now, in a short form for people. */
	before: string;
	after: string;
}

/** Each text of an action is at most this long. */
export const ACTION_TEXT_CHARS_MAX = DID_CHARS_MAX;

/** Layout: a map, as DAG-CBOR. @throws RangeError if a text is too long */
export function encodeAdminAction({ atMs, by, action, subject, before, after }: AdminAction): Uint8Array {
	const texts = { by, action, subject, before, after };
	for (const [name, text] of Object.entries(texts))
		if (text.length > ACTION_TEXT_CHARS_MAX) throw new RangeError(`${name} has ${text.length} characters`);
	const bytes = encode({ atMs, ...texts });
	if (bytes.length > RECORD_FACTS_BYTES_MAX) throw new RangeError(`facts of ${bytes.length} bytes don't fit a record`);
	return bytes;
}

export function decodeAdminAction(facts: Uint8Array): AdminAction {
	const { atMs, by, action, subject, before, after }: AdminAction = decode(facts);
	return { atMs, by, action, subject, before, after };
}
