import { describe, expect, test } from "bun:test";
import { toBytes } from "@atcute/cbor";
import { cidOfText, encodeCar } from "../../src/sim/blocks.ts";
import { BROKEN_COMMIT_REASONS, brokenCommit } from "../../src/sim/broken-commit.ts";
import type { SimWrite } from "../../src/sim/commit.ts";
import { SimKey } from "../../src/sim/keys.ts";
import { Rng } from "../../src/sim/rng.ts";
import { nextMessages } from "../../src/sim/traffic.ts";
import { type Changes, create, judge, makeAccount, rawLink, reasonOf, seal } from "./seal.ts";
import { STRICT_ONLY } from "./strict-only.ts";

/** Those reasons for a broken commit that an engine finds: checks 6 and 9 to 13. */
const ENGINE_REASONS = BROKEN_COMMIT_REASONS.filter(
	(reason) => !["link-", "message-", "did-", "rev-"].some((prefix) => reason.startsWith(prefix)),
);
const EMPTY_ROOT = "bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm";

describe.each(["k256", "p256"] as const)("commits signed with %s", (curve) => {
	test("chains of random commits are good, from the first on", async () => {
		for (const seed of ["one", "two"]) {
			const account = await makeAccount(`chain ${seed}`, 0, curve);
			for (let i = 0; i < 100; i++) {
				for (const message of await nextMessages(account)) {
					if (message.type !== "commit" && message.type !== "sync") continue;
					const { reason, data } = judge(message, account.key);
					expect(reason).toBeNull();
					expect(cidText(data)).toBe(account.data ?? "");
				}
			}
		}
	});

	test.each(ENGINE_REASONS)("%s", async (reason) => {
		const account = await makeAccount(reason, 40, curve);
		const verdict = judge(await brokenCommit(reason, account), account.key);
		const strictOnly = STRICT_ONLY.has(reason);
		expect(verdict).toMatchObject({ reason, strictOnly });
		expect(verdict.commit === null).toBe(!strictOnly);
		expect(verdict.data === null).toBe(!strictOnly);
		expect(judge(await account.commit(), account.key).reason).toBeNull();
	});
});

function cidText(cid: Uint8Array | null): string {
	return cid === null ? "" : `b${base32(cid)}`;
}

function base32(bytes: Uint8Array): string {
	const bits = [...bytes].map((byte) => byte.toString(2).padStart(8, "0")).join("");
	return (bits.match(/.{1,5}/g) ?? [])
		.map((group) => "abcdefghijklmnopqrstuvwxyz234567"[Number.parseInt(group.padEnd(5, "0"), 2)])
		.join("");
}

test("a verdict keeps nothing of the frame", async () => {
	const account = await makeAccount("copy", 10);
	const verdict = judge(await account.commit(), account.key);
	expect(verdict.commit?.buffer.byteLength).toBe(36);
	expect(verdict.data?.buffer.byteLength).toBe(36);
	expect(cidText(verdict.commit)).toBe(account.head ?? "");
});

describe("many ops in one commit", () => {
	test("200 creates, then updates and deletes of them, are good", async () => {
		const account = await makeAccount("many", 300);
		const writes = Array.from({ length: 200 }, (_, i) => create(`many-${i}`));
		expect(judge(await account.commit(writes), account.key).reason).toBeNull();
		const changes = writes.map(
			({ path }, i): SimWrite =>
				i % 2 === 0 ? { action: "delete", path } : { action: "update", path, record: { text: `changed ${i}` } },
		);
		expect(judge(await account.commit(changes), account.key).reason).toBeNull();
	});

	test("a repo loses its keys one by one until its tree is empty, and grows again", async () => {
		const account = await makeAccount("shrink", 60);
		for (let record = account.anyRecord(); record !== null; record = account.anyRecord()) {
			const message = await account.commit([{ action: "delete", path: record.path }]);
			expect(judge(message, account.key).reason).toBeNull();
		}
		expect(account.data).toBe(EMPTY_ROOT);
		expect(judge(await account.commit(), account.key).reason).toBeNull();
	});
});

