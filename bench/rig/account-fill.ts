/**
 * Fills an account cache with so many accounts (the argument), each as it is after its first commit. Prints the bytes that each takes resident
 * and in the heap, as JSON. A process of its own, since memory that was used once stays resident.
 */
import { heapStats } from "bun:jsc";
import { next } from "../../src/account/next.ts";
import { AccountCache } from "../../src/ingest/did/accounts.ts";
import { Counters } from "../../src/observe/counters.ts";
import { residentMib } from "./cpu.ts";
import { didOf } from "./many-accounts.ts";

/** By then the allocator has given back what the collector has freed. */
const SETTLE_MS = 3_000;
const WARM = 20_000;

const count = Number(process.argv[2]);
const cache = new AccountCache({ account: async () => null }, count, new Counters());
const frame = Buffer.alloc(300, 1);
for (let account = 0; account < WARM; account++) commit(account);
const before = await measure();
for (let account = WARM; account < count; account++) commit(account);
const after = await measure();
const each = (bytes: number): number => bytes / (count - WARM);
console.log(JSON.stringify({ resident: each(after.resident - before.resident), heap: each(after.heap - before.heap) }));
// The cache is in use until here.
if (cache.peek(didOf(0)) === null) throw new Error("the cache has lost an account");

function commit(account: number): void {
	const did = didOf(account);
	const rev = Buffer.from("3l7kzqbzq2s2a", "latin1").toString("latin1");
	const [commit, data] = [new Uint8Array(frame.subarray(4, 40)), new Uint8Array(frame.subarray(50, 86))];
	const state = next(
		cache.peek(did),
		{ type: "repo", rev, commit, data },
		{ host: account % 3_000, upstreamSeq: account },
	);
	if (state !== null) cache.set(did, { ...state, position: 400 * account });
}

async function measure(): Promise<{ resident: number; heap: number }> {
	Bun.gc(true);
	await Bun.sleep(SETTLE_MS);
	Bun.gc(true);
	return { resident: residentMib(process.pid) * 1024 ** 2, heap: heapStats().heapSize };
}
