import { expect, test } from "bun:test";
import type { SimOp, SimWrite } from "../../../src/sim/commit.ts";
import { makeDidPlc, SimKey } from "../../../src/sim/keys.ts";
import type { SimMessage } from "../../../src/sim/message.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { ReferenceRepo } from "../../sim/reference.ts";
import { PATH_KINDS } from "../paths.ts";
import { describeEngines, judgeWith } from "./each.ts";

const COMMITS = 25;

/** The records of a repo by path, with the contents that tests need. */
type Records = Map<string, { n: number }>;

/** Some writes, no two of the same path: creates, updates (some to the same record again), deletes, and moves. */
function randomWrites(records: Records, newPath: (rng: Rng) => string, rng: Rng): SimWrite[] {
	const writes = new Map<string, SimWrite>();
	for (let count = rng.pick([0, 1, 1, 1, 4, 12]); count > 0; count--) {
		const isNew = records.size < 4 || rng.int(2) === 0;
		const path = isNew ? newPath(rng) : rng.pick([...records.keys()]);
		if (writes.has(path)) continue;
		const current = records.get(path);
		const record = rng.int(4) === 0 && current !== undefined ? current : { n: rng.int(30) };
		if (current === undefined) writes.set(path, { action: "create", path, record });
		else writes.set(path, rng.int(2) === 0 ? { action: "delete", path } : { action: "update", path, record });
	}
	for (const write of writes.values()) {
		if (write.action === "delete") records.delete(write.path);
		else records.set(write.path, write.record as { n: number });
	}
	return [...writes.values()];
}

const LIE = { $link: "bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy" };

/** Lists of ops that differ from what the commit did, so that the tree contradicts them. Ops that changed nothing are kept. */
function liesAbout(ops: readonly SimOp[]): SimOp[][] {
	const lies: SimOp[][] = [[...ops, { action: "delete", path: "com.example.lie/never", cid: null, prev: LIE }]];
	for (const [at, op] of ops.entries()) {
		if (op.cid?.$link === op.prev?.$link) continue;
		lies.push(ops.toSpliced(at, 1));
		if (op.prev === undefined) lies.push(ops.with(at, { ...op, action: "update", prev: LIE }));
		else lies.push(ops.with(at, { ...op, prev: LIE }));
	}
	return lies;
}

describeEngines((engine, curve) => {
	for (const [kind, newPath] of Object.entries(PATH_KINDS)) {
		test(`accepts what the reference implementation writes, with paths ${kind}, and no false ops`, async () => {
			const rng = new Rng(`${kind} ${curve}`);
			const key = new SimKey(curve, rng);
			const repo = new ReferenceRepo(makeDidPlc(rng), key);
			const judge = (message: SimMessage) => judgeWith(engine, message, key);
			const first = await repo.begin();
			expect(judge(first).reason).toBeNull();
			const records: Records = new Map();
			for (let i = 0; i < COMMITS; i++) {
				const message = await repo.commit(randomWrites(records, newPath, rng));
				expect({ i, reason: judge(message).reason }).toEqual({ i, reason: null });
				for (const ops of liesAbout(message.body.ops as SimOp[])) {
					const verdict = judge({ ...message, body: { ...message.body, ops } });
					expect({ i, isFound: verdict.reason !== null }).toEqual({ i, isFound: true });
				}
			}
			expect(records.size).toBeGreaterThan(3);
		});
	}
});
