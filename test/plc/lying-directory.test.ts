import { expect, test } from "bun:test";
import { RECOVERY_MS } from "../../src/plc/chain.ts";
import { FUTURE_MS_MAX, LATE_MS_MAX } from "../../src/plc/fold.ts";
import { LINE_BYTES_MAX } from "../../src/plc/line.ts";
import type { SimKey } from "../../src/sim/keys.ts";
import {
	cidOfOperation,
	didOfOperation,
	newKey,
	type PlcOperation,
	sign,
	unsignedUpdate,
} from "../../src/sim/plc-operation.ts";
import { Rng } from "../../src/sim/rng.ts";
import { lineOf, type PlcLine, textOf } from "./lines.ts";
import { MirrorRig } from "./mirror-rig.ts";
import { World } from "./world.ts";

const ROUNDS = 8;
const OPERATIONS = 150;
const HOUR_MS = 3_600_000;

/** What a directory could say beside the truth. Each gives lines that stand before or after the true line, or in its place. */
interface Liar {
	rng: Rng;
	world: World;
	thief: SimKey;
	form: "seq" | "time";
	/** The true lines of the same DID before this one. */
	before(line: PlcLine): readonly PlcLine[];
}

type Lie = (liar: Liar, line: PlcLine) => string[];

/** Lies that leave out no true line, each in its order: the mirror must end with the truth. */
const LIES: Readonly<Record<string, Lie>> = {
	"a changed field": (liar, line) => around(liar, line, { ...line.operation, alsoKnownAs: ["at://liar.test"] }),
	"another PDS": (liar, line) =>
		around(liar, line, {
			...line.operation,
			services: { atproto_pds: { type: "AtprotoPersonalDataServer", endpoint: "https://liar.test" } },
		}),
	"a stranger's signature": (liar, line) => around(liar, line, forged(liar, line.cid)),
	"a stranger's tombstone": (liar, line) =>
		around(liar, line, sign({ type: "plc_tombstone", prev: line.cid }, liar.thief)),
	"a first operation of another DID": (liar, line) => {
		const operation = forged(liar, null);
		return [textOf(lineOf(line.did, operation, line.createdAtMs, line.seq), liar.form), textOf(line, liar.form)];
	},
	"an operation under another DID": (liar, line) => [
		textOf({ ...line, did: didOfOperation(forged(liar, null)) }, liar.form),
		textOf(line, liar.form),
	],
	"an operation that follows none": (liar, line) =>
		around(liar, line, liar.world.updateOf(cidOfOperation({ no: "such" }))),
	"a wrong CID": (liar, line) => [
		textOf({ ...line, cid: cidOfOperation({ another: "operation" }) }, liar.form),
		textOf(line, liar.form),
	],
	"a recovery that comes too late": (liar, line) => {
		const first = liar.before(line)[0];
		if (first === undefined) return [textOf(line, liar.form)];
		const late = liar.world.updateOf(first.cid, "owner");
		const createdAtMs = line.createdAtMs + RECOVERY_MS + 1;
		return [textOf(line, liar.form), textOf({ ...lineOf(line.did, late, createdAtMs, line.seq) }, liar.form)];
	},
	"a time that is yet to come": (liar, line) => {
		const operation = liar.world.updateOf(line.cid);
		const createdAtMs = liar.world.nowMs + 100 * HOUR_MS + FUTURE_MS_MAX + HOUR_MS;
		return [textOf(line, liar.form), textOf(lineOf(line.did, operation, createdAtMs, line.seq), liar.form)];
	},
	"a repeated line": (liar, line) => [textOf(line, liar.form), textOf(line, liar.form)],
	"older lines again": (liar, line) => [
		textOf(line, liar.form),
		...liar.before(line).map((one) => textOf(one, liar.form)),
		textOf(line, liar.form),
	],
	garbage: (liar, line) => ['{"did":', textOf(line, liar.form), '"text"', "null", "[]"],
	"a field of the wrong type": (liar, line) => [
		JSON.stringify({ ...line, createdAt: 5 }),
		JSON.stringify({ ...line, createdAt: "yesterday" }),
		JSON.stringify({ did: line.did }),
		JSON.stringify({ ...line, operation: null, createdAt: new Date(line.createdAtMs).toISOString(), seq: line.seq }),
		textOf(line, liar.form),
	],
	"a line of another kind": (liar, line) => ['{"type":"news","seq":1}', textOf(line, liar.form)],
	"the truth": (liar, line) => [textOf(line, liar.form)],
};

