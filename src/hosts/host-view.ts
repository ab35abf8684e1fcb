import type { HostView } from "../control/why.ts";
import type { Ban } from "../policy/policies.ts";
import type { HostFault } from "./fault.ts";
import { detailOf, faultOf, type HostState } from "./state.ts";

/** Faults whose own text may name what strangers can't see: addresses that only the relay's resolver gives, and the relay's insides. */
const TEXTS_FOR_STRANGERS: Partial<Record<HostFault, string>> = {
	"private-address": "its name leads to an address that is not public",
	internal: "the relay has failed on it, by a fault of its own",
};

/** What is told of a host to anybody who asks why its messages do not pass. */
export function hostViewOf(hostname: string, state: HostState, ban: Ban | null): HostView {
	const { phase, connectedAtMs, lastEventMs, failures, nextAttemptMs } = state;
	return {
		...{ hostname, phase, ban, connectedAtMs, lastEventMs, failures, nextAttemptMs },
		lastError: lastErrorOf(state),
	};
}

/** Why a host has its status, as `detailOf`, but without what strangers can't be told. */
export function publicDetailOf(state: HostState): string {
	if (state.ban !== null) return "banned by the operator of this relay";
	const error = state.phase === "connected" ? null : lastErrorOf(state);
	return error === null ? detailOf(state) : `${error.text}; ${error.advice}`;
}

function lastErrorOf(state: HostState): HostView["lastError"] {
	const rule = faultOf(state);
	const { lastError } = state;
	if (rule === null || lastError === null) return null;
	const { fault, text, atMs } = lastError;
	const told = Object.hasOwn(TEXTS_FOR_STRANGERS, fault) ? TEXTS_FOR_STRANGERS[fault as HostFault] : undefined;
	return { text: told ?? text.replace(/[.\s]+$/, ""), advice: rule.advice, atMs };
}
