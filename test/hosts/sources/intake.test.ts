import { expect, test } from "bun:test";
import { type AddedHost, HOSTS_PER_ADD_MAX } from "../../../src/control/hosts.ts";
import { type IntakeCounts, takeIn } from "../../../src/hosts/sources/intake.ts";
import type { ListedHosts } from "../../../src/hosts/sources/source.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { anyText } from "../../sim/any-text.ts";

async function* pagesOf(pages: readonly ListedHosts[]): AsyncGenerator<ListedHosts> {
	yield* pages;
}

/** A relay that can be added to: it refuses some hosts, and breaks down after so many calls. */
class FakeGate {
	readonly followed = new Set<string>();
	readonly calls: (readonly string[])[] = [];
	breaksAfter = Number.POSITIVE_INFINITY;

	async add(hostnames: readonly string[]): Promise<AddedHost[]> {
		if (this.calls.length >= this.breaksAfter) throw new Error("the relay is gone");
		this.calls.push(hostnames);
		return hostnames.map((hostname): AddedHost => {
			if (hostname.toLowerCase().includes("bad"))
				return { hostname, outcome: "refused", error: "HostBanned", message: "no" };
			const key = hostname.toLowerCase();
			const outcome = this.followed.has(key) ? "known" : "new";
			this.followed.add(key);
			return { hostname, outcome };
		});
	}
}

test("all hosts of random lists come to the gate, some at a time, each once; and a list that was broken off is gone on with", async () => {
	const rng = new Rng("intake");
	for (let round = 0; round < 100; round++) {
		const gate = new FakeGate();
		const name = (): string => {
			const plain = `${rng.pick(["pds", "bad"])}${rng.int(150)}.example.com`;
			if (rng.int(10) === 0) return anyText(rng);
			return rng.pick([plain, plain, plain.toUpperCase()]);
		};
		const pages = Array.from({ length: 1 + rng.int(4) }, () => ({
			hostnames: Array.from({ length: rng.int(120) }, name),
			omitted: rng.int(3),
		}));
		gate.breaksAfter = rng.int(3) === 0 ? rng.int(4) : Number.POSITIVE_INFINITY;
		const first = await takeIn(pagesOf(pages), (hostnames) => gate.add(hostnames)).catch(() => null);
		const before = gate.followed.size;
		gate.breaksAfter = Number.POSITIVE_INFINITY;
		const refused: AddedHost[] = [];
		const steps: Readonly<IntakeCounts>[] = [];
		const counts = await takeIn(
			pagesOf(pages),
			(hostnames) => gate.add(hostnames),
			(soFar, some) => {
				steps.push({ ...soFar });
				refused.push(...some);
			},
		);
		const names = pages.flatMap(({ hostnames }) => hostnames);
		const isGood = (name: string): boolean => /^(pds|bad)\d+\.example\.com$/i.test(name);
		const good = new Set(names.filter(isGood).map((name) => name.toLowerCase()));
		expect(gate.followed).toEqual(new Set([...good].filter((name) => name.startsWith("pds"))));
		expect(counts.known).toBe(before);
		if (first !== null) expect(counts).toMatchObject({ new: 0, known: first.new, refused: first.refused });
		expect(counts.listed).toBe(counts.omitted + counts.repeated + counts.new + counts.known + counts.refused);
		expect(counts.omitted).toBe(pages.reduce((sum, { omitted }) => sum + omitted, 0));
		expect(refused).toHaveLength(counts.refused);
		expect(counts.byRule["InvalidRequest"] ?? 0).toBe(names.filter((name) => !isGood(name)).length);
		for (const call of gate.calls) expect(call.length).toBeLessThanOrEqual(HOSTS_PER_ADD_MAX);
		expect(steps.at(-1)).toEqual(counts);
	}
});
