import { type AddedHost, HOSTS_PER_ADD_MAX } from "../../control/hosts.ts";
import { HostnameError, parseHostname } from "../../net/hostname.ts";
import type { ListedHosts } from "./source.ts";

/** Adds some hosts to a relay, at most `HOSTS_PER_ADD_MAX`. */
export type AddHosts = (hostnames: readonly string[]) => Promise<readonly AddedHost[]>;

/** How the hosts of a list have fared so far. */
export interface IntakeCounts {
	/** Hosts read from the list. */
	listed: number;
	/** Of these, hosts that the list itself says can't be followed. */
	omitted: number;
	/** Hosts that stand in the list more than once. */
	repeated: number;
	new: number;
	known: number;
	refused: number;
	/** Hosts that were refused, by the name of the rule. */
	byRule: Record<string, number>;
}

/**
 * Brings the hosts of a list to the gate, some at a time. If it is broken off, another run goes on: hosts that are known are
 * not looked at again.
 *
 * @param onStep is called after each step, with those that were refused in it
 */
export async function takeIn(
	pages: AsyncIterable<ListedHosts>,
	add: AddHosts,
	onStep: (counts: Readonly<IntakeCounts>, refused: readonly AddedHost[]) => void = () => undefined,
): Promise<IntakeCounts> {
	const counts: IntakeCounts = { listed: 0, omitted: 0, repeated: 0, new: 0, known: 0, refused: 0, byRule: {} };
	/** Names of `LISTED_HOSTS_MAX` hosts at most. */
	const seen = new Set<string>();
	const tell = (hosts: readonly AddedHost[]): void => {
		for (const { outcome, error = "" } of hosts) {
			counts[outcome]++;
			if (outcome === "refused") counts.byRule[error] = (counts.byRule[error] ?? 0) + 1;
		}
		onStep(
			counts,
			hosts.filter(({ outcome }) => outcome === "refused"),
		);
	};
	for await (const { hostnames, omitted } of pages) {
		counts.listed += hostnames.length + omitted;
		counts.omitted += omitted;
		const { good, bad, repeated } = sort(hostnames, seen);
		counts.repeated += repeated;
		tell(bad);
		for (let at = 0; at < good.length; at += HOSTS_PER_ADD_MAX) tell(await add(good.slice(at, at + HOSTS_PER_ADD_MAX)));
	}
	return counts;
}

/** Tells names that can be asked for from those that can't, and from those that came before. */
function sort(hostnames: readonly string[], seen: Set<string>): { good: string[]; bad: AddedHost[]; repeated: number } {
	const good: string[] = [];
	const bad: AddedHost[] = [];
	let repeated = 0;
	for (const name of hostnames) {
		const fault = faultOf(name);
		const key = name.toLowerCase();
		if (fault !== null) bad.push({ hostname: name, outcome: "refused", error: "InvalidRequest", message: fault });
		else if (seen.has(key)) repeated++;
		else good.push(name);
		if (fault === null) seen.add(key);
	}
	return { good, bad, repeated };
}

/** What makes a name one that no relay takes, whatever its settings; null for nothing. */
function faultOf(name: string): string | null {
	try {
		parseHostname(name, { allowLocalhost: true, allowInsecure: true });
		return null;
	} catch (error) {
		if (!(error instanceof HostnameError)) throw error;
		return `hostname: ${error.message}`;
	}
}
