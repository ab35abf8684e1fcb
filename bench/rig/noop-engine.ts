import type { Engine } from "../../src/verify/engine.ts";

/**
 * Verifies nothing: it says of every commit what a good one's verdict would be, so that all the rest of the pipeline works
 * as it does with an engine. The tree is said to be the one before, which the restamped frames name too.
 */
export function createNoopEngine(): Engine {
	return {
		name: "portable",
		verifyCommit: (_frame, { commit, prevData }) => ({
			reason: null,
			strictOnly: false,
			commit,
			data: prevData ?? commit,
			touched: null,
		}),
		verifySync: () => ({ reason: "blocks-empty", strictOnly: false, commit: null, data: null, touched: null }),
	};
}
