import type { EngineChoice } from "../config/bounds.ts";
import { EngineError, selectEngine } from "../verify/select.ts";
import { type CorpusFrame, makeCorpus } from "./corpus.ts";
import { BATCH_BYTES, measureSyncs } from "./disk-sync.ts";
import { verificationCpuMs } from "./verification-time.ts";

const ACCOUNTS = 8;
/** Before the measured ones, which are as many: engines and compilers need some to get up to speed. */
const WARM_UP_FRAMES = 400;
const SYNCS = 500;
/** The portable engine takes some ten times as long. */
const ENGINES = [
	{ choice: "native", frames: WARM_UP_FRAMES },
	{ choice: "portable", frames: WARM_UP_FRAMES / 4 },
] as const satisfies readonly { choice: EngineChoice; frames: number }[];

/** What one engine takes to verify a commit of the usual size, on one core. */
export interface EngineSpeed {
	readonly engine: (typeof ENGINES)[number]["choice"];
	/** CPU time in µs a commit; null if the engine does not work here. */
	readonly us: number | null;
	/** Why it does not; null if it does. */
	readonly fault: string | null;
}

/** What a sync of a batch takes, in ms. */
export interface SyncSpeed {
	readonly bytes: number;
	readonly p50Ms: number;
	readonly p99Ms: number;
}

/** Measures what the verification of a commit takes on this machine, with each engine. Takes some seconds. */
export async function measureEngines(): Promise<EngineSpeed[]> {
	const { frames } = await makeCorpus({ seed: "machine", accounts: ACCOUNTS, frames: 2 * WARM_UP_FRAMES });
	return ENGINES.map(({ choice, frames: count }) => measureEngine(choice, frames.slice(0, 2 * count)));
}

/** The first half of the frames is for warming up. */
function measureEngine(choice: EngineSpeed["engine"], frames: readonly CorpusFrame[]): EngineSpeed {
	try {
		const { engine } = selectEngine(choice, () => {});
		const half = frames.length / 2;
		const tookMs = verificationCpuMs(engine, frames.slice(0, half), frames.slice(half));
		return { engine: choice, us: (1000 * tookMs) / half, fault: null };
	} catch (error) {
		if (!(error instanceof EngineError)) throw error;
		return { engine: choice, us: null, fault: error.message };
	}
}

/**
 * Measures what a sync of the log takes on the disk of a folder.
 * @throws Error of the system if nothing can be written there
 */
export function measureDisk(folder: string): SyncSpeed {
	const tookMs = measureSyncs(SYNCS, folder).sort((a, b) => a - b);
	const at = (share: number): number => tookMs[Math.floor(share * (tookMs.length - 1))] ?? 0;
	return { bytes: BATCH_BYTES, p50Ms: at(0.5), p99Ms: at(0.99) };
}
