import type { EventLimits } from "../config/setting.ts";
import type { Config } from "../config/settings.ts";
import type { RuntimeSettings } from "../control/policy.ts";
import { eventLimitsOf, isTrusted } from "../hosts/event-limits.ts";
import type { HostManager } from "../hosts/manager.ts";
import type { IndexReader } from "../index/store.ts";
import type { Appender } from "../log/appender.ts";
import { accountLimitOf } from "../policy/account-limit.ts";
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

/** What holds for a host by what is configured and set, and by how it has behaved. */
export function hostRules(config: Config, { policies, settings }: Policy, hosts: Pick<HostManager, "goodDaysOf">) {
	const limitOf = (hostname: string): number | null =>
		accountLimitOf({
			own: policies.hostPolicy(hostname).accountLimit,
			isTrusted: isTrusted(hostname, config.trustedDomains),
			general: settings.accountLimit,
			goodDays: hosts.goodDaysOf(hostname),
			growth: config.accountGrowth,
		});
	return {
		/** How many accounts may have a place there; null for any number. */
		accountLimitOf: limitOf,
		/** How many messages may pass; null for any number. */
		limitsOf: (hostname: string): EventLimits | null =>
			policies.hostPolicy(hostname).eventLimits ?? eventLimitsOf(hostname, limitOf(hostname), config),
		banOf: (hostname: string): Ban | null => policies.banOf(hostname),
	};
}
