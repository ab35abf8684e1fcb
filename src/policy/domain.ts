import { HOSTNAME_CHARS_MAX } from "../protocol/limits.ts";

const LABEL = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/;

/**
 * The domain that a ban names, in its usual form: lower case, without a dot at its ends or a `*.` before it. Null if it is none. A single
 * label is one: that bans a top-level domain.
 */
export function parseDomain(input: string): string | null {
	const domain = input
		.trim()
		.toLowerCase()
		.replace(/^(?:\*?\.)/, "")
		.replace(/\.$/, "");
	if (domain.length > HOSTNAME_CHARS_MAX) return null;
	return domain.split(".").every((label) => LABEL.test(label)) ? domain : null;
}

/** The domains that a ban of which covers a host: its name, and each domain above it. A port is no part of a name. */
export function domainsOf(hostname: string): string[] {
	const [name = ""] = hostname.split(":");
	const labels = name.split(".");
	return labels.map((_, at) => labels.slice(at).join("."));
}
