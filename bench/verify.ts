/**
 * What does it cost to verify a commit? Measures µs per message on one core for the native engine, the portable one, and the
 * floor: the same libraries check the same signatures and hash the same blocks, and nothing else.
 *
 * `bun bench/verify.ts [--json FILE] [--soak COUNT]`; a soak verifies that many messages and reports how memory grew.
 */
import { parseArgs } from "node:util";
import { scanFrame } from "../src/protocol/frame.ts";
import type { Message } from "../src/protocol/kinds/table.ts";
import { SimAccount } from "../src/sim/account.ts";
import { SimClock } from "../src/sim/clock.ts";
import type { SimCurve, SimKey } from "../src/sim/keys.ts";
import { encodeFrame, type SimMessage } from "../src/sim/message.ts";
import { Rng } from "../src/sim/rng.ts";
import type { Engine } from "../src/verify/engine.ts";
import { NativeEngine } from "../src/verify/native.ts";
import { loadAddon } from "../src/verify/native-addon.ts";
import { createPortableEngine } from "../src/verify/portable/engine.ts";

const SEED = "bench/verify";
/** Gives trees of depth 8, and frames like those of the live network. */
const RECORDS = 12_000;
const ROUNDS = 40;
/** How long one engine works on one kind of message in a round. */
const SLICE_MS = 25;

interface Sample {
	frame: Uint8Array;
	message: Message;
	key: SimKey;
}

interface Kind {
	name: string;
	samples: Sample[];
}

async function makeAccounts(curve: SimCurve, count: number): Promise<SimAccount[]> {
	const accounts: SimAccount[] = [];
	for (let i = 0; i < count; i++) {
		const rng = new Rng(`${SEED}/${curve} ${i}`);
		accounts.push(await SimAccount.create({ rng, clock: new SimClock(), curve, records: RECORDS }));
	}
	return accounts;
}

async function makeKind(
	name: string,
	accounts: SimAccount[],
	count: number,
	make: (account: SimAccount) => Promise<SimMessage>,
): Promise<Kind> {
	const samples: Sample[] = [];
	for (let i = 0; i < count; i++) {
		for (const account of accounts) {
			const frame = encodeFrame(await make(account), i + 1);
			const scanned = scanFrame(frame);
			if (scanned.kind !== "message") throw new Error("the simulator made no message");
			samples.push({ frame, message: scanned.message, key: account.key });
		}
	}
	return { name, samples };
}

function creates(count: number): (account: SimAccount) => Promise<SimMessage> {
	return (account) => account.commit(Array.from({ length: count }, () => account.newRecord()));
}

function verify(engine: Engine, { frame, message, key }: Sample): void {
	const verdict =
		message.type === "commit"
			? engine.verifyCommit(frame, message, key)
			: message.type === "sync"
				? engine.verifySync(frame, message, key)
				: null;
	if (verdict?.reason !== null) throw new Error(`a good message was rejected: ${verdict?.reason}`);
}

/** Runs `pass` over `count` messages again and again for a slice of time. Returns µs per message. */
function measure(count: number, pass: () => void): number {
	const startMs = performance.now();
	let passes = 0;
	do {
		pass();
		passes++;
	} while (performance.now() - startMs < SLICE_MS);
	return ((performance.now() - startMs) * 1000) / (passes * count);
}

interface Costs {
	floor: number;
	native: number;
	portable: number;
}

/** The least cost over rounds in which floor and engines take turns. Other work of the machine can only add to a cost. */
function compare(kind: Kind, native: Engine, portable: Engine): Costs {
	const floor = new (loadAddon().Floor)();
	for (const { frame, key } of kind.samples) floor.add(frame, key.publicKey, key.curve === "p256");
	const { samples } = kind;
	const few = samples.slice(0, Math.ceil(samples.length / 8));
	const rounds: Costs[] = [];
	for (let round = 0; round < ROUNDS; round++) {
		rounds.push({
			floor: measure(samples.length, () => {
				if (floor.run() !== samples.length) throw new Error("the floor found a wrong signature");
			}),
			native: measure(samples.length, () => {
				for (const sample of samples) verify(native, sample);
			}),
			portable: measure(few.length, () => {
				for (const sample of few) verify(portable, sample);
			}),
		});
	}
	const least = (of: keyof Costs): number => Math.min(...rounds.map((costs) => costs[of]));
	return { floor: least("floor"), native: least("native"), portable: least("portable") };
}

/** Prints the resident memory in MiB during many verifications. */
function soak(kind: Kind, engine: Engine, count: number): void {
	const rss = (): number => Math.round(process.memoryUsage.rss() / 2 ** 20);
	const step = Math.ceil(count / 10);
	for (let done = 0; done < count; ) {
		for (let i = 0; i < step && done < count; i++, done++) {
			const sample = kind.samples[done % kind.samples.length];
			if (sample !== undefined) verify(engine, sample);
		}
		console.log(`${String(done).padStart(12)} verified, ${rss()} MiB resident`);
	}
}

const { values } = parseArgs({ options: { json: { type: "string" }, soak: { type: "string" } } });
const portable = createPortableEngine();
const onPanic = (): never => {
	throw new Error("the native engine panicked");
};
const native = new NativeEngine(loadAddon(), { reference: portable, onPanic });

const k256 = await makeAccounts("k256", 4);
const p256 = await makeAccounts("p256", 2);
const typical = await makeKind("typical: 1 op, k256", k256, 50, creates(1));
if (values.soak !== undefined) {
	soak(typical, native, Number(values.soak));
	process.exit(0);
}
const kinds = [
	typical,
	await makeKind("1 op, p256", p256, 50, creates(1)),
	await makeKind("10 ops, k256", k256, 10, creates(10)),
	await makeKind("200 ops, k256", k256, 2, creates(200)),
	await makeKind("#sync, k256", k256, 25, (account) => account.resync()),
];

console.log(
	`${"".padEnd(22)}${["frame kB", "floor µs", "native µs", "portable µs", "native/floor", "portable/native"].map((head) => head.padStart(17)).join("")}`,
);
const costs = kinds.map((kind) => {
	const cost = compare(kind, native, portable);
	const kB = kind.samples.reduce((sum, { frame }) => sum + frame.length, 0) / kind.samples.length / 1000;
	const cells = [kB, cost.floor, cost.native, cost.portable, cost.native / cost.floor, cost.portable / cost.native];
	console.log(`${kind.name.padEnd(22)}${cells.map((cell) => cell.toFixed(2).padStart(17)).join("")}`);
	return cost;
});
const [typicalCost, , , batchCost] = costs;
if (typicalCost === undefined || batchCost === undefined) throw new Error("a kind was not measured");
const figures = {
	native_us: typicalCost.native,
	native_over_floor: typicalCost.native / typicalCost.floor,
	native_over_floor_200ops: batchCost.native / batchCost.floor,
	portable_over_native: typicalCost.portable / typicalCost.native,
};
for (const [name, value] of Object.entries(figures)) console.log(`${name} ${value.toFixed(3)}`);
if (values.json !== undefined) await Bun.write(values.json, `${JSON.stringify({ figures }, null, "\t")}\n`);
