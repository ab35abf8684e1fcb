import { expect, test } from "bun:test";
import { encode } from "@atcute/cbor";
import type { RejectionReason } from "../../../src/protocol/reasons.ts";
import type { SimAccount } from "../../../src/sim/account.ts";
import { cidOf, cidOfText } from "../../../src/sim/blocks.ts";
import type { CommitDraft, SimOp } from "../../../src/sim/commit.ts";
import type { SimMessage } from "../../../src/sim/message.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { makeAccount, POST, rawLink, seal } from "../seal.ts";
import { LENIENT_CASES, longSync } from "../strict-only.ts";
import { describeEngines, judgeWith } from "./each.ts";

/** Faults of one op that leave it readable. */
const OP_FAULTS: ((op: SimOp, rng: Rng) => void)[] = [
	(op) => void Reflect.deleteProperty(op, "cid"),
	(op, rng) => void Object.assign(op, { action: rng.pick(["", "rename", "CREATE", "x".repeat(3_000)]) }),
	(op, rng) => void Object.assign(op, { path: rng.pick(["", "/", POST, `${POST}/..`, `/${op.path}`, "é/é"]) }),
	(op) => void Object.assign(op, op.action === "delete" ? { cid: cidOfText("cid") } : { cid: null }),
	(op) => void Object.assign(op, op.action === "create" ? { prev: cidOfText("prev") } : { action: "neither" }),
	(op) => void Object.assign(op, op.action === "delete" ? { cid: rawLink() } : { cid: rawLink(), action: "update" }),
];

/** Faults of one op that make it unreadable for every relay. */
const SHAPE_FAULTS: Record<string, unknown>[] = [
	{ action: null },
	{ action: 1 },
	{ path: null },
	{ path: ["a"] },
	{ cid: "cid" },
	{ prev: 1 },
	{ cid: false },
];

/** A commit of creates only, with some ops that are faulty, repeated, or without a block; and the first reason to reject it. */
async function faultyCommit(account: SimAccount, rng: Rng): Promise<{ message: SimMessage; reason: RejectionReason }> {
	let opFault: RejectionReason | null = null;
	let recordFault: RejectionReason | null = null;
	const draft = (made: CommitDraft): void => {
		made.ops = [];
		made.nodes.clear();
		const paths: string[] = [];
		for (let count = 1 + rng.int(8); count > 0; count--) {
			const record = encode({ text: `${rng.uint32()}` });
			const path = rng.int(5) === 0 && paths.length > 0 ? rng.pick(paths) : `${POST}/${rng.uint32()}`;
			const op: SimOp = { action: "create", path, cid: cidOf(record) };
			made.ops.push(op);
			if (rng.int(5) === 0) {
				rng.pick(OP_FAULTS)(op, rng);
				opFault ??= "op-malformed";
				continue;
			}
			if (paths.includes(path)) opFault ??= "op-duplicate-path";
			paths.push(path);
			if (rng.int(6) === 0) recordFault ??= "record-missing";
			else made.records.set(cidOf(record).$link, record);
		}
	};
	const message = await seal(account, { writes: [], draft });
	// The commit carries none of its tree's nodes, so it is rejected for that if nothing else is wrong.
	return { message, reason: opFault ?? recordFault ?? "mst-partial" };
}

