import type { SimAccount } from "../../src/sim/account.ts";
import type { SimMessage } from "../../src/sim/message.ts";

const RECORD_TEXT_CHARS = 100_000;

/** Makes a commit of about 100 kB. */
export function bulkyCommit(account: SimAccount): Promise<SimMessage> {
	const record = {
		$type: "app.bsky.feed.post",
		text: "x".repeat(RECORD_TEXT_CHARS),
		createdAt: "2026-07-04T12:00:00Z",
	};
	return account.commit([{ action: "create", path: `app.bsky.feed.post/${account.clock.tid()}`, record }]);
}
