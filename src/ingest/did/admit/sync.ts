import type { SyncMessage } from "../../../protocol/kinds/sync.ts";
import { Rejection } from "../../../protocol/rejection.ts";
import type { RepoChecks } from "./repo.ts";

export const SYNC_CHECKS: RepoChecks<SyncMessage> = {
	checkFields() {},

	/** A sync may repeat the last commit, as the reference PDS does when an account is created, but not that of a deleted repo. */
	mayRepeatRev: (known) => known.commit !== null,

	verify: (engine, frame, message, key) => engine.verifySync(frame, message, key),

	/** If it repeats the last rev, its commit must be the one that we have. */
	compare({ message: { rev } }, known, commit) {
		if (known.commit === null || rev !== known.rev) return 0;
		if (Buffer.compare(known.commit, commit) !== 0) throw new Rejection("sync-fork");
		return 0;
	},
};
