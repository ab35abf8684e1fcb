import type { HostFault } from "../../hosts/fault.ts";

/** Why a connection ended, or could not be made. */
export interface SocketEnd {
	fault: HostFault;
	/** For people. */
	text: string;
}

/** The code of the error with which our own lookup refuses a name that leads into a private network. */
export const PRIVATE_ADDRESS_CODE = "ERR_PRIVATE_ADDRESS";

/** Codes of the system and of the runtime. What is not here is a TLS code, or a connection that broke. */
const BY_CODE: ReadonlyMap<string, HostFault> = new Map([
	[PRIVATE_ADDRESS_CODE, "private-address"],
	["ENOTFOUND", "dns"],
	["ECONNREFUSED", "refused"],
	["ENETUNREACH", "unreachable"],
	["EHOSTUNREACH", "unreachable"],
	["ENETDOWN", "unreachable"],
	["EHOSTDOWN", "unreachable"],
	["EADDRNOTAVAIL", "unreachable"],
	["ETIMEDOUT", "timeout"],
	["EPROTO", "tls"],
	["EMFILE", "internal"],
	["ENFILE", "internal"],
] as const);

/** Codes of the runtime's TLS, and the names that OpenSSL gives to what may be wrong with a certificate. */
const TLS_CODE =
	/^(ERR_TLS|ERR_SSL|CERT_|CRL_|UNABLE_TO_|ERROR_IN_C|DEPTH_ZERO|SELF_SIGNED|INVALID_|HOSTNAME_MISMATCH|PATH_LENGTH)/;

/** What the runtime's WebSocket says when a handshake takes too long. It has no code. */
const HANDSHAKE_TIMEOUT = "Opening handshake has timed out";

/** What an error of a WebSocket means. It may come from the resolver, from the system, from TLS or from the runtime. */
export function socketEndOf(error: Error & { code?: unknown; syscall?: unknown }): SocketEnd {
	return { fault: faultOf(error), text: error.message };
}

function faultOf({ code, syscall, message }: Error & { code?: unknown; syscall?: unknown }): HostFault {
	if (message === HANDSHAKE_TIMEOUT) return "timeout";
	if (syscall === "getaddrinfo") return "dns";
	if (typeof code !== "string") return "dropped";
	return BY_CODE.get(code) ?? (TLS_CODE.test(code) ? "tls" : "dropped");
}
