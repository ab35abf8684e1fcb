// ingest/did/admit/: the rules by which each kind of message is admitted. They neither wait nor store.

import type { AccountState } from "../../../account/state.ts";
import type { MessageOf, MessageType } from "../../../protocol/kinds/table.ts";
import type { Arrival } from "../../arrival.ts";
import { admitAccount } from "./account.ts";
import { type Admission, hasOldTime } from "./admission.ts";
import { COMMIT_CHECKS } from "./commit.ts";
import { admitIdentity } from "./identity.ts";
import { repoAdmission } from "./repo.ts";
import { SYNC_CHECKS } from "./sync.ts";

/** How each kind of message is admitted. What they are on the wire is in `protocol/kinds/`. */
export const ADMISSIONS: Readonly<Record<MessageType, Admission>> = {
	commit: repoAdmission(COMMIT_CHECKS),
	sync: repoAdmission(SYNC_CHECKS),
	identity: { looksUpAnew: true, isOld: hasOldTime, admit: admitIdentity },
	account: { looksUpAnew: false, isOld: hasOldTime, admit: admitAccount },
} satisfies { [T in MessageType]: Admission<MessageOf<T>> };

/**
 * Whether a host sends a message again that it sent before: so it does after a crash of this relay, for what lies after the stored
 * cursor, and a host may do so at any time. A seq alone does not show it, since a host may have begun to count anew; then
 * the content tells: a commit or sync that is new has a later rev, an `#identity` or `#account` that is new a later time.
 */
export function isRepeat({ sender, message }: Arrival, account: AccountState | null): boolean {
	if (account === null || account.host !== sender.hostId || message.seq > account.hostSeq) return false;
	return ADMISSIONS[message.type].isOld(message, account);
}
