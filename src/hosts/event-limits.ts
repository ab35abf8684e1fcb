import type { EventLimits } from "../config/setting.ts";

/** The settings that decide about a host's limits. */
export interface EventLimitSettings {
	/** Of a host without accounts; null for none. */
	hostEventLimits: EventLimits | null;
	/** Of a trusted host; null for none. */
	trustedHostEventLimits: EventLimits | null;
	/** A host name, or `*` and what trusted names end with. */
	trustedDomains: readonly string[];
}

/**
 * How many messages of a host may pass in a second, an hour and a day; null for any number. More for a host that may have more accounts:
 * one a second for each thousand, one an hour and ten a day for each (as the reference relay has it).
 *
 * @param accountLimit how many accounts it may have; null for any number, as only a trusted host may
 */
export function eventLimitsOf(
	hostname: string,
	accountLimit: number | null,
	{ hostEventLimits, trustedHostEventLimits, trustedDomains }: EventLimitSettings,
): EventLimits | null {
	if (accountLimit === null || isTrusted(hostname, trustedDomains)) return trustedHostEventLimits;
	if (hostEventLimits === null) return null;
	const { perS, perHour, perDay } = hostEventLimits;
	return {
		perS: perS + Math.floor(accountLimit / 1000),
		perHour: perHour + accountLimit,
		perDay: perDay + 10 * accountLimit,
	};
}

/** Whether one of the patterns is the name, or begins with `*` and continues with what the name ends with. */
export function isTrusted(hostname: string, patterns: readonly string[]): boolean {
	return patterns.some((pattern) =>
		pattern.startsWith("*") ? hostname.endsWith(pattern.slice(1)) : hostname === pattern,
	);
}