describeEngines((engine, curve) => {
	test.each(Object.entries(LENIENT_CASES))("%s is dropped by strict relays only", async (name, { reason, make }) => {
		const account = await makeAccount(`lenient ${name}`, 30, curve);
		const message = await make(account);
		expect(judgeWith(engine, message, account.key)).toMatchObject({ reason, strictOnly: true });
	});

	test("of several faults in the ops the first one counts, whatever the others are", async () => {
		const account = await makeAccount(`faults ${curve}`, 30, curve);
		const rng = new Rng(`faults ${curve}`);
		const reasons = new Set<RejectionReason>();
		for (let i = 0; i < 300; i++) {
			const { message, reason } = await faultyCommit(account, rng);
			reasons.add(reason);
			const verdict = judgeWith(engine, message, account.key);
			expect({ i, reason: verdict.reason, strictOnly: verdict.strictOnly }).toEqual({ i, reason, strictOnly: true });
			expect(verdict.commit).not.toBeNull();
		}
		expect(reasons).toEqual(new Set(["op-malformed", "op-duplicate-path", "record-missing", "mst-partial"]));
	});

	test("an op that can't be read is dropped by every relay, whatever else is wrong", async () => {
		const account = await makeAccount(`shape ${curve}`, 30, curve);
		const rng = new Rng(`shape ${curve}`);
		for (const fault of SHAPE_FAULTS) {
			const { message } = await faultyCommit(account, rng);
			const ops = message.body.ops as SimOp[];
			Object.assign(rng.pick(ops), fault);
			expect(judgeWith(engine, message, account.key)).toMatchObject({ reason: "op-malformed", strictOnly: false });
		}
	});

	test("a record that is no map is dropped by every relay, even if strict rules are broken before", async () => {
		const account = await makeAccount(`no map ${curve}`, 30, curve);
		const record = encode(["no", "map"]);
		const draft = (made: CommitDraft): void => {
			made.records.set(cidOf(record).$link, record);
			made.ops.unshift({ action: "rename", path: "x", cid: null });
			made.ops.push({ action: "create", path: `${POST}/x`, cid: cidOf(record) });
		};
		const message = await seal(account, { draft });
		expect(judgeWith(engine, message, account.key)).toMatchObject({ reason: "record-malformed", strictOnly: false });
	});

	test("in the CAR header, no other order than these passes", async () => {
		const account = await makeAccount(`header ${curve}`, 30, curve);
		const reasonOfHeader = async (header: (commit: Buffer) => Buffer): Promise<string> => {
			const message = await seal(account, {
				car: (car) => {
					const length = car[0] ?? 0;
					const bytes = header(Buffer.from(car.subarray(1 + 1 + 6 + 1, 1 + length - 9)));
					return Buffer.concat([Buffer.of(bytes.length), bytes, car.subarray(1 + length)]);
				},
			});
			const { reason, strictOnly } = judgeWith(engine, message, account.key);
			return `${reason}${strictOnly ? ", strictly" : ""}`;
		};
		const roots = Buffer.from("65726f6f747381", "hex");
		const version = Buffer.from("6776657273696f6e01", "hex");
		const map = (pairs: number, ...parts: Buffer[]): Buffer => Buffer.concat([Buffer.of(0xa0 + pairs), ...parts]);
		expect(await reasonOfHeader((root) => map(2, roots, root, version))).toBe("null");
		expect(await reasonOfHeader((root) => map(2, version, roots, root))).toBe("car-malformed, strictly");
		const extra = Buffer.from("616101", "hex");
		for (const parts of [
			(root: Buffer) => map(3, version, roots, root, extra),
			(root: Buffer) => map(3, extra, version, roots, root),
			(root: Buffer) => map(3, version, extra, roots, root),
			(root: Buffer) => map(3, roots, root, version, version),
			(root: Buffer) => map(2, roots, root, roots),
			() => map(2, version, version),
			() => map(1, version),
			(root: Buffer) => map(2, version.subarray(0, -1), Buffer.of(2), roots, root),
		]) {
			expect(await reasonOfHeader(parts)).toBe("car-malformed");
		}
	});

	test("a sync may be as long as a commit, but only for lenient relays", async () => {
		const account = await makeAccount(`long ${curve}`, 30, curve);
		for (const [bytes, reason, strictOnly] of [
			[9_000, null, false],
			[10_000, "blocks-too-large", true],
			[1_990_000, "blocks-too-large", true],
			[2_000_000, "blocks-too-large", false],
		] as const) {
			expect(judgeWith(engine, await longSync(account, bytes), account.key)).toMatchObject({ reason, strictOnly });
		}
	});
});
