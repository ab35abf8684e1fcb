import { toBase32 } from "@atcute/multibase";
import type { StoredRecord } from "../../src/log/record/stored-record.ts";
import type { Rng } from "../../src/sim/rng.ts";
import * as records from "../../test/index/records.ts";

const HOSTS = 20;
/** As long as the ones of the network: the bytes of a row depend on it. */
const SIGNING_KEY = `did:key:zQ3sh${"k".repeat(44)}`;
const DID_CHARS = 24;

/** The DID of an account by its number. They are spread as real ones are, which are hashes too. */
export function didOf(number: number): string {
	const hash = new Bun.CryptoHasher("sha256").update(String(number)).digest();
	return `did:plc:${toBase32(hash).slice(0, DID_CHARS)}`;
}

/** A log's records for an index: what its tables are filled with, and how accounts go on. */
export class IndexRecords {
	readonly #rng: Rng;
	readonly #accounts: number;
	#lastLsn = 0;

	constructor(rng: Rng, accounts: number) {
		this.#rng = rng;
		this.#accounts = accounts;
	}

	/** The hosts, in one batch. */
	hosts(): StoredRecord[] {
		return this.#sequenced(Array.from({ length: HOSTS }, (_, at) => records.host(at + 1)));
	}

	/** The first commit and the DID document of each account, in batches of about this many records. */
	*newAccounts(batch: number): Generator<StoredRecord[]> {
		for (let first = 0; first < this.#accounts; first += batch / 2) {
			const numbers = Array.from({ length: Math.min(batch / 2, this.#accounts - first) }, (_, at) => first + at);
			yield this.#sequenced(
				numbers.flatMap((number) => [
					records.didDocument(didOf(number), SIGNING_KEY),
					records.commit([1 + (number % HOSTS), number + 1], didOf(number), 1),
				]),
			);
		}
	}

	/** Commits of any accounts, in batches of this many. */
	*commits(count: number, batch: number): Generator<StoredRecord[]> {
		for (let left = count; left > 0; left -= batch) {
			const list = Array.from({ length: Math.min(batch, left) }, () => {
				const number = this.#rng.int(this.#accounts);
				const seq = this.#accounts + this.#lastLsn;
				return records.commit([1 + (number % HOSTS), seq], didOf(number), seq);
			});
			yield this.#sequenced(list);
		}
	}

	#sequenced(list: records.Unsequenced[]): StoredRecord[] {
		const sequenced = records.sequence(list, this.#lastLsn + 1);
		this.#lastLsn += list.length;
		return sequenced;
	}
}
