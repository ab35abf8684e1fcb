import { Major } from "../../protocol/cbor.ts";
import { CborWriter, HEAD_BYTES_MAX, LINK_OVERHEAD_BYTES_MAX } from "./cbor-writer.ts";
import type { Link } from "./link.ts";
import type { NodeContent } from "./mst-decode.ts";

/** The bytes of an entry besides its key, value and child: heads, four names and the prefix length. */
const ENTRY_OVERHEAD_BYTES_MAX = 3 * HEAD_BYTES_MAX + 4 * 2 + 2 * LINK_OVERHEAD_BYTES_MAX;
/** The bytes of a node besides its entries and first child: heads and two names. */
const NODE_OVERHEAD_BYTES_MAX = 2 * HEAD_BYTES_MAX + 2 * 2 + LINK_OVERHEAD_BYTES_MAX;

/** Large enough for nearly every node. A larger one gets its own memory. */
const scratch = Buffer.alloc(65_536);

/** Encodes a node's block. Returns memory that the next call may overwrite. */
export function encodeNode(node: NodeContent): Uint8Array {
	const bytesMax = encodedBytesMax(node);
	const writer = new CborWriter(bytesMax <= scratch.length ? scratch : Buffer.allocUnsafe(bytesMax));
	const { keys, values, children } = node;
	writer.head(Major.map, 2);
	writer.name("e");
	writer.head(Major.array, keys.length);
	let previous = "";
	for (let i = 0; i < keys.length; i++) {
		const key = keys[i] ?? "";
		writeEntry(writer, previous, key, values[i] ?? null, children[i + 1] ?? null);
		previous = key;
	}
	writer.name("l");
	writer.link(children[0] ?? null);
	return writer.written;
}

function writeEntry(writer: CborWriter, previous: string, key: string, value: Link | null, child: Link | null): void {
	const prefixLength = commonPrefixLength(previous, key);
	writer.head(Major.map, 4);
	writer.name("k");
	writer.bytes(key.slice(prefixLength));
	writer.name("p");
	writer.head(Major.unsigned, prefixLength);
	writer.name("t");
	writer.link(child);
	writer.name("v");
	writer.link(value);
}

/** Length of the common prefix of two keys, in bytes. */
export function commonPrefixLength(a: string, b: string): number {
	const length = Math.min(a.length, b.length);
	for (let i = 0; i < length; i++) if (a.charCodeAt(i) !== b.charCodeAt(i)) return i;
	return length;
}

function encodedBytesMax({ keys, values, children }: NodeContent): number {
	let bytes = NODE_OVERHEAD_BYTES_MAX + (children[0]?.length ?? 0);
	for (let i = 0; i < keys.length; i++) {
		bytes += ENTRY_OVERHEAD_BYTES_MAX + (keys[i]?.length ?? 0) + (values[i]?.length ?? 0);
		bytes += children[i + 1]?.length ?? 0;
	}
	return bytes;
}
