import { CborError, CborScanner, CID_TAG, compareKeys, Major } from "./cbor.ts";
import { encodeHead } from "./cbor-head.ts";
import { CBOR_DEPTH_MAX } from "./limits.ts";

/**
 * Rewrites one item that is valid CBOR but not canonical: heads get their shortest form, and map keys are sorted. An item
 * without a canonical form (floats, indefinite lengths, duplicate keys, other tags) is refused.
 *
 * The bytes are rewritten directly, without decoding them into objects, so fields that we don't know keep their values. Links
 * are not checked here; the scan of the result checks them.
 *
 * @returns the item's canonical bytes, and the offset after it in `frame`
 * @throws CborError if the item has no canonical form; the message names the rule
 */
export function canonicalItem(frame: Uint8Array, offset: number): { item: Uint8Array; end: number } {
	const scanner = new CborScanner(frame, offset, frame.length, "record", "unchecked");
	const item = rewriteItem(scanner, 0);
	return { item, end: scanner.offset };
}

function rewriteItem(scanner: CborScanner, depth: number): Uint8Array {
	const start = scanner.offset;
	const major = scanner.readHead();
	const { argument } = scanner;
	if (!Number.isSafeInteger(argument)) throw new CborError(`an integer beyond 2^53-1 at byte ${start}`);
	if (major === Major.array || major === Major.map) {
		if (depth >= CBOR_DEPTH_MAX) throw new CborError(`more than ${CBOR_DEPTH_MAX} nested containers`);
		const body = major === Major.array ? rewriteArray(scanner, argument, depth) : rewriteMap(scanner, argument, depth);
		return Buffer.concat([encodeHead(major, argument), body]);
	}
	scanner.offset = start;
	scanner.skip(depth);
	if (major === Major.simple) {
		if (scanner.offset - start > 1) throw new CborError(`a float at byte ${start}`);
		return scanner.bytes.subarray(start, scanner.offset);
	}
	if (major === Major.tag) return rewriteLink(scanner, start);
	const head = encodeHead(major, argument);
	if (major === Major.unsigned || major === Major.negative) return head;
	return Buffer.concat([head, scanner.bytes.subarray(scanner.offset - argument, scanner.offset)]);
}

function rewriteArray(scanner: CborScanner, count: number, depth: number): Uint8Array {
	const items: Uint8Array[] = [];
	for (let i = 0; i < count; i++) items.push(rewriteItem(scanner, depth + 1));
	return Buffer.concat(items);
}

function rewriteMap(scanner: CborScanner, count: number, depth: number): Uint8Array {
	const pairs: { start: number; end: number; pair: Uint8Array }[] = [];
	for (let i = 0; i < count; i++) {
		const start = scanner.readKey();
		const end = scanner.offset;
		const key = scanner.bytes.subarray(start, end);
		pairs.push({
			start,
			end,
			pair: Buffer.concat([encodeHead(Major.text, key.length), key, rewriteItem(scanner, depth + 1)]),
		});
	}
	pairs.sort((a, b) => {
		const order = compareKeys(scanner.bytes, a.start, a.end, b.start, b.end);
		if (order === 0 && a !== b) throw new CborError(`a map key at byte ${b.start} is repeated`);
		return order;
	});
	return Buffer.concat(pairs.map(({ pair }) => pair));
}

/** Encodes the link from `start` to the scanner's offset, which was just skipped, with the shortest heads. */
function rewriteLink(scanner: CborScanner, start: number): Uint8Array {
	const { offset: end } = scanner;
	scanner.offset = start;
	scanner.readHead();
	const cid = scanner.bytes.subarray(scanner.readBytes(end), end);
	return Buffer.concat([encodeHead(Major.tag, CID_TAG), encodeHead(Major.bytes, cid.length), cid]);
}
