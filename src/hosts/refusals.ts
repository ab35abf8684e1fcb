import { type Refusal, refusal } from "../control/api.ts";
import { HostnameError, type ParsedHostname, parseHostname } from "../net/hostname.ts";
import type { Ban } from "../policy/policies.ts";
import { HOST_BANNED } from "./crawl-gate.ts";
import type { ManagedHost } from "./managed-host.ts";

export const STARTING = refusal(503, "ServiceUnavailable", "the relay is starting, try again in a moment", 1);
export const STOPPED = refusal(503, "ServiceUnavailable", "the relay is shutting down");

/** Why a host is banned, for people. */
export function reasonOf(ban: Ban): string {
	return ban.by === "host" ? "the operator has banned this host" : `the operator has banned the domain ${ban.domain}`;
}

/** Refuses a host that the operator has banned. */
export function refusedBy(ban: Ban, hostname: string): Refusal {
	return refusal(403, HOST_BANNED, `host ${hostname} is not followed: ${reasonOf(ban)}`);
}

/** Refuses a host that is not dialled. Without a ban of the operator's it is a relay. */
export function banned({ hostname, driver }: Pick<ManagedHost, "hostname" | "driver">): Refusal {
	const why = driver.state.ban ?? "it is a relay itself, and following it would make a loop";
	return refusal(403, HOST_BANNED, `host ${hostname} is not followed: ${why}`);
}

/** The host that a name means. Without `allowInsecure`, neither `localhost:PORT` nor a host without TLS. */
export function parsedOr400(input: string, allowInsecure: boolean): ParsedHostname | Refusal {
	try {
		return parseHostname(input, { allowLocalhost: allowInsecure, allowInsecure });
	} catch (error) {
		if (!(error instanceof HostnameError)) throw error;
		return refusal(400, "InvalidRequest", `hostname: ${error.message}`);
	}
}
