import { CheckedRelay, type CheckOptions } from "./checked-relay.ts";
import { GENERAL_CHECKS } from "./general-checks.ts";
import { LISTING_CHECKS } from "./listing-checks.ts";
import { READ_CHECKS } from "./read-checks.ts";
import { type Check, type Finding, findingOf } from "./rule.ts";
import { STREAM_CHECKS } from "./stream-checks.ts";

const ALL = { ...GENERAL_CHECKS, ...LISTING_CHECKS, ...READ_CHECKS, ...STREAM_CHECKS } as const;

/** The stable name of a check. */
export type CheckName = keyof typeof ALL;

/** Every check by its name, in the order in which they are made. */
export const CHECKS: { readonly [Name in CheckName]: Check } = ALL;

export const CHECK_NAMES = Object.keys(CHECKS) as readonly CheckName[];

/** A check with what it has found. */
export interface CheckResult extends Finding, Pick<Check, "severity" | "expected" | "source"> {
	name: CheckName;
}

/**
 * Makes every check of the table, one after the other, and yields each finding when it is known. It changes nothing at the relay.
 * @throws Unreachable if the relay can't be asked
 */
export async function* checkRelay(options: CheckOptions): AsyncGenerator<CheckResult> {
	const relay = new CheckedRelay(options);
	for (const name of CHECK_NAMES) {
		const check = CHECKS[name];
		const { severity, expected, source } = check;
		yield { name, severity, expected, source, ...(await findingOf(check, relay)) };
	}
}