/** A line with another operation, before the true one or after it. */
function around({ rng, form }: Liar, line: PlcLine, operation: PlcOperation): string[] {
	const lie = textOf(lineOf(line.did, operation, line.createdAtMs, line.seq), form);
	const truth = textOf(line, form);
	return rng.int(2) === 0 ? [lie, truth] : [truth, lie];
}

function forged({ thief }: Liar, prev: string | null): PlcOperation {
	const parts = { rotationKeys: [thief], signingKey: thief, pds: "https://thief.test", prev };
	return sign(unsignedUpdate(parts), thief);
}

function liarOf(seed: string, form: "seq" | "time"): Liar {
	const rng = new Rng(seed);
	const world = new World(rng.fork("world"));
	world.grow(OPERATIONS);
	const before = (line: PlcLine): PlcLine[] => world.lines.filter(({ did, seq }) => did === line.did && seq < line.seq);
	return { rng, world, thief: newKey(rng), form, before };
}

function rigOf({ world, form }: Liar): MirrorRig {
	const rig = new MirrorRig(world.nowMs + 100 * HOUR_MS);
	rig.directory.form = form;
	rig.directory.lines = world.lines;
	return rig;
}

/** The mirror has nothing that is not true of a DID, of now or of before. */
function expectNoLie(rig: MirrorRig, { world }: Liar): void {
	const known = new Set(world.lines.map(({ cid }) => cid));
	for (const did of rig.store.rows.keys()) {
		const state = rig.store.state(did);
		expect(world.dids.has(did)).toBe(true);
		for (const { cid } of state?.chain ?? []) expect(known).toContain(cid);
		expect(state?.data.pds ?? "").not.toContain("liar");
	}
}

test.each(["seq", "time"] as const)(
	"no lie changes a DID, none stops the mirror, and the truth among them counts (%s)",
	async (form) => {
		const reasons = new Set<string>();
		for (let round = 0; round < ROUNDS; round++) {
			const liar = liarOf(`lies ${form} ${round}`, form);
			const rig = rigOf(liar);
			rig.directory.tell = (line) => LIES[liar.rng.pick(Object.keys(LIES))]?.(liar, line) ?? [];
			await rig.start();
			await rig.time.pass(60_000);
			expectNoLie(rig, liar);
			for (const { did, valid } of liar.world.dids.values())
				expect(rig.store.state(did)?.chain.at(-1)?.cid).toBe(valid.at(-1)?.cid ?? "");
			for (const reason of Object.keys(rig.refused)) reasons.add(reason);
			await rig.stop();
		}
		for (const reason of [
			"repeated",
			"outdated",
			"line-malformed",
			"time-in-future",
			"operation-malformed",
			"cid-mismatch",
			"did-mismatch",
			"prev-unknown",
			"signature-invalid",
			"fork-too-late",
		])
			expect(reasons).toContain(reason);
	},
);

test("the mirror does not answer for a DID that a lie was about, until something true comes", async () => {
	const liar = liarOf("doubt", "seq");
	const rig = rigOf(liar);
	const [line] = liar.world.lines;
	if (line === undefined) throw new Error("an empty world");
	rig.directory.lines = [line];
	await rig.start();
	await rig.untilComplete();
	expect(rig.store.state(line.did)?.isDoubtful).toBe(false);

	const at = (operation: PlcOperation, seq: number): PlcLine => lineOf(line.did, operation, rig.time.nowMs, seq);
	const lie = at(forged(liar, line.cid), line.seq + 1);
	rig.directory.lines = [line, lie];
	await rig.untilComplete();
	expect(rig.store.state(line.did)).toMatchObject({
		isDoubtful: true,
		data: { pds: liar.world.dataOf(line.did) && expect.any(String) },
	});

	rig.directory.lines = [line, lie, at(liar.world.updateOf(line.cid), line.seq + 2)];
	await rig.untilComplete();
	expect(rig.store.state(line.did)?.isDoubtful).toBe(false);
	await rig.stop();
});

