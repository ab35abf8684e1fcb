import { RECORD_FACTS_BYTES_MAX } from "./facts.ts";

/** What a control record with the flag `state` says: from here on, the key of its kind has this value. */
export interface StateFacts {
	key: Uint8Array;
	/** DAG-CBOR; empty if the key has no value any more. */
	value: Uint8Array;
}

const KEY_LENGTH_BYTES = 2;

/**
 * Layout: length of the key (u16), key, value to the end. It is the same for all kinds, so a release can restate kinds of later
 * releases without knowing what they mean.
 *
 * @throws RangeError if they don't fit a record
 */
export function encodeStateFacts({ key, value }: StateFacts): Uint8Array {
	const length = KEY_LENGTH_BYTES + key.length + value.length;
	if (length > RECORD_FACTS_BYTES_MAX) throw new RangeError(`facts of ${length} bytes don't fit a record`);
	const facts = new Uint8Array(length);
	facts[0] = key.length & 0xff;
	facts[1] = key.length >>> 8;
	facts.set(key, KEY_LENGTH_BYTES);
	facts.set(value, KEY_LENGTH_BYTES + key.length);
	return facts;
}

/**
 * Decodes state facts. Key and value are views into `facts`.
 *
 * @throws RangeError if `facts` ends before the key does
 */
export function decodeStateFacts(facts: Uint8Array): StateFacts {
	const [low = 0, high = 0] = facts;
	const keyEnd = KEY_LENGTH_BYTES + low + (high << 8);
	if (keyEnd > facts.length) throw new RangeError(`facts of ${facts.length} bytes have no key of ${keyEnd - 2}`);
	return { key: facts.subarray(KEY_LENGTH_BYTES, keyEnd), value: facts.subarray(keyEnd) };
}

/** Whether state facts give their key a value. If not, they take the key's value away. */
export function hasValue(facts: Uint8Array): boolean {
	return decodeStateFacts(facts).value.length > 0;
}
