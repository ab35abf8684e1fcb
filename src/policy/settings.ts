import { ACCOUNTS_MAX } from "../config/setting.ts";
import type { RuntimeSettings } from "../control/policy.ts";
import type { Policies } from "./policies.ts";

type Name = keyof RuntimeSettings;

/** What values a setting may have: the rule in words, and whether a value keeps it. */
interface Rule {
	readonly text: string;
	isKept(value: unknown): boolean;
}

export const SETTING_RULES: { readonly [N in Name]: Rule } = {
	disableRequestCrawl: { text: "true or false", isKept: (value) => typeof value === "boolean" },
	newHostsPerDayMax: upTo(1_000_000),
	accountLimit: upTo(ACCOUNTS_MAX),
};

function upTo(max: number): Rule {
	return {
		text: `an integer from 0 to ${max}`,
		isKept: (value) => Number.isInteger(value) && Number(value) >= 0 && Number(value) <= max,
	};
}

export const RUNTIME_SETTINGS = Object.keys(SETTING_RULES) as readonly Name[];

/** The value of a setting that holds now. One that an operator has set may be of a release with another rule; then it does not count. */
export function settingOf<N extends Name>(
	name: N,
	policies: Policies,
	configured: RuntimeSettings,
): RuntimeSettings[N] {
	const value = policies.setting(name);
	return SETTING_RULES[name].isKept(value) ? (value as RuntimeSettings[N]) : configured[name];
}

/** All settings that hold now, read each time that they are asked for. */
export function runtimeSettings(policies: Policies, configured: RuntimeSettings): RuntimeSettings {
	return {
		get disableRequestCrawl() {
			return settingOf("disableRequestCrawl", policies, configured);
		},
		get newHostsPerDayMax() {
			return settingOf("newHostsPerDayMax", policies, configured);
		},
		get accountLimit() {
			return settingOf("accountLimit", policies, configured);
		},
	};
}
