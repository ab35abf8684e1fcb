import { RecordFlag } from "../../../log/record/record.ts";
import { counter } from "../../../observe/metric.ts";
import type { CommitMessage } from "../../../protocol/kinds/commit.ts";
import { Rejection } from "../../../protocol/rejection.ts";
import { isTid } from "../../../protocol/syntax.ts";
import { strictly } from "./admission.ts";
import type { RepoChecks } from "./repo.ts";

const discontinuities = counter(
	"discontinuities_total",
	"commits passed on although they don't chain to the state we had",
	"A few are normal after a gap. If it grows fast, a host leaves out commits; look at `standpipe_host_gaps_total`.",
);

export const COMMIT_CHECKS: RepoChecks<CommitMessage> = {
	checkFields({ since }) {
		if (since !== null && !isTid(since)) throw new Rejection("message-schema", "since is not a TID");
	},

	mayRepeatRev: () => false,

	verify: (engine, frame, message, key) => engine.verifyCommit(frame, message, key),

	/** Check 14: a commit that doesn't chain to the state that we have is passed on, and its record is flagged. */
	compare(arrival, known, _commit, flags, rules) {
		const { since, prevData } = arrival.message;
		if (known.rev === null || known.data === null) return 0;
		if (prevData === null) return flags === 0 ? strictly("prev-data-missing", arrival, rules) : 0;
		if (since === known.rev && Buffer.compare(prevData, known.data) === 0) return 0;
		rules.counters.add(discontinuities);
		return RecordFlag.discontinuous;
	},
};
