import { expect, test } from "bun:test";
import { budgetWarning, shareDescriptors } from "../../src/descriptors/budget.ts";
import { Rng } from "../../src/sim/rng.ts";

const DEFAULTS = { ingestWorkers: 6, fanoutWorkers: 1, plcMirror: false, consumersMax: 1_000 };

test("the shares of any limit that is enough for the relay itself add up to no more than the limit", () => {
	const rng = new Rng("budgets");
	for (let at = 0; at < 2_000; at++) {
		const users = {
			ingestWorkers: 1 + rng.int(64),
			fanoutWorkers: 1 + rng.int(64),
			plcMirror: rng.int(2) === 0,
			consumersMax: 1 + rng.int(1_000_000),
		};
		const limit = 100 + rng.int(rng.pick([1_000, 20_000, 1_000_000]));
		const { own, plainMax, plainPerNetworkMax, consumersMax, hostsMax } = shareDescriptors(limit, users);
		if (own + plainMax + 2 <= limit) expect(own + plainMax + consumersMax + hostsMax).toBe(limit);
		expect(consumersMax).toBeLessThanOrEqual(users.consumersMax);
		expect(Math.min(consumersMax, hostsMax, plainPerNetworkMax)).toBeGreaterThan(0);
		expect(plainPerNetworkMax).toBeLessThanOrEqual(plainMax);
	}
});

test("a limit that is too low is warned of, with one that is enough", () => {
	const enough = shareDescriptors(20_000, DEFAULTS);
	expect(enough.consumersMax).toBe(1_000);
	expect(budgetWarning(enough, DEFAULTS, 3_000)).toBeNull();
	expect(budgetWarning(enough, DEFAULTS, 30_000)).toContain(
		"too low for 1000 consumers (RELAY_MAX_CONSUMERS) and 30000 hosts",
	);
	for (const [limit, users, hosts] of [
		[1_024, DEFAULTS, 0],
		[20_000, { ...DEFAULTS, consumersMax: 50_000 }, 10],
		[20_000, DEFAULTS, 30_000],
	] as const) {
		const warning = budgetWarning(shareDescriptors(limit, users), users, hosts);
		const needed = Number(/to (\d+)$/.exec(warning ?? "")?.[1]);
		expect(needed).toBeGreaterThan(limit);
		expect(budgetWarning(shareDescriptors(needed, users), users, hosts)).toBeNull();
	}
});
