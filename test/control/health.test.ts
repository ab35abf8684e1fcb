import { describe, expect, test } from "bun:test";
import { Hono } from "hono";
import { HEALTH_CHECKS, Health } from "../../src/control/health.ts";
import { DISK_FAULT_REASONS } from "../../src/disk/fault.ts";
import { healthHandler } from "../../src/http/health.ts";
import { STORE_FAULT_REASONS } from "../../src/index/store-fault.ts";
import { Rng } from "../../src/sim/rng.ts";

const CASES = 500;

/** A relay in any state, as its owner sees it, and which checks find something. */
function anyHealth(rng: Rng) {
	const health = new Health();
	health.isStarting = rng.int(2) === 0;
	health.isDraining = rng.int(2) === 0;
	health.log = rng.pick([null, ...DISK_FAULT_REASONS]);
	health.index = rng.pick([null, ...STORE_FAULT_REASONS]);
	health.areReadsStalled = rng.int(3) === 0;
	const { isStarting, isDraining, log, index, areReadsStalled } = health;
	const found = { start: isStarting, drain: isDraining, log: log !== null, index: index !== null || areReadsStalled };
	return { health, found, reasons: [log, index].filter((reason) => reason !== null) };
}

describe("Health", () => {
	test("tells other threads what its owner has noted, in any order", () => {
		const rng = new Rng("health");
		const owner = new Health();
		const other = new Health(owner.buffer);
		expect(other.fault()).toBe("the relay is starting");
		owner.isStarting = false;
		expect(other.fault()).toBeNull();
		let log: Health["log"] = null;
		let index: Health["index"] = null;
		for (let at = 0; at < CASES; at++) {
			if (rng.int(2) === 0) owner.log = log = rng.pick([null, ...DISK_FAULT_REASONS]);
			else owner.index = index = rng.pick([null, ...STORE_FAULT_REASONS]);
			expect([other.log, other.index, other.isStarting, other.isDraining]).toEqual([log, index, false, false]);
		}
	});

	test("a probe fails if a check that it does not leave out finds something, and says all reasons", async () => {
		const rng = new Rng("probes");
		const seen = new Set<number>();
		for (let at = 0; at < CASES; at++) {
			const { health, found, reasons } = anyHealth(rng);
			const excluded = HEALTH_CHECKS.filter(() => rng.int(3) === 0);
			const query = rng.pick([excluded.join(","), excluded.join("&exclude=")]);
			const app = new Hono().get("/", healthHandler(new Health(health.buffer)));
			const response = await app.request(excluded.length === 0 ? "/" : `/?exclude=${query}`);
			const isWell = HEALTH_CHECKS.every((check) => excluded.includes(check) || !found[check]);
			expect(response.status).toBe(isWell ? 200 : 503);
			seen.add(response.status);
			if (excluded.length > 0 || isWell) continue;
			const { message } = (await response.json()) as { message: string };
			for (const reason of reasons) expect(message).toContain(`(${reason})`);
		}
		expect(seen).toEqual(new Set([200, 503]));
	});

	test("a probe that leaves out what there is not is refused, with the names that there are", async () => {
		const app = new Hono().get("/", healthHandler(new Health()));
		for (const name of ["disk", "", "log,Index", "constructor"]) {
			const response = await app.request(`/?exclude=${name}`);
			expect(response.status).toBe(400);
			expect(await response.text()).toContain("start, drain, log, index");
		}
	});
});
