import type { AccountFact, RepoFact } from "../../account/next.ts";
import { MESSAGE_KINDS, MESSAGE_TYPES } from "../../protocol/kinds/table.ts";
import {
	decodeAccountFacts,
	decodeDid,
	decodeIdentityFacts,
	decodeRepoFacts,
	encodeAccountFacts,
	encodeIdentityFacts,
	encodeRepoFacts,
} from "./facts.ts";
import { RecordFlag } from "./record.ts";
import type { StoredRecord } from "./stored-record.ts";

/** What a message says about its account, with the account's DID. A repo fact also has the touched collections of `RepoFacts`. */
export type MessageFact = { readonly did: string } & (
	| (RepoFact & { readonly touched: Uint8Array | null })
	| Exclude<AccountFact, RepoFact>
);

type FactType = MessageFact["type"];

/** How a record stores a fact: in its flags and its facts. */
interface FactCodec<F extends MessageFact = MessageFact> {
	flags(fact: F): number;
	encode(fact: F): Uint8Array;
	decode(facts: Uint8Array, flags: number): F;
}

const CODECS: Readonly<Record<FactType, FactCodec>> = {
	repo: {
		flags: () => 0,
		encode: (fact) => encodeRepoFacts(fact),
		decode: (facts) => ({ type: "repo", ...decodeRepoFacts(facts) }),
	},
	status: {
		flags({ waits }) {
			if (waits === undefined) return 0;
			return waits ? RecordFlag.waits : RecordFlag.admitted;
		},
		encode: (fact) => encodeAccountFacts(fact),
		decode(facts, flags) {
			const fact = { type: "status", ...decodeAccountFacts(facts) } as const;
			if ((flags & RecordFlag.waits) !== 0) return { ...fact, waits: true };
			return (flags & RecordFlag.admitted) === 0 ? fact : { ...fact, waits: false };
		},
	},
	identity: {
		flags: ({ isHome }) => (isHome ? RecordFlag.home : 0),
		encode: (fact) => encodeIdentityFacts(fact),
		decode: (facts, flags) => ({
			type: "identity",
			...decodeIdentityFacts(facts),
			isHome: (flags & RecordFlag.home) !== 0,
		}),
	},
} satisfies { [T in FactType]: FactCodec<Extract<MessageFact, { type: T }>> };

/** The type of fact that records of a message kind store, by the kind's code. */
const FACT_TYPES: FactType[] = [];
for (const type of MESSAGE_TYPES) FACT_TYPES[MESSAGE_KINDS[type].code] = MESSAGE_KINDS[type].tells;

/** The record flags that store a part of a fact. */
export function flagsOfFact(fact: MessageFact): number {
	return CODECS[fact.type].flags(fact);
}

/** Encodes a fact as the facts of a record. */
export function encodeFact(fact: MessageFact): Uint8Array {
	return CODECS[fact.type].encode(fact);
}

/** What a message's record says about its account; null for a kind of a later release. CIDs are views into the facts. */
export function decodeFact({ kind, flags, facts }: Pick<StoredRecord, "kind" | "flags" | "facts">): MessageFact | null {
	const type = FACT_TYPES[kind];
	return type === undefined ? null : CODECS[type].decode(facts, flags);
}

/** The DID of a message's record; null for a control record, and for a kind of a later release. */
export function didOf({ kind, facts }: Pick<StoredRecord, "kind" | "facts">): string | null {
	return FACT_TYPES[kind] === undefined ? null : decodeDid(facts);
}

/** Whether records of this kind are about a repo. If the account is taken down, consumers no longer get them. */
export function tellsOfRepo(kind: number): boolean {
	return FACT_TYPES[kind] === "repo";
}
