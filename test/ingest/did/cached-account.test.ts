import { expect, test } from "bun:test";
import { CACHED_ACCOUNT_PACKING, type CachedAccount } from "../../../src/ingest/did/cached-account.ts";
import { Rng } from "../../../src/sim/rng.ts";

const { fits, read, recordBytes, write } = CACHED_ACCOUNT_PACKING;
const DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";

const TID = "3l7kzqbzq2s2a";

/** Mostly of the usual kind. */
function accountOf(rng: Rng): CachedAccount {
	const rarely = <T>(usual: T, rare: readonly T[]): T => (rng.int(12) === 0 ? rng.pick(rare) : usual);
	const number = (): number => rng.pick([0, 1, rng.int(2 ** 32), 2 ** 53 - 1, rng.float() * 2 ** 53]);
	const cid = (): Uint8Array | null => rarely<Uint8Array | null>(rng.bytes(36), [null, rng.bytes(35), rng.bytes(40)]);
	return {
		host: rarely(rng.int(2 ** 32), [0, 2 ** 32, 2 ** 40, -1, 1.5]),
		hostSeq: number(),
		lastTimeMs: number(),
		upstreamActive: rng.int(2) === 0,
		upstreamStatus: rarely<string | null>(null, ["deactivated", "é", ""]),
		localStatus: rarely<string | null>(null, ["takendown", ""]),
		waitingSinceUs: rarely<number | null>(null, [0, 5]),
		statusLsn: number(),
		rev: rarely<string | null>(TID, [null, "", "3l7kzqbzq2s2", "3l7kzqbzq2s2é", "3l7kzqbzq2s\u{10000}", `${TID}a`]),
		commit: cid(),
		data: cid(),
		position: number(),
	};
}

/** Whether only the form of the bytes decides. */
function isUsual({ host, upstreamStatus, localStatus, waitingSinceUs, rev, commit, data }: CachedAccount): boolean {
	const isWord = Number.isInteger(host) && host >= 0 && host < 2 ** 32;
	const isRev = rev === null || rev === TID;
	const isQuiet = upstreamStatus === null && localStatus === null && waitingSinceUs === null;
	return isWord && isRev && isQuiet && [commit, data].every((cid) => cid === null || cid.length === 36);
}

test("an account of the usual kind is packed and comes back as it was, next to others; any other is not packed", () => {
	const rng = new Rng("cached-account");
	const record = Buffer.alloc(3 * recordBytes);
	let packed = 0;
	for (let run = 0; run < 20_000; run++) {
		const account = accountOf(rng);
		expect(fits(DID, account)).toBe(isUsual(account));
		if (!fits(DID, account)) continue;
		packed++;
		// What was there before must not show.
		record.fill(rng.int(256));
		const around = Buffer.from(record);
		write(account, record, recordBytes);
		const found = read(DID, record, recordBytes);
		record.copy(around, recordBytes, recordBytes, 2 * recordBytes);
		expect(record.equals(around)).toBe(true);
		record.fill(0);
		expect(found).toEqual(account);
	}
	expect(packed).toBeGreaterThan(5_000);
});
