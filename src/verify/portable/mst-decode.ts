import { CborError, CborScanner } from "../../protocol/cbor.ts";
import { MST_NODE_ENTRIES_MAX, PATH_BYTES_MAX } from "../../protocol/limits.ts";
import type { Block } from "./car.ts";
import { expectEnd, readLink } from "./cbor-rule.ts";
import { isBlessedLink, type Link } from "./link.ts";

/** The content of a node's block. `children[i]` is left of `keys[i]`, and the last child is right of all keys. */
export interface NodeContent {
	/** One character per byte. */
	readonly keys: readonly string[];
	readonly values: readonly Link[];
	readonly children: readonly (Link | null)[];
}

const ENTRY_FIELDS = 4;
const NODE_FIELDS = 2;

/**
 * Decodes an MST node and checks all that its bytes alone can tell (rulebook 2.11): canonical encoding, ascending keys, exact
 * prefix compression, links of the right form.
 *
 * @throws CborError whose message names the rule
 */
export function decodeNode(bytes: Buffer, block: Block): NodeContent {
	const scanner = new CborScanner(bytes, block.start, block.end);
	if (scanner.readMap() !== NODE_FIELDS) throw new CborError("a node has other fields than e and l");
	expectField(scanner, "e");
	const count = scanner.readArray();
	if (count > MST_NODE_ENTRIES_MAX) throw new CborError(`a node has more than ${MST_NODE_ENTRIES_MAX} entries`);
	const keys: string[] = [];
	const values: Link[] = [];
	const rightOf: (Link | null)[] = [];
	let previous = "";
	for (let i = 0; i < count; i++) {
		if (scanner.readMap() !== ENTRY_FIELDS) throw new CborError("an entry has other fields than k, p, t and v");
		previous = readKey(scanner, bytes, previous);
		keys.push(previous);
		expectField(scanner, "t");
		rightOf.push(readChild(scanner, bytes));
		expectField(scanner, "v");
		values.push(readLink(scanner, bytes));
	}
	expectField(scanner, "l");
	const leftmost = readChild(scanner, bytes);
	expectEnd(scanner);
	return { keys, values, children: [leftmost, ...rightOf] };
}

/** Reads the name of a field. Canonical order gives each field a fixed place, so no lookup by name is needed. */
function expectField(scanner: CborScanner, name: string): void {
	const at = scanner.offset;
	if (at + 2 > scanner.end || scanner.bytes[at] !== 0x61 || scanner.bytes[at + 1] !== name.charCodeAt(0)) {
		throw new CborError(`expected the field ${name} at byte ${at}`);
	}
	scanner.offset = at + 2;
}

function readKey(scanner: CborScanner, bytes: Buffer, previous: string): string {
	expectField(scanner, "k");
	const start = scanner.readBytes(PATH_BYTES_MAX);
	const suffix = bytes.toString("latin1", start, scanner.offset);
	expectField(scanner, "p");
	const prefixLength = scanner.readUnsigned();
	if (prefixLength > previous.length) throw new CborError("a prefix is longer than the previous key");
	if (prefixLength + suffix.length > PATH_BYTES_MAX) throw new CborError(`a key exceeds ${PATH_BYTES_MAX} bytes`);
	// The first byte after the common prefix must be greater. If it were the same, the prefix would be too short.
	const parting = prefixLength < previous.length ? previous.charCodeAt(prefixLength) : -1;
	if (suffix.length === 0 || suffix.charCodeAt(0) <= parting) {
		throw new CborError("keys do not ascend, or a prefix is not the longest");
	}
	return previous.slice(0, prefixLength) + suffix;
}

function readChild(scanner: CborScanner, bytes: Buffer): Link | null {
	if (scanner.readNull()) return null;
	const link = readLink(scanner, bytes);
	if (!isBlessedLink(link)) throw new CborError("a child is not a link to an MST node");
	return link;
}
