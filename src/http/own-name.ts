import { isIP } from "node:net";

/** Ends of names that no stranger can register. */
const PRIVATE_ENDS = [
	".localhost",
	".local",
	".internal",
	".lan",
	".home.arpa",
	".test",
	".intranet",
	".corp",
] as const;

/**
 * Whether a `Host` header names a machine as only its own network can: by an IP address, without a dot, or below an end that nobody can
 * register. A page of a stranger can have its own name lead to the operator's machine, and is then of the same origin to the browser; but
 * its name stands in this header. Programs may send none.
 */
export function isOwnName(host: string | undefined): boolean {
	if (host === undefined) return true;
	const name = URL.parse(`http://${host}`)?.hostname.replace(/\.$/, "");
	if (name === undefined) return false;
	if (isIP(name.replace(/^\[(.*)\]$/, "$1")) !== 0) return true;
	return !name.includes(".") || PRIVATE_ENDS.some((end) => name.endsWith(end));
}
