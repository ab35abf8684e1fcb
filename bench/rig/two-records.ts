import { SimAccount } from "../../src/sim/account.ts";
import { SimClock } from "../../src/sim/clock.ts";
import { type CommitDraft, type SimWrite, signCommit } from "../../src/sim/commit.ts";
import { Rng } from "../../src/sim/rng.ts";

const PATH = "app.bsky.feed.post/3jzfcijpj2z2a";
const TEXT_CHARS = 150;

/**
 * Three commits of a repo with one record: it is created, changed, and changed back. The trees are the same for every account, so
 * that only the commit objects have to be made for each.
 */
export async function makeDrafts(): Promise<CommitDraft[]> {
	const rng = new Rng("bench/two-records");
	const account = await SimAccount.create({ rng, clock: new SimClock(), curve: "p256" });
	const record = (): unknown => ({
		$type: "app.bsky.feed.post",
		text: rng.text(TEXT_CHARS, "abcdefgh "),
		createdAt: "2026-01-01T00:00:00.000Z",
	});
	const [first, second] = [record(), record()];
	const writes: SimWrite[] = [
		{ action: "create", path: PATH, record: first },
		{ action: "update", path: PATH, record: second },
		{ action: "update", path: PATH, record: first },
	];
	const drafts: CommitDraft[] = [];
	for (const write of writes) {
		const draft = await account.draft([write]);
		await account.apply(draft, signCommit(draft.commit, account.key));
		drafts.push(draft);
	}
	return drafts;
}
