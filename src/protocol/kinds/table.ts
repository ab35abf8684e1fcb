// protocol/kinds/: what each kind of message is on the wire. Who may send it is in ingest/did/admit/.

import { account } from "./account.ts";
import { commit } from "./commit.ts";
import { identity } from "./identity.ts";
import type { MessageKind } from "./kind.ts";
import { sync } from "./sync.ts";

/** The messages that have a seq, are stored in the log and go to consumers. Each name is the header's `t` without the `#`. */
const KINDS = { commit, sync, identity, account } as const;

/** The name of a kind of message. */
export type MessageType = keyof typeof KINDS;

/** A message of any kind. */
export type Message = MessageOf<MessageType>;

/** A message of one kind. */
export type MessageOf<T extends MessageType> = ReturnType<(typeof KINDS)[T]["toMessage"]>;

/** Each kind by its name, which is also the `type` of its messages. */
export const MESSAGE_KINDS: { readonly [T in MessageType]: MessageKind<MessageOf<T> & { type: T }> } = KINDS;

/** The names of all kinds, the most frequent first. */
export const MESSAGE_TYPES = Object.keys(KINDS) as readonly MessageType[];

/** The code of each kind in the records of the log. */
export const MESSAGE_CODES = Object.fromEntries(MESSAGE_TYPES.map((type) => [type, KINDS[type].code])) as {
	readonly [T in MessageType]: (typeof KINDS)[T]["code"];
};
