import type { Resolution } from "../../../identity/identity.ts";
import { Rejection } from "../../../protocol/rejection.ts";
import type { SigningKey } from "../../../verify/engine.ts";
import type { Arrival } from "../../arrival.ts";

/**
 * The signing key for the account of a message, if the message comes from the host that the DID document names. `retry`: it comes
 * from another host, but the document has not been refreshed yet and may name that host now.
 *
 * @throws Rejection if there is no usable document, or the refreshed one names another host
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
