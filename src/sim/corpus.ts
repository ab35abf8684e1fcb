import { SimAccount } from "./account.ts";
import { SimClock } from "./clock.ts";
import { encodeFrame, type SimMessage } from "./message.ts";
import { Rng } from "./rng.ts";

export interface CorpusOptions {
	seed: string;
	accounts: number;
	frames: number;
	/** Records of each account's repo at the start: 10,000 give about the tree depth and frame size of the live network. */
	records?: number;
	/** The time. If it is constant, the frames depend only on the seed. */
	nowMs?: () => number;
}

/** One frame, made in advance. The seqs of a corpus start at 1, so that one host can send all of it. */
export interface CorpusFrame {
	seq: number;
	frame: Uint8Array<ArrayBuffer>;
	message: SimMessage;
	account: SimAccount;
}

export interface Corpus {
	accounts: SimAccount[];
	frames: CorpusFrame[];
}

/**
 * Makes good commits for benches: mostly single creates, with some deletes. The accounts take turns, so that each account's chain
 * is as short as possible. One core makes about 800 commits a second.
 */
export async function makeCorpus(options: CorpusOptions): Promise<Corpus> {
	const rng = new Rng(options.seed);
	const clock = new SimClock(options.nowMs);
	const accounts: SimAccount[] = [];
	for (let i = 0; i < options.accounts; i++) {
		const curve = i % 16 === 15 ? "p256" : "k256";
		const records = options.records ?? 10_000;
		accounts.push(await SimAccount.create({ rng: rng.fork(`account ${i}`), clock, curve, records }));
	}
	const frames: CorpusFrame[] = [];
	while (frames.length < options.frames) {
		for (const account of accounts.slice(0, options.frames - frames.length)) {
			const existing = rng.int(8) === 0 ? account.anyRecord() : null;
			const message = await account.commit(existing === null ? undefined : [{ action: "delete", path: existing.path }]);
			const seq = frames.length + 1;
			frames.push({ seq, frame: encodeFrame(message, seq), message, account });
		}
	}
	return { accounts, frames };
}
