import { expect, test } from "bun:test";
import { FAILED_PROBES_PER_HOUR } from "../../src/hosts/crawl-gate.ts";
import { ProbeError } from "../../src/hosts/probe.ts";
import type { Ban } from "../../src/policy/policies.ts";
import { Rng } from "../../src/sim/rng.ts";
import { ADMIN, Bench, row, stranger } from "./manager-bench.ts";

/** All rules of `requestCrawl` at once: random worlds and requests, and the answer that the rules give, one after the other. */
const WORLDS = 60;
const REQUESTS = 120;
const DAY_MS = 24 * 3_600_000;

const NAMES = Array.from({ length: 40 }, (_, at) => `pds${at}.${["good.com", "bad.com", "deep.bad.com"][at % 3]}`);
const REFUSED = { status: 400, error: "InvalidRequest" };
const BANNED = { status: 403, error: "HostBanned" };
const LIMITED = { status: 429, error: "RateLimitExceeded" };

/** Ways to write a name. `insecure` ones are only taken of an admin, if the configuration allows such hosts. */
const FORMS: Record<"good" | "insecure" | "bad", ((name: string) => string)[]> = {
	good: [
		(name) => name,
		(name) => name.toUpperCase(),
		(name) => `https://${name}`,
		(name) => `wss://${name}/`,
		(name) => `HTTPS://${name}/`,
	],
	insecure: [(name) => `http://${name}`, (name) => `ws://${name}/`],
	bad: [
		(name) => `${name}:443`,
		(name) => `https://${name}/xrpc`,
		(name) => `https://${name}?a=b`,
		(name) => `user@${name}`,
		(name) => `ftp://${name}`,
		(name) => `${name}.`,
		(name) => ` ${name}`,
		(name) => `${name}.local`,
		(name) => `${"a".repeat(260)}.${name}`,
		() => "192.0.2.1",
		() => "[2001:db8::1]",
		() => "single",
		() => "localhost",
		() => "",
	],
};

type Answer = "ok" | { status: number; error: string };
/** What a probe of the host finds. */
type Found = "pds" | "nothing" | "relay";

/** The rules, as a reader of the documentation would apply them. */
class Rules {
	readonly known = new Map<string, "pds" | "relay">();
	readonly bans = new Map<string, Ban>();
	readonly found = new Map<string, Found>();
	readonly failures = new Map<string, number>();
	newToday = 0;
	probes = 0;

	readonly isDisabled: boolean;
	readonly allowInsecure: boolean;
	readonly newPerDayMax: number;

	constructor(rng: Rng) {
		this.isDisabled = rng.int(8) === 0;
		this.allowInsecure = rng.int(2) === 0;
		this.newPerDayMax = rng.int(12);
	}

	answer(name: string, form: keyof typeof FORMS, { admin, ip }: { admin: boolean; ip: string }): Answer {
		if (this.isDisabled && !admin) return { status: 403, error: "Forbidden" };
		if (form === "bad" || (form === "insecure" && !(admin && this.allowInsecure))) return REFUSED;
		if (this.bans.has(name)) return BANNED;
		const known = this.known.get(name);
		if (known === "relay" && !admin) return BANNED;
		if (known !== undefined) {
			this.known.set(name, "pds");
			return "ok";
		}
		const failures = this.failures.get(ip) ?? 0;
		if (!admin && (failures >= FAILED_PROBES_PER_HOUR || this.newToday >= this.newPerDayMax)) return LIMITED;
		this.probes++;
		const found = this.found.get(name);
		if (found !== "pds") {
			if (!admin) this.failures.set(ip, failures + 1);
			return found === "relay" ? BANNED : { status: 400, error: "HostNotFound" };
		}
		this.known.set(name, "pds");
		if (!admin) this.newToday++;
		return "ok";
	}

	passDay(): void {
		this.newToday = 0;
		this.failures.clear();
	}
}

function makeWorld(rng: Rng, bench: Bench): Rules {
	const rules = new Rules(rng);
	for (const name of NAMES) {
		rules.found.set(name, rng.pick(["pds", "pds", "nothing", "relay"]));
		if (name.endsWith(".bad.com") && rng.int(2) === 0) rules.bans.set(name, { by: "domain", domain: "bad.com" });
		if (rng.int(8) === 0) rules.bans.set(name, { by: "host" });
		if (rng.int(3) > 0) continue;
		const status = rng.pick(["active", "offline", "banned"] as const);
		rules.known.set(name, status === "banned" ? "relay" : "pds");
		bench.rows.push(row(bench.rows.length + 1, name, status));
	}
	return rules;
}

test(`${WORLDS * REQUESTS} random requests, of strangers and admins, get the answer of the first rule that they break`, async () => {
	const rng = new Rng("crawl rules");
	const answers = new Set<string>();
	for (let world = 0; world < WORLDS; world++) {
		const bench = new Bench();
		const rules = makeWorld(rng, bench);
		const { isDisabled, newPerDayMax, allowInsecure, found, bans } = rules;
		bench.probe = async ({ hostname }) => {
			if (found.get(hostname) === "relay") throw new ProbeError("is a relay itself", { isRelay: true });
			if (found.get(hostname) === "nothing") throw new ProbeError("is unreachable");
		};
		const manager = bench.manager({
			settings: { disableRequestCrawl: isDisabled, newHostsPerDayMax: newPerDayMax },
			allowInsecureHosts: allowInsecure,
			banOf: (hostname) => bans.get(hostname) ?? null,
		});
		await manager.start();
		for (let request = 0; request < REQUESTS; request++) {
			if (rng.int(40) === 0) {
				bench.timing.pass(DAY_MS);
				rules.passDay();
			}
			const by = rng.pick([ADMIN, stranger(1), stranger(1), stranger(2)]);
			const name = rng.pick(NAMES);
			const form = rng.pick(["good", "good", "good", "insecure", "bad"] as const);
			const written = rng.pick(FORMS[form])(name);
			const expected = rules.answer(name, form, by);
			const result = await manager.requestCrawl(written, by);
			const got = result.ok ? "ok" : { status: result.status, error: result.error };
			expect([written, by, got]).toEqual([written, by, expected]);
			// The first rule that is broken is named, for people too; and nothing is asked of the network if no probe is due.
			if (!result.ok) expect(result.message).toMatch(/\S+ \S+/);
			expect(bench.probed).toHaveLength(rules.probes);
			expect(manager.isKnown(name)).toBe(rules.known.has(name));
			answers.add(result.ok ? "ok" : result.error);
		}
		manager.stop();
	}
	expect([...answers].sort()).toEqual([
		"Forbidden",
		"HostBanned",
		"HostNotFound",
		"InvalidRequest",
		"RateLimitExceeded",
		"ok",
	]);
});