test("lines that are left out or exchanged leave a DID as it was, in doubt", async () => {
	for (let round = 0; round < ROUNDS; round++) {
		const liar = liarOf(`gaps ${round}`, "seq");
		const rig = rigOf(liar);
		const told = liar.world.lines.filter(() => liar.rng.int(5) > 0);
		for (let swaps = 0; swaps < 20; swaps++) {
			const [a, b] = [liar.rng.int(told.length), liar.rng.int(told.length)];
			[told[a], told[b]] = [told[b] as PlcLine, told[a] as PlcLine];
		}
		// The numbers rise all the same, as in a directory that has reordered its lines.
		rig.directory.lines = told.map((line, index) => ({ ...line, seq: index + 1 }));
		await rig.start();
		await rig.untilComplete();
		expectNoLie(rig, liar);
		for (const { did } of liar.world.dids.values()) {
			const state = rig.store.state(did);
			if (state === null || state.isDoubtful) continue;
			// Only lines at the end of a DID can be missed without a trace.
			const own = liar.world.lines.filter((line) => line.did === did).map(({ cid }) => cid);
			expect(own).toContain(state.chain.at(-1)?.cid ?? "");
		}
		await rig.stop();
	}
});

test("an operation is not taken for one of a time that has passed", async () => {
	const liar = liarOf("early", "seq");
	const rig = rigOf(liar);
	const first = liar.world.lines.find(({ operation }) => operation["prev"] === null);
	if (first === undefined) throw new Error("an empty world");
	// The server has signed, and 72 hours have passed; the owner's late recovery is said to be of an earlier time.
	const disputed = lineOf(first.did, liar.world.updateOf(first.cid), rig.time.nowMs, first.seq + 1);
	rig.directory.lines = [first, disputed];
	await rig.start();
	await rig.time.pass(RECOVERY_MS + 2 * LATE_MS_MAX);
	const fork = liar.world.updateOf(first.cid, "owner");
	const early = lineOf(first.did, fork, disputed.createdAtMs + RECOVERY_MS, first.seq + 2);
	rig.directory.lines = [first, disputed, early];
	await rig.untilComplete();
	expect(rig.refused["time-too-early"]).toBe(1);
	expect(rig.store.state(first.did)?.chain.at(-1)?.cid).toBe(disputed.cid);
	expect(rig.store.state(first.did)?.isDoubtful).toBe(true);
	await rig.stop();
});

test("a line that is too long names its DID, which is in doubt then", async () => {
	const liar = liarOf("long", "seq");
	const rig = rigOf(liar);
	rig.directory.lines = liar.world.lines.slice(0, 10);
	await rig.start();
	await rig.untilComplete();
	const last = liar.world.lines[9];
	if (last === undefined) throw new Error("a small world");
	rig.directory.page = async () => {
		const text = JSON.stringify({ did: last.did, padding: "x".repeat(LINE_BYTES_MAX) }).slice(0, LINE_BYTES_MAX);
		return {
			lines: [
				{ text: textOf(last, "seq"), isTooLong: false },
				{ text, isTooLong: true },
			],
			isFull: false,
		};
	};
	await rig.untilComplete();
	expect(rig.refused["line-too-long"]).toBeGreaterThan(0);
	expect(rig.store.state(last.did)?.isDoubtful).toBe(true);
	await rig.stop();
});

test("a directory that gives the same whole page for ever is asked ever more rarely", async () => {
	const liar = liarOf("endless", "seq");
	const rig = rigOf(liar);
	rig.directory.page = async () => {
		rig.directory.asked.push("");
		const lines = liar.world.lines.map((line) => ({ text: textOf(line, "seq"), isTooLong: false }));
		return { lines, isFull: true };
	};
	await rig.start();
	await rig.time.pass(HOUR_MS);
	expect(rig.directory.asked.length).toBeLessThan(100);
	expect(rig.store.current?.completeUntilMs).toBe(0);
	expectNoLie(rig, liar);
	await rig.stop();
});
