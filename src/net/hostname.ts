import { dnsNameFault } from "../protocol/dns-name.ts";
import { HOSTNAME_CHARS_MAX } from "../protocol/limits.ts";

/** A string is not the name of a host that a relay may connect to. The message names the rule. */
export class HostnameError extends Error {
	override readonly name = "HostnameError";
}

export interface HostnameOptions {
	/** Accept `localhost:PORT`, and names below `.test`: for development only. */
	allowLocalhost: boolean;
	/** Accept http:// and ws:// for other hosts too. */
	allowInsecure?: boolean;
}

export interface ParsedHostname {
	/** Lower-case DNS name, or `localhost:PORT`. */
	hostname: string;
	/** We connect to it by ws:// and http:// instead of wss:// and https://. */
	insecure: boolean;
}

const PORT = /^[1-9][0-9]{0,4}$/;
const PORT_MAX = 65_535;
const SCHEMES_SECURE: ReadonlySet<string> = new Set(["https", "wss"]);
const SCHEMES_INSECURE: ReadonlySet<string> = new Set(["http", "ws"]);
/** The longest scheme and a closing slash come on top of the name. */
const INPUT_CHARS_MAX = HOSTNAME_CHARS_MAX + "https:///".length;

/**
 * Reads what a caller of `requestCrawl` gives as hostname: a bare name, or an origin with the scheme https, wss, http or ws.
 *
 * Rules of rulebook 5, as in the reference relay: a public DNS name without port, path, query or userinfo; or, if that is
 * allowed, `localhost` with a port, which is insecure unless the scheme says otherwise. Throws `HostnameError`.
 */
export function parseHostname(input: string, options: HostnameOptions): ParsedHostname {
	if (input.length > INPUT_CHARS_MAX) throw new HostnameError(`longer than ${HOSTNAME_CHARS_MAX} characters`);
	const { scheme, authority } = splitOrigin(input.toLowerCase());
	const { name, port } = splitPort(authority);
	const insecure = isInsecure(scheme);
	if (name === "localhost") return parseLocalhost(port, insecure ?? true, options.allowLocalhost);
	if (port !== null) throw new HostnameError("an explicit port is not allowed");
	const fault = dnsNameFault(name, options.allowLocalhost);
	if (fault !== null) throw new HostnameError(fault);
	if (insecure && options.allowInsecure !== true)
		throw new HostnameError("TLS is required: http and ws are not allowed");
	return { hostname: name, insecure: insecure ?? false };
}

/**
 * Whether a host may be at a private address: an operator has named it as `localhost:PORT`, or asked for it by http:// or
 * ws://. Strangers can do neither.
 */
export function mayBePrivate({ hostname, insecure }: ParsedHostname): boolean {
	return insecure || hostname.startsWith("localhost:");
}

function splitOrigin(input: string): { scheme: string | null; authority: string } {
	const at = input.indexOf("://");
	if (at < 0) return { scheme: null, authority: onlyAuthority(input) };
	const rest = input.slice(at + "://".length);
	return { scheme: input.slice(0, at), authority: onlyAuthority(rest.endsWith("/") ? rest.slice(0, -1) : rest) };
}

function onlyAuthority(text: string): string {
	if (text.includes("@")) throw new HostnameError("userinfo is not allowed");
	if (/[/\\?#]/.test(text)) throw new HostnameError("a path, query or fragment is not allowed");
	if (text.startsWith("[")) throw new HostnameError("IP addresses are not allowed");
	return text;
}

function splitPort(authority: string): { name: string; port: string | null } {
	const at = authority.indexOf(":");
	if (at < 0) return { name: authority, port: null };
	if (authority.indexOf(":", at + 1) >= 0) throw new HostnameError("IP addresses are not allowed");
	return { name: authority.slice(0, at), port: authority.slice(at + 1) };
}

/** Null if there is no scheme. */
function isInsecure(scheme: string | null): boolean | null {
	if (scheme === null) return null;
	if (SCHEMES_SECURE.has(scheme)) return false;
	if (SCHEMES_INSECURE.has(scheme)) return true;
	throw new HostnameError("the scheme must be https, wss, http or ws");
}

function parseLocalhost(port: string | null, insecure: boolean, allowed: boolean): ParsedHostname {
	if (!allowed) throw new HostnameError("localhost is not allowed");
	if (port === null) throw new HostnameError("localhost needs a port");
	if (!PORT.test(port) || Number(port) > PORT_MAX) throw new HostnameError(`the port must be 1 to ${PORT_MAX}`);
	return { hostname: `localhost:${port}`, insecure };
}
