import { beforeEach, describe, expect, test } from "bun:test";
import { LISTED_PROBES_MAX } from "../../src/hosts/crawls.ts";
import { ProbeError } from "../../src/hosts/probe.ts";
import type { Ban } from "../../src/policy/policies.ts";
import { ADMIN, Bench, row, SETTINGS } from "./manager-bench.ts";

let bench: Bench;
beforeEach(() => {
	bench = new Bench();
});

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `new${at}.com`);

describe("hosts of a list", () => {
	test("pass the gate that every new host passes, and each gets an answer of its own", async () => {
		bench.rows.push(row(1, "known.com", "offline"), row(2, "relay.com", "banned"), row(3, "banned.com"));
		const bans = new Map<string, Ban>([
			["banned.com", { by: "host" }],
			["new.bad.com", { by: "domain", domain: "bad.com" }],
		]);
		const manager = bench.manager({ banOf: (hostname) => bans.get(hostname) ?? null });
		bench.probe = async ({ hostname }) => {
			if (hostname === "dead.com") throw new ProbeError("is unreachable");
			if (hostname === "other-relay.com") throw new ProbeError("is a relay itself", { isRelay: true });
		};
		expect(await manager.addListed(["new.com"])).toMatchObject({ status: 503 });
		await manager.start();
		const list = ["new.com", "https://Known.com/", "relay.com", "banned.com", "new.bad.com", "dead.com"];
		list.push("other-relay.com", "192.0.2.1", "localhost:1", "http://plain.com", "NEW.com");
		const result = await manager.addListed(list);
		if (!result.ok) throw new Error(result.message);
		expect(result.hosts.map(({ hostname, outcome, error = null }) => [hostname, outcome, error])).toEqual([
			["new.com", "new", null],
			["https://Known.com/", "known", null],
			["relay.com", "refused", "HostBanned"],
			["banned.com", "refused", "HostBanned"],
			["new.bad.com", "refused", "HostBanned"],
			["dead.com", "refused", "HostNotFound"],
			["other-relay.com", "refused", "HostBanned"],
			["192.0.2.1", "refused", "InvalidRequest"],
			["localhost:1", "refused", "InvalidRequest"],
			["http://plain.com", "refused", "InvalidRequest"],
			["NEW.com", "new", null],
		]);
		expect(bench.probed.sort()).toEqual(["dead.com", "new.com", "other-relay.com"]);
		expect(bench.appended.map(({ hostname }) => hostname)).toEqual(["new.com"]);
		expect(bench.dialled()).toContain(4);
		manager.stop();
		expect(await manager.addListed(["new.com"])).toMatchObject({ status: 503 });
	});

	test("take no place of the day, are added while strangers may not ask, and count against no address", async () => {
		const settings = { ...SETTINGS, newHostsPerDayMax: 1, disableRequestCrawl: true };
		const manager = bench.manager({ settings });
		await manager.start();
		const result = await manager.addListed(names(30));
		expect(result.ok && result.hosts.every(({ outcome }) => outcome === "new")).toBe(true);
		settings.disableRequestCrawl = false;
		expect(await manager.requestCrawl("other.com", { admin: false, ip: "192.0.2.9" })).toEqual({ ok: true });
	});

	test("are probed some at a time, all lists together", async () => {
		const manager = bench.manager();
		await manager.start();
		let running = 0;
		let most = 0;
		const open: (() => void)[] = [];
		bench.probe = async () => {
			most = Math.max(most, ++running);
			await new Promise<void>((resolve) => open.push(resolve));
			running--;
		};
		const lists = [manager.addListed(names(30)), manager.addListed(names(60).slice(20))];
		while (manager.hosts().length < 60) {
			open.shift()?.();
			await Promise.resolve();
		}
		await Promise.all(lists);
		expect(most).toBe(LISTED_PROBES_MAX);
		// A host of both lists is probed once.
		expect(bench.probed).toHaveLength(60);
	});

	test("that are known are not dialled for that, and new ones wait their turn", async () => {
		bench.rows.push(row(1, "down.com"));
		const manager = bench.manager();
		await manager.start();
		manager.onEvent({
			...{ type: "ended", ...bench.attempt(1), fault: "refused", text: "no", progress: false, heard: false },
		});
		const dials = bench.dialled().length;
		await manager.addListed(["down.com"]);
		expect(bench.dialled()).toHaveLength(dials);
		await manager.addListed(names(200));
		expect(await manager.requestCrawl("down.com", ADMIN)).toEqual({ ok: true });
		const before = bench.dialled().length;
		manager.onEvent({ type: "opened", ...bench.attempt(bench.dialled().at(-1) ?? 0) });
		expect(bench.dialled().slice(before)).toEqual([1]);
	});
});
