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

/** How each kind of message is admitted. Their form on the wire is in `protocol/kinds/`. */
export const ADMISSIONS: Readonly<Record<MessageType, Admission>> = {
	commit: repoAdmission(COMMIT_CHECKS),
	sync: repoAdmission(SYNC_CHECKS),
	identity: { looksUpAnew: true, isOld: hasOldTime, admit: admitIdentity },
	account: { looksUpAnew: false, isOld: hasOldTime, admit: admitAccount },
} satisfies { [T in MessageType]: Admission<MessageOf<T>> };

/**
 * Whether a message is a repeat. After a crash of this relay, hosts send again what comes after the stored cursor, and a host may
 * repeat messages at any time. An old seq alone does not prove a repeat, since the host may have restarted its numbering. Then the
 * content decides: a new commit or sync has a later rev, a new `#identity` or `#account` a later time.
 */
export function isRepeat({ sender, message }: Arrival, account: AccountState | null): boolean {
	if (account === null || account.host !== sender.hostId || message.seq > account.hostSeq) return false;
	return ADMISSIONS[message.type].isOld(message, account);
}
