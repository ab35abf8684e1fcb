import type { Config } from "../config/settings.ts";
import { budgetWarning, type DescriptorBudget } from "../descriptors/budget.ts";
import { DescriptorGuard, openDescriptorSystem } from "../descriptors/guard.ts";
import { logOf } from "../observe/log.ts";
import type { Counts } from "./counts.ts";

/**
 * Begins to keep strangers from taking all descriptors, where the system lets us see to it, and warns if there are too few
 * for what the settings allow.
 */
export function startGuard(
	config: Config,
	{ own: counters, totals }: Counts,
	budget: DescriptorBudget | null,
	closeIdle: () => void,
): DescriptorGuard | null {
	const system = openDescriptorSystem();
	// A port that the system chooses is a test's own.
	if (budget === null || system === null || config.apiBind.port === 0) return null;
	const warning = budgetWarning(budget, config, totals.count("hosts_known"));
	if (warning !== null) logOf("relay").warning(warning);
	const consumersPerIpMax = Math.min(budget.consumersMax, config.consumersPerIpMax);
	// As many consumers of one network may connect at once as it may have.
	const plainPerNetworkMax = Math.min(budget.plainMax, Math.max(budget.plainPerNetworkMax, consumersPerIpMax));
	const guard = new DescriptorGuard({
		system,
		port: config.apiBind.port,
		limits: {
			plainMax: budget.plainMax,
			// All connections come from the proxy.
			plainPerNetworkMax: config.trustProxy ? null : plainPerNetworkMax,
			answeredPerNetworkMax: config.trustProxy ? null : plainPerNetworkMax + consumersPerIpMax,
		},
		expected: () => {
			const connected = totals.count("hosts_connected") + totals.count("consumers_connected");
			return Math.min(budget.own, budget.limit / 4) + connected;
		},
		counters,
		closeIdle,
	});
	guard.start();
	return guard;
}
