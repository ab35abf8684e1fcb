import {
	decodeCursorsFacts,
	decodeDidDocumentFacts,
	decodeHostFacts,
	encodeCursorsFacts,
	encodeDidDocumentFacts,
	encodeHostFacts,
} from "./facts.ts";

/** The kinds of control records. Their codes are 16 and above, and never changed. What they are to the index is in `index/fold.ts`. */
const KINDS = {
	/** Low-water cursors of hosts, after the messages that they cover. */
	cursors: { code: 16, encode: encodeCursorsFacts, decode: decodeCursorsFacts },
	/** A host was added or its state changed. */
	host: { code: 17, encode: encodeHostFacts, decode: decodeHostFacts },
	/** A DID document was resolved. */
	didDocument: { code: 18, encode: encodeDidDocumentFacts, decode: decodeDidDocumentFacts },
} as const;

export type ControlKind = keyof typeof KINDS;

/** What a control record of each kind says. */
export type ControlFacts = { readonly [K in ControlKind]: ReturnType<(typeof KINDS)[K]["decode"]> };

/** A control record's kind and what it says. */
export type Control<K extends ControlKind = ControlKind> = {
	readonly [P in K]: { readonly kind: P; readonly facts: ControlFacts[P] };
}[K];

interface FactsCodec<F> {
	readonly code: number;
	encode(facts: F): Uint8Array;
	decode(bytes: Uint8Array): F;
}

/** How the facts of each kind are written. */
export const CONTROL_KINDS: { readonly [K in ControlKind]: FactsCodec<ControlFacts[K]> } = KINDS;

const NAMES = Object.keys(KINDS) as readonly ControlKind[];

/** The code of each kind in the records of the log. */
export const CONTROL_CODES = Object.fromEntries(NAMES.map((kind) => [kind, KINDS[kind].code])) as {
	readonly [K in ControlKind]: (typeof KINDS)[K]["code"];
};

/** What a control record says; null for a message, and for a kind of a later release. */
export function decodeControl({ kind: code, facts }: { kind: number; facts: Uint8Array }): Control | null {
	const kind = NAMES.find((name) => KINDS[name].code === code);
	return kind === undefined ? null : controlOf(kind, facts);
}

function controlOf<K extends ControlKind>(kind: K, facts: Uint8Array): Control<K> {
	return { kind, facts: CONTROL_KINDS[kind].decode(facts) };
}
