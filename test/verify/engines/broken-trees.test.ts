import { expect, test } from "bun:test";
import { encode } from "@atcute/cbor";
import type { CidLink } from "@atcute/cid";
import { type Blocks, cidOf, cidOfText } from "../../../src/sim/blocks.ts";
import { tidOf } from "../../../src/sim/clock.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { judgeTree } from "../../sim/reference.ts";
import { BREAKAGES, type BrokenNode, type NodePlace } from "../broken-nodes.ts";
import { editBytes } from "../edit-bytes.ts";
import { Committer, type Step } from "../steps.ts";
import { type BuiltNode, blocksOf, buildTree, heightOf, nodesOf, withNode } from "../trees.ts";
import { describeEngines, judgeWith } from "./each.ts";

const START_US = Date.UTC(2026, 0, 1) * 1000;
const COLLECTIONS = ["app.bsky.feed.like", "app.bsky.feed.post", "app.bsky.graph.follow"];
/** In how many commits each rule is broken. */
const COMMITS_PER_BREAKAGE = 12;

function randomPath(rng: Rng): string {
	return `${rng.pick(COLLECTIONS)}/${tidOf(START_US + rng.int(1e9), rng.int(1024))}`;
}

function randomStep(rng: Rng): Step {
	const records = new Map<string, CidLink>();
	const count = rng.pick([4, 20, 120]);
	while (records.size < count) records.set(randomPath(rng), cidOfText(`${records.size}`));
	const record = Uint8Array.from(encode({ text: `${rng.uint32()}` }));
	const action = rng.pick(["create", "update", "delete"]);
	const path = action === "create" ? randomPath(rng) : rng.pick([...records.keys()]);
	const before = buildTree(records);
	const prev = records.get(path);
	if (action === "delete") records.delete(path);
	else records.set(path, cidOf(record));
	const op = { action, path, cid: records.get(path) ?? null, ...(prev === undefined ? null : { prev }) };
	return { before, after: buildTree(records), ops: [op], records: new Map([[cidOf(record).$link, record]]) };
}

/** The nodes below `node`, with their places. */
function* placesIn(node: BuiltNode, place: NodePlace): Generator<[BuiltNode, NodePlace]> {
	for (const [index, child] of node.children.entries()) {
		if (child === null) continue;
		const inner = {
			height: place.height - 1,
			after: node.keys[index - 1] ?? place.after,
			before: node.keys[index] ?? place.before,
		};
		yield [child, inner];
		yield* placesIn(child, inner);
	}
}

/** Breaks a rule in a node that both trees have. Null if the rule can't be broken in any of them. */
function breakBoth(step: Step, breakage: string, rng: Rng): { step: Step; broken: BrokenNode; link: string } | null {
	const inBefore = new Set([...nodesOf(step.before)].map(({ link }) => link));
	const height = Math.max(...step.after.keys.map(heightOf));
	const shared = [...placesIn(step.after, { height, after: null, before: null })].filter(([{ link }]) =>
		inBefore.has(link),
	);
	for (const [node, place] of rng.shuffled(shared)) {
		const broken = BREAKAGES[breakage]?.(node, place, rng) ?? null;
		if (broken === null) continue;
		const [before, after] = [step.before, step.after].map((tree) => withNode(tree, node.link, broken.bytes));
		if (before === undefined || after === undefined) return null;
		return { step: { ...step, before, after }, broken, link: cidOf(broken.bytes).$link };
	}
	return null;
}

describeEngines((engine, curve) => {
	const committer = new Committer(`broken trees ${curve}`, curve);
	const reasonOf = async (step: Step, nodes: Blocks): Promise<string | null> =>
		judgeWith(engine, await committer.commit(step, nodes), committer.key).reason;

	test("accepts sound trees, as the reference implementation does", async () => {
		for (let seed = 0; seed < 30; seed++) {
			const step = randomStep(new Rng(`sound ${curve} ${seed}`));
			expect({ seed, reason: await reasonOf(step, blocksOf(step.after)) }).toEqual({ seed, reason: null });
			if (seed < 6) expect(await judgeTree(step.after.link, blocksOf(step.after))).toBe("sound");
		}
	});

	test.each(Object.keys(BREAKAGES))("finds %s if nothing else is wrong", async (breakage) => {
		let found = 0;
		for (let seed = 0; found < COMMITS_PER_BREAKAGE; seed++) {
			const rng = new Rng(`${breakage} ${curve} ${seed}`);
			const made = breakBoth(randomStep(rng), breakage, rng);
			if (made === null) continue;
			const { step, broken, link } = made;
			const nodes: Blocks = new Map([...blocksOf(step.after), ...(broken.blocks ?? [])]);
			// Without the broken node's block the commit is good. So no other rule is broken, and the ops and hashes are right.
			const without = new Map(nodes);
			without.delete(link);
			const reason = await reasonOf(step, without);
			if (reason === "mst-partial") continue;
			expect({ seed, reason }).toEqual({ seed, reason: null });
			expect({ seed, reason: await reasonOf(step, nodes) }).toEqual({ seed, reason: "mst-malformed" });
			if (found++ < 2) expect(await judgeTree(step.after.link, nodes)).not.toBe("sound");
		}
	});

	test("accepts no tree that the reference implementation would not make from its records", async () => {
		const counts = { sound: 0, unsound: 0, unknown: 0 };
		for (let seed = 0; seed < 400; seed++) {
			const rng = new Rng(`edited ${curve} ${seed}`);
			const records = new Map<string, CidLink>();
			for (let count = rng.pick([1, 3, 12, 30]); count > 0; count--)
				records.set(randomPath(rng), cidOfText(`${count}`));
			const tree = buildTree(records);
			const node = rng.pick([...nodesOf(tree)]);
			const edited = withNode(tree, node.link, Uint8Array.from(editBytes(node.bytes, rng)));
			const step: Step = { before: edited, after: edited, ops: [], records: new Map() };
			const nodes = blocksOf(edited);
			const verdict = await judgeTree(edited.link, nodes);
			counts[verdict]++;
			const reason = await reasonOf(step, nodes);
			// We are stricter than the reference implementation about different encodings of the same content.
			if (verdict === "unsound") expect({ seed, reason }).toEqual({ seed, reason: "mst-malformed" });
			else expect(["mst-malformed", null]).toContain(reason);
		}
		expect(counts.sound).toBeGreaterThan(30);
		expect(counts.unsound).toBeGreaterThan(150);
	});
});