describe("the previous tree", () => {
	test("a genesis commit must invert to the empty tree", async () => {
		const account = await makeAccount("genesis", 0);
		expect(await reasonOf(account, { writes: [create("a"), create("b")] })).toBeNull();
		expect(await reasonOf(account, { writes: [] })).toBeNull();
		const incomplete: Changes = { writes: [create("a"), create("b")], draft: ({ ops }) => void ops.pop() };
		expect(await reasonOf(account, incomplete)).toBe("prev-data-mismatch");
	});

	test("a commit that claims to be the first of a repo with records is rejected", async () => {
		const account = await makeAccount("not-first", 30);
		const changes: Changes = {
			draft: (draft) => {
				draft.prevData = null;
				draft.since = null;
			},
		};
		expect(await reasonOf(account, changes)).toBe("prev-data-mismatch");
	});

	test("an empty commit needs no MST node, but must name the tree it was made from", async () => {
		const account = await makeAccount("empty", 30);
		expect(await reasonOf(account, { writes: [], draft: ({ nodes }) => nodes.clear() })).toBeNull();
		const other: Changes = {
			writes: [],
			draft: (draft) => {
				draft.prevData = cidOfText("other");
			},
		};
		expect(await reasonOf(account, other)).toBe("prev-data-mismatch");
	});

	test("faults of the ops come before faults of the tree", async () => {
		const account = await makeAccount("order", 30);
		const changes: Changes = {
			draft: ({ nodes, records }) => {
				nodes.clear();
				records.clear();
			},
			body: (body) => Object.assign(body, { tooBig: true, time: "never" }),
		};
		expect(judge(await seal(account, changes), account.key)).toMatchObject({
			reason: "record-missing",
			strictOnly: true,
		});
	});
});

describe("#sync", () => {
	test("is judged by its commit alone", async () => {
		const account = await makeAccount("sync", 30);
		const message = await account.sync();
		expect(judge(message, account.key)).toMatchObject({ reason: null, strictOnly: false });
		expect(judge(message, new SimKey("k256", new Rng("other"))).reason).toBe("signature-invalid");
	});

	test.each<[string, Record<string, unknown>, string, boolean]>([
		["without blocks", { blocks: toBytes(new Uint8Array()) }, "blocks-empty", false],
		["of 2,000,001 bytes", { blocks: toBytes(new Uint8Array(2_000_001)) }, "blocks-too-large", false],
		["of 2,000,000 bytes", { blocks: toBytes(new Uint8Array(2_000_000)) }, "car-malformed", false],
		["of another account", { did: "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa" }, "commit-did-mismatch", false],
		["of another rev", { rev: "3zzzzzzzzzzzz" }, "commit-rev-mismatch", false],
		["at no time", { time: "now" }, "time-syntax", true],
	])("%s", async (_name, fields, reason, strictOnly) => {
		const account = await makeAccount("sync", 30);
		const message = await account.sync();
		Object.assign(message.body, fields);
		expect(judge(message, account.key)).toMatchObject({ reason, strictOnly });
	});

	test("with a root that is not a link to a commit", async () => {
		const account = await makeAccount("sync", 30);
		const message = await account.sync();
		const reasonOfRoot = async (root: { $link: string }): Promise<string | null> => {
			message.body.blocks = toBytes(await encodeCar([root], new Map()));
			return judge(message, account.key).reason;
		};
		expect(await reasonOfRoot(cidOfText("absent"))).toBe("car-block-missing");
		expect(await reasonOfRoot(rawLink())).toBe("car-malformed");
	});
});

describe("damaged CARs", () => {
	test("truncated at every byte are rejected, and never make the engine throw", async () => {
		const account = await makeAccount("truncated", 200);
		const whole = await seal(account);
		expect(judge(whole, account.key).reason).toBeNull();
		const car = (whole.body.blocks as { buf: Uint8Array }).buf;
		for (let length = 0; length < car.length; length++) {
			const body = { ...whole.body, blocks: toBytes(car.subarray(0, length)) };
			const { reason, commit } = judge({ ...whole, body }, account.key);
			// If it is cut between two blocks the CAR is valid, but lacks the commit, which is its last block.
			expect(reason === "blocks-empty" || reason === "car-malformed" || reason === "car-block-missing").toBe(true);
			expect(commit).toBeNull();
		}
	});

	test("with one byte changed are rejected, and never make the engine throw", async () => {
		const account = await makeAccount("flipped", 200);
		const whole = await seal(account);
		const car = Buffer.from((whole.body.blocks as { buf: Uint8Array }).buf);
		const rng = new Rng("flips");
		for (let at = 0; at < car.length; at++) {
			const flipped = Buffer.from(car);
			flipped[at] = (flipped[at] ?? 0) ^ (1 << rng.int(8));
			const body = { ...whole.body, blocks: toBytes(flipped) };
			expect(judge({ ...whole, body }, account.key).reason).not.toBeNull();
		}
	});
});
