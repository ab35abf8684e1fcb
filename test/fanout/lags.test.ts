import { expect, test } from "bun:test";
import { noteLags } from "../../src/fanout/lags.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Rng } from "../../src/sim/rng.ts";
import { countedBy } from "../observe/counted.ts";

test("consumers are counted by how far they are behind, each time anew", () => {
	const rng = new Rng("lags");
	const counters = new Counters();
	for (let round = 0; round < 100; round++) {
		const lags = Array.from({ length: rng.int(20) }, () => rng.pick([0, 1, 99, 100, rng.int(2_000_000), 1_000_000]));
		noteLags(lags, counters);
		const expected = ["1", "100", "1000", "10000", "100000", "1000000"]
			.map((records) => [records, lags.filter((lag) => lag >= Number(records)).length] as const)
			.filter(([, count]) => count > 0);
		expect(countedBy(counters, "consumers_behind")).toEqual(Object.fromEntries(expected));
	}
});
