/**
 * Does memory stay flat while a relay resolves more identities than its cache holds, and what do a cached identity and a cached account take? The relay's
 * resolver and cache ask a PLC directory on this machine by HTTP. Every second lookup is of a DID that is new, the others are of any before.
 * `--resolutions N` sets how many, `--cache N` how many the cache holds, `--cached N` the number of entries for the second question.
 */
import { heapStats } from "bun:jsc";
import { join } from "node:path";
import { parseArgs } from "node:util";
import { Counters } from "../src/observe/counters.ts";
import { SimKey } from "../src/sim/keys.ts";
import { Rng } from "../src/sim/rng.ts";
import { counted } from "../test/observe/counted.ts";
import { residentMib } from "./rig/cpu.ts";
import { type Row, report } from "./rig/figures.ts";
import { firstLine } from "./rig/first-line.ts";
import { ASKING_HOSTS, IdentityLoad } from "./rig/identity-load.ts";

const STEPS = 10;

const { values: options } = parseArgs({
	options: {
		json: { type: "string" },
		resolutions: { type: "string", default: "1000000" },
		cache: { type: "string", default: "100000" },
		cached: { type: "string", default: "1000000" },
	},
});
const resolutions = Number(options.resolutions);
const entriesMax = Number(options.cache);
const cached = Number(options.cached);

const { rows, firstMib, lastMib } = await measureFlat();
const fill = await measureFill("identity-fill.ts");
const accountFill = await measureFill("account-fill.ts");
for (const [name, each] of [["identities", fill] as const, ["accounts", accountFill] as const])
	rows.push(
		{ name: `${cached.toLocaleString("en-US")} cached ${name}: each, resident`, value: each.resident, unit: "bytes" },
		{ name: `${cached.toLocaleString("en-US")} cached ${name}: each, in the heap`, value: each.heap, unit: "bytes" },
	);
await report(`identities: a cache of ${entriesMax.toLocaleString("en-US")}`, rows, {
	identities_rss_last_over_first: lastMib / firstMib,
	bytes_per_cached_identity: fill.resident,
	bytes_per_cached_account: accountFill.resident,
});

/** Resident memory after each tenth of the resolutions. */
async function measureFlat(): Promise<{ rows: Row[]; firstMib: number; lastMib: number }> {
	const { multibase } = new SimKey("k256", new Rng("bench/identities"));
	const directory = spawn("identity-directory.ts", [multibase, String(ASKING_HOSTS)]);
	const counters = new Counters();
	const plcUrl = JSON.parse(await firstLine(directory.stdout)) as string;
	const limits = { entriesMax, bytesMax: Number.POSITIVE_INFINITY, lookupsMax: 32 };
	const load = new IdentityLoad({ resolver: { plcUrl }, limits, counters });
	const rng = new Rng("bench/identities");
	let known = 0;
	const next = (): number => (known === 0 || rng.int(2) === 0 ? known++ : rng.int(known));
	const rows: Row[] = [];
	const mib: number[] = [];
	for (let step = 1; step <= STEPS; step++) {
		await load.resolve(resolutions / STEPS, next);
		Bun.gc(true);
		mib.push(residentMib(process.pid));
		const count = (name: string): string => counted(counters).of(name).toLocaleString("en-US");
		const note = [
			`heap ${Math.round(heapStats().heapSize / 1024 ** 2)} MiB`,
			`${known.toLocaleString("en-US")} DIDs`,
			`${count("identity_lookups_total")} requests`,
			`${count("identity_evictions_total")} evicted`,
		].join(", ");
		const done = Math.round((step * resolutions) / STEPS).toLocaleString("en-US");
		rows.push({ name: `after ${done}`, value: mib.at(-1) ?? 0, unit: "MiB", note });
	}
	directory.kill();
	// The cache is full after the first steps.
	return { rows, firstMib: mib[2] ?? 0, lastMib: mib.at(-1) ?? 0 };
}

async function measureFill(script: string): Promise<{ resident: number; heap: number }> {
	const child = spawn(script, [String(cached)]);
	return JSON.parse(await firstLine(child.stdout)) as { resident: number; heap: number };
}

function spawn(script: string, args: string[]): Bun.Subprocess<"ignore", "pipe", "inherit"> {
	return Bun.spawn([process.execPath, join(import.meta.dir, "rig", script), ...args], {
		stdio: ["ignore", "pipe", "inherit"],
	});
}
