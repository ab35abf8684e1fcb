import type { Resolution } from "../../../identity/identity.ts";
import { Rejection } from "../../../protocol/rejection.ts";
import type { SigningKey } from "../../../verify/engine.ts";
import type { Arrival } from "../../arrival.ts";

/**
 * The key that holds for the account of a message, if it comes from the host that the account's DID document names. `retry`: it
 * doesn't, but a refreshed document may name that host.
 *
 * @throws Rejection
 */
export function keyAtHome({ sender, refreshed }: Arrival, resolution: Resolution): SigningKey | "retry" {
	if (resolution.outcome === "not-found") throw new Rejection("identity-not-found");
	if (resolution.outcome === "tombstoned") throw new Rejection("identity-tombstoned");
	if (resolution.outcome === "unavailable") throw new Rejection("identity-unresolvable", resolution.detail);
	if (resolution.outcome === "malformed") throw new Rejection("identity-malformed", resolution.detail);
	const { signingKey, pdsHost, pdsFault } = resolution.identity;
	if (pdsHost === null) throw new Rejection("identity-malformed", pdsFault ?? "there is no usable PDS");
	if (pdsHost !== sender.hostname) {
		if (!refreshed) return "retry";
		throw new Rejection("host-mismatch");
	}
	if (signingKey === null) throw new Rejection("identity-malformed", "no signing key");
	return signingKey;
}
