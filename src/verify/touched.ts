/**
 * The list of the collections that a commit touches, as engines make it and as the log's records hold it. Numbers are
 * little-endian.
 *
 * | offset | field       | type |                                                              |
 * |-------:|-------------|------|--------------------------------------------------------------|
 * |      0 | count       | u16  | of collections; 65,535: they are not listed                  |
 * |      2 | collections |      | one after the other, in the order of their paths             |
 *
 * A collection:
 *
 * | offset | field       | type |                                                              |
 * |-------:|-------------|------|--------------------------------------------------------------|
 * |      0 | fills       | u8   | bits 0-1: before the commit, bits 2-3: after it; 0 unknown, 1 empty, 2 filled |
 * |      1 | nameLength  | u16  |                                                              |
 * |      3 | name        |      | an NSID, which is ASCII                                      |
 *
 * Each collection occurs once. They are sorted by the bytes of the name with a slash after it, as paths are in the tree: `a.b.c-d`
 * comes before `a.b.c`.
 *
 * A commit without ops has an empty list. If collections are not listed, any of them may have changed.
 */
const COUNT_BYTES = 2;
const ENTRY_HEAD_BYTES = 3;
const AFTER_SHIFT = 2;
const FILL_MASK = 3;
const COUNT_NOT_LISTED = 0xffff;

/** Stands for a list that is not there. */
export const NOT_LISTED: Uint8Array = Uint8Array.of(COUNT_NOT_LISTED & 0xff, COUNT_NOT_LISTED >> 8);

/** The fills in the order of their codes, from 0 on. */
const FILLS = ["unknown", "empty", "filled"] as const;

/**
 * Whether a collection has records, as far as the part of the tree that a commit carries can tell. For a commit that passes the
 * strict rules, the fill after it is never unknown, and the fill before it is unknown at most if all ops in the collection are
 * creates.
 */
export type Fill = (typeof FILLS)[number];

/** A collection that a commit touches. */
export interface TouchedCollection {
	readonly name: string;
	readonly before: Fill;
	readonly after: Fill;
}

/** Encodes a list. @param collections in the order described above */
export function encodeTouched(collections: readonly TouchedCollection[]): Uint8Array {
	let length = COUNT_BYTES;
	for (const { name } of collections) length += ENTRY_HEAD_BYTES + name.length;
	const list = Buffer.alloc(length);
	list.writeUInt16LE(collections.length, 0);
	let at = COUNT_BYTES;
	for (const { name, before, after } of collections) {
		list.writeUInt8(FILLS.indexOf(before) | (FILLS.indexOf(after) << AFTER_SHIFT), at);
		list.writeUInt16LE(name.length, at + 1);
		at += ENTRY_HEAD_BYTES + list.write(name, at + ENTRY_HEAD_BYTES, "latin1");
	}
	return list;
}

/** Whether these bytes are a list, and not `NOT_LISTED`. */
export function isListed(list: Uint8Array): boolean {
	return list[0] !== NOT_LISTED[0] || list[1] !== NOT_LISTED[1];
}

/** Decodes a list, which must not be `NOT_LISTED`. Bytes after it are ignored. */
export function decodeTouched(list: Uint8Array): TouchedCollection[] {
	const bytes = Buffer.from(list.buffer, list.byteOffset, list.length);
	const collections: TouchedCollection[] = [];
	let at = COUNT_BYTES;
	for (let left = bytes.readUInt16LE(0); left > 0; left--) {
		const fills = bytes.readUInt8(at);
		const nameStart = at + ENTRY_HEAD_BYTES;
		at = nameStart + bytes.readUInt16LE(at + 1);
		const name = bytes.toString("latin1", nameStart, at);
		collections.push({ name, before: fillOf(fills), after: fillOf(fills >> AFTER_SHIFT) });
	}
	return collections;
}

function fillOf(bits: number): Fill {
	return FILLS[bits & FILL_MASK] ?? "unknown";
}
