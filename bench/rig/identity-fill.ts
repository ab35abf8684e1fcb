/**
 * Fills an identity cache with so many identities (the argument), as the resolver makes them from documents. Prints the bytes that each takes
 * resident and in the heap, as JSON. A process of its own, since memory that was used once stays resident.
 */
import { heapStats } from "bun:jsc";
import { Counters } from "../../src/observe/counters.ts";
import { SimKey } from "../../src/sim/keys.ts";
import { Rng } from "../../src/sim/rng.ts";
import { residentMib } from "./cpu.ts";
import { ASKING_HOSTS, IdentityLoad, pdsOf } from "./identity-load.ts";
import { accountOf, documentOf } from "./many-accounts.ts";

/** By then the allocator has given back what the collector has freed. */
const SETTLE_MS = 3_000;

const count = Number(process.argv[2]);
const { multibase } = new SimKey("k256", new Rng("bench/identity-fill"));
const load = new IdentityLoad({
	resolver: {
		plcUrl: "http://127.0.0.1",
		fetch: async (url) => {
			const did = decodeURIComponent(url.pathname).slice(1);
			return new Response(documentOf(did, multibase, `https://${pdsOf(accountOf(did), ASKING_HOSTS)}`));
		},
	},
	limits: { entriesMax: count, bytesMax: Number.POSITIVE_INFINITY, lookupsMax: 32 },
	counters: new Counters(),
});
// So that the code is compiled, and garbage of the start is gone.
let account = 0;
await load.resolve(20_000, () => account++);
const before = await measure();
await load.resolve(count - 20_000, () => account++);
const after = await measure();
const each = (bytes: number): number => bytes / (count - 20_000);
console.log(JSON.stringify({ resident: each(after.resident - before.resident), heap: each(after.heap - before.heap) }));
// The cache is in use until here.
await load.resolve(1, () => 0);
process.exit(0);

async function measure(): Promise<{ resident: number; heap: number }> {
	Bun.gc(true);
	await Bun.sleep(SETTLE_MS);
	Bun.gc(true);
	return { resident: residentMib(process.pid) * 1024 ** 2, heap: heapStats().heapSize };
}
