import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { parseArgs } from "node:util";
import type { SigningKey } from "../../src/verify/engine.ts";
import { compare, nativeForTests } from "./engines/difference.ts";
import { makeSpecimens, mutatedFrame } from "./mutate.ts";

/**
 * Compares the two engines on mutated frames: `bun test/verify/fuzz.ts --cases N | --minutes M [--seed S]`. Keeps each frame on
 * which they disagree as a file in `cases/`, which the test suite runs from then on. Exits with 1 if there was one.
 */

/** A frame on which the engines disagreed once. */
export interface KeptCase {
	curve: SigningKey["curve"];
	/** Compressed point, in base64. */
	publicKey: string;
	frame: string;
	/** How the frame was made. */
	origin: string;
}

export const CASES = join(import.meta.dir, "cases");

interface Tally {
	cases: number;
	disagreements: number;
	reasons: Map<string, number>;
}

async function fuzz(seed: string, isOver: (cases: number) => boolean): Promise<Tally> {
	const native = nativeForTests();
	if (native === null) throw new Error("the native engine is not built: make native");
	const specimens = await makeSpecimens(seed);
	const tally: Tally = { cases: 0, disagreements: 0, reasons: new Map() };
	while (!isOver(tally.cases)) {
		const { frame, key, mutations } = mutatedFrame(specimens, seed, tally.cases);
		const { agree, portable } = compare(native, frame, key);
		const reason = portable === null ? "no commit" : (portable.reason ?? "good");
		tally.reasons.set(reason, (tally.reasons.get(reason) ?? 0) + 1);
		if (!agree) {
			tally.disagreements++;
			await keep(frame, key, `seed ${seed}, case ${tally.cases}: ${mutations.join(", ")}`);
		}
		tally.cases++;
	}
	return tally;
}

async function keep(frame: Uint8Array, key: SigningKey, origin: string): Promise<void> {
	const kept: KeptCase = {
		curve: key.curve,
		publicKey: Buffer.from(key.publicKey).toString("base64"),
		frame: Buffer.from(frame).toString("base64"),
		origin,
	};
	const name = new Bun.CryptoHasher("sha256").update(frame).digest("hex").slice(0, 16);
	await mkdir(CASES, { recursive: true });
	await Bun.write(join(CASES, `${name}.json`), `${JSON.stringify(kept, null, "\t")}\n`);
	console.error(`disagreement: ${origin}`);
}

if (import.meta.main) {
	const { values } = parseArgs({
		options: {
			cases: { type: "string" },
			minutes: { type: "string" },
			seed: { type: "string", default: `${Date.now()}` },
		},
	});
	const casesMax = values.cases === undefined ? Number.POSITIVE_INFINITY : Number(values.cases);
	const minutesMax = values.minutes === undefined ? Number.POSITIVE_INFINITY : Number(values.minutes);
	const endMs = performance.now() + minutesMax * 60_000;
	const { cases, disagreements, reasons } = await fuzz(
		values.seed,
		(done) => done >= casesMax || performance.now() >= endMs,
	);
	const shares = [...reasons].sort(([, a], [, b]) => b - a);
	for (const [reason, count] of shares) console.log(`${String(count).padStart(9)}  ${reason}`);
	console.log(`seed ${values.seed}: ${cases} cases, ${disagreements} disagreements`);
	process.exit(disagreements === 0 ? 0 : 1);
}
