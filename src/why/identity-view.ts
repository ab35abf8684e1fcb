import type { IdentityView } from "../control/why.ts";
import type { Resolution } from "../identity/identity.ts";

/** What can be told of a resolution. */
export function identityViewOf(resolution: Resolution, knownFrom: IdentityView["knownFrom"]): IdentityView {
	const { outcome } = resolution;
	const detail = "detail" in resolution ? resolution.detail : null;
	if (outcome !== "resolved") return { outcome, detail, ...NOTHING, knownFrom };
	const { signingKeyDidKey: signingKey, pds, pdsHost, pdsFault, resolvedAtMs } = resolution.identity;
	return { outcome, detail, signingKey, pds, pdsHost, pdsFault, resolvedAtMs, knownFrom };
}

const NOTHING = { signingKey: null, pds: null, pdsHost: null, pdsFault: null, resolvedAtMs: null } as const;
