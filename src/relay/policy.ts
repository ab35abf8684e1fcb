import type { EventLimits } from "../config/setting.ts";
import type { Config } from "../config/settings.ts";
import type { RuntimeSettings } from "../control/policy.ts";
import { eventLimitsOf } from "../hosts/event-limits.ts";
import type { IndexReader } from "../index/store.ts";
import type { Appender } from "../log/appender.ts";
import { type Ban, Policies } from "../policy/policies.ts";
import { runtimeSettings } from "../policy/settings.ts";

/** What the operator has set. */
export interface Policy {
	policies: Policies;
	settings: RuntimeSettings;
}

/** Loads what the operator has set. @param reader of an index that has caught up with the log */
export async function loadPolicy(config: Config, reader: IndexReader, appender: Appender): Promise<Policy> {
	const policies = await Policies.load(reader, appender);
	return { policies, settings: runtimeSettings(policies, config) };
}

/** What holds for a host by what is configured and set. */
export function hostRules(config: Config, { policies, settings }: Policy) {
	const accountLimitOf = (hostname: string): number =>
		policies.hostPolicy(hostname).accountLimit ?? settings.accountLimit;
	return {
		/** How many accounts it is expected to have at most. */
		accountLimitOf,
		/** How many messages may pass; null for any number. */
		limitsOf: (hostname: string): EventLimits | null =>
			policies.hostPolicy(hostname).eventLimits ?? eventLimitsOf(hostname, accountLimitOf(hostname), config),
		banOf: (hostname: string): Ban | null => policies.banOf(hostname),
	};
}
