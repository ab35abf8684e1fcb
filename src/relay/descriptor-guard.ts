import type { Config } from "../config/settings.ts";
import { budgetWarning, type DescriptorBudget } from "../descriptors/budget.ts";
import { DescriptorGuard, openDescriptorSystem } from "../descriptors/guard.ts";
import { logOf } from "../observe/log.ts";
import type { Counts } from "./counts.ts";

/**
 * Starts the guard that keeps strangers from taking all descriptors, and warns if the limit is too low for the settings. Null
 * if the system offers no way to do it.
 */
export function startGuard(
	config: Config,
	{ own: counters, totals }: Counts,
	budget: DescriptorBudget | null,
	closeIdle: () => void,
): DescriptorGuard | null {
	const system = openDescriptorSystem();
	// Only tests let the system choose a port.
	if (budget === null || system === null || config.apiBind.port === 0) return null;
	const warning = budgetWarning(budget, config, totals.count("hosts_known"));
	if (warning !== null) logOf("relay").warning(warning);
	const consumersPerIpMax = Math.min(budget.consumersMax, config.consumersPerIpMax);
	// All consumers that a network may have may connect at the same moment.
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
		descriptorsMax: budget.limit,
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
