import { expect, test } from "bun:test";
import { cidBytes } from "../../../src/sim/blocks.ts";
import { BROKEN_COMMIT_REASONS, type BrokenCommitReason, brokenCommit } from "../../../src/sim/broken-commit.ts";
import { linkOf, sealSync, signCommit } from "../../../src/sim/commit.ts";
import { SimKey } from "../../../src/sim/keys.ts";
import { Rng } from "../../../src/sim/rng.ts";
import type { Verdict } from "../../../src/verify/engine.ts";
import { makeAccount, seal } from "../seal.ts";
import { STRICT_ONLY } from "../strict-only.ts";
import { prefixBomb } from "./bombs.ts";
import { describeEngines, judgeWith } from "./each.ts";

/** Kinds of broken commits that no engine finds, but the scan, or the shard by its state or clock. */
const NOT_OF_ENGINES: ReadonlySet<BrokenCommitReason> = new Set([
	"link-malformed",
	"message-schema",
	"did-syntax",
	"did-method",
	"rev-future",
	"rev-stale",
]);

/** The reasons that an engine finds if another check would come first in a relay. */
const FOUND_BY_ENGINES: Partial<Record<BrokenCommitReason, string>> = { "rev-syntax": "commit-malformed" };

describeEngines((engine, curve) => {
	test.each(BROKEN_COMMIT_REASONS.filter((reason) => !NOT_OF_ENGINES.has(reason)))("finds %s", async (reason) => {
		const account = await makeAccount(`engines ${curve} ${reason}`, 30, curve);
		const broken = judgeWith(engine, await brokenCommit(reason, account), account.key);
		expect({ reason: broken.reason, strictOnly: broken.strictOnly }).toEqual({
			reason: FOUND_BY_ENGINES[reason] ?? reason,
			strictOnly: STRICT_ONLY.has(reason),
		} as Pick<Verdict, "reason" | "strictOnly">);
		expect(broken.commit !== null).toBe(broken.strictOnly);
		expect(judgeWith(engine, await account.commit(), account.key).reason).toBeNull();
	});

	test.each([
		[8, "op-tree-mismatch"],
		[20, "mst-malformed"],
	])("writes out no more keys than the limit: %d megabytes of them give %s", async (megabytes, reason) => {
		const account = await makeAccount(`prefixes ${curve}`, 1, curve);
		const [root, ...nodes] = prefixBomb(megabytes);
		if (root === undefined) throw new Error("a tree has a root");
		const bomb = await seal(account, {
			object: (commit) => ({ ...commit, data: linkOf(root.cid.$link) }),
			blocks: (blocks) => {
				for (const { cid, bytes } of [root, ...nodes]) blocks.set(cid.$link, bytes);
			},
		});
		expect(judgeWith(engine, bomb, account.key)).toMatchObject({ reason, strictOnly: true });
	});

	test("accepts chains of commits, and returns their CIDs", async () => {
		const account = await makeAccount(`chain ${curve}`, 0, curve);
		for (const count of [0, 1, 3, 0, 25, 200]) {
			const message = await account.commit(Array.from({ length: count }, () => account.newRecord()));
			expect(judgeWith(engine, message, account.key)).toMatchObject({
				reason: null,
				strictOnly: false,
				commit: new Uint8Array(cidBytes(account.head ?? "")),
				data: new Uint8Array(cidBytes(account.data ?? "")),
			});
		}
		for (let record = account.anyRecord(); record !== null; record = account.anyRecord()) {
			const message = await account.commit([{ action: "delete", path: record.path }]);
			expect(judgeWith(engine, message, account.key).reason).toBeNull();
		}
	});

	test("judges #sync by its commit alone", async () => {
		const account = await makeAccount(`sync ${curve}`, 10, curve);
		expect(judgeWith(engine, await account.sync(), account.key)).toEqual({
			reason: null,
			strictOnly: false,
			commit: new Uint8Array(cidBytes(account.head ?? "")),
			data: new Uint8Array(cidBytes(account.data ?? "")),
			touched: null,
		});
		const { commit, time } = await account.draft([]);
		const highS = signCommit(commit, account.key, (good) => account.key.withHighS(good));
		expect(judgeWith(engine, await sealSync(commit, highS, time), account.key).reason).toBe("signature-high-s");
		const other = new SimKey(curve === "k256" ? "p256" : "k256", new Rng("other curve"));
		expect(judgeWith(engine, await account.sync(), other).reason).toBe("signature-invalid");
		expect(linkOf(account.data ?? "")).toEqual(commit.data);
	});
});
