import { describe, expect, test } from "bun:test";
import { spawnSync } from "node:child_process";
import { join } from "node:path";
import { PRIVATE_ADDRESSES, PUBLIC_ADDRESSES } from "../net/rebinding.ts";
import type { RebindingReport } from "./rebinding-world.ts";

const NAMESPACE = ["--map-root-user", "--mount", "--net"];

/** Whether this user may make a network namespace, and set up addresses there. */
const canIsolate = spawnSync("unshare", [...NAMESPACE, "ip", "link", "set", "lo", "up"]).status === 0;
const needs = canIsolate ? "" : " (skipped: it needs `unshare` with user namespaces, and `ip`)";

describe.skipIf(!canIsolate)(`with a DNS server whose answers change, the relay${needs}`, () => {
	test("connects to no private address, and tells nobody which one it was led to", async () => {
		const { reachable, connectedTo, names, texts, lookups } = await observe();
		expect(reachable).toEqual(expect.arrayContaining(["127.0.0.1", "10.0.0.1", "169.254.169.254", "100.64.0.1"]));
		expect(connectedTo.filter((address) => !PUBLIC_ADDRESSES.includes(address))).toEqual([]);
		expect(names).toHaveLength(3 * Object.keys(PRIVATE_ADDRESSES).length);
		for (const { moment, lookups, handshakes, ...host } of names) {
			// What came before the change was connected to: the probe, and then the first dial.
			expect({ ...host, handshakes }).toEqual({ ...host, handshakes: Math.max(0, moment - 1) });
			expect(lookups).toBeGreaterThan(moment);
			const [crawled = "", , why = ""] = host.answers;
			expect(moment === 0 ? crawled : why).toContain("leads to an address that is not public");
			expect(host.answers.filter((answer) => answer.includes(host.address))).toEqual([]);
		}
		expect(lookups.filter((count) => count === 0)).toEqual([]);
		const all = Object.values(PRIVATE_ADDRESSES).flat();
		expect(texts.filter((text) => all.some((address) => text.includes(address)))).toEqual([]);
	}, 300_000);
});

/** Runs the relay in its own small internet. */
async function observe(): Promise<RebindingReport> {
	const script = join(import.meta.dir, "rebinding-world.ts");
	const world = Bun.spawn(["unshare", ...NAMESPACE, process.execPath, script], {
		stdio: ["ignore", "pipe", "inherit"],
	});
	const text = await new Response(world.stdout).text();
	expect(await world.exited).toBe(0);
	return JSON.parse(text) as RebindingReport;
}
