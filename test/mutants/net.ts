import type { Mutant } from "./table.ts";

const SUBSCRIPTION = ["ingest/host/subscription.test.ts"];
const SHARD = ["ingest/did/shard.test.ts"];
const SOCKET = ["ingest/host/socket.test.ts"];
const REBINDING = ["net/rebinding.test.ts"];
const BOUNDARY = ["runtime/boundary.test.ts"];

/** Faults at the boundary between strangers and the process: a catch that is missing, or that catches too much. */
export const NET_MUTANTS: readonly Mutant[] = [
	{
		name: "a fault in handling a frame ends the process",
		file: "ingest/host/subscription.ts",
		find: 'if (!isRule) reportFailure("a frame\'s intake", error, { host: this.#host.hostname }, bytes);',
		replace: "if (!isRule) throw error;",
		tests: SUBSCRIPTION,
	},
	{
		name: "a message on which the relay failed is never settled",
		file: "ingest/host/subscription.ts",
		find: "if (slot.outcome === null) arrival.settle(FAILED);",
		replace: "",
		tests: SUBSCRIPTION,
	},
	{
		name: "a fault in an admission ends the process",
		file: "ingest/did/shard.ts",
		find: 'const rejection = isRule ? error : new Rejection("internal-error");',
		replace: "if (!isRule) throw error;\n\t\tconst rejection = error;",
		tests: SHARD,
	},
	{
		name: "a failure of something that a message waits for ends the thread",
		file: "ingest/did/shard.ts",
		find: "(error: unknown) => this.#failFirst(name, error),",
		replace: "(error: unknown) => Promise.reject(error),",
		tests: SHARD,
	},
	{
		name: "an internal error keeps the connection",
		file: "ingest/did/shard.ts",
		find: 'this.#settle(arrival, rejection.reason === "internal-error" ? FAILED : REJECTED);',
		replace: "arrival.settle(REJECTED);",
		tests: SHARD,
	},
	{
		name: "damage to our own data is contained",
		file: "runtime/boundary.ts",
		find: "error instanceof Damage || error instanceof Unavailable",
		replace: "error instanceof Unavailable",
		tests: BOUNDARY,
	},
	{
		name: "a failing disk is contained",
		file: "runtime/boundary.ts",
		find: "error instanceof Damage || error instanceof Unavailable",
		replace: "error instanceof Damage",
		tests: BOUNDARY,
	},
	{
		name: "a contained fault is thrown again",
		file: "runtime/boundary.ts",
		find: "reportFailure(place, error);\n\t\treturn false;",
		replace: "reportFailure(place, error);\n\t\tthrow error;",
		tests: BOUNDARY,
	},
	{
		name: "a close reason of any length is sent",
		file: "ingest/host/socket.ts",
		find: "this.#socket.close(code, cutToBytes(reason, CLOSE_REASON_BYTES_MAX));",
		replace: "this.#socket.close(code, reason);",
		tests: SOCKET,
	},
	{
		name: "a name that no URL can have is accepted as a host name",
		file: "protocol/dns-name.ts",
		find: "?.hostname !== name)",
		replace: "?.hostname === name.slice(1))",
		tests: ["net/hostname.test.ts"],
	},
	{
		name: "the payload of an unknown kind is decoded",
		file: "protocol/frame.ts",
		find: 'if (header === null) return { kind: "ignored" };',
		replace:
			'if (header === null) {\n\t\tskipItem(frame, scanner.offset, frame.length, "frame");\n\t\treturn { kind: "ignored" };\n\t}',
		tests: ["protocol/frame.test.ts"],
	},
	{
		name: "a log line is written for every rejection",
		file: "runtime/log-limiter.ts",
		find: "if (last !== undefined && nowMs - last.atMs < this.#intervalMs) {",
		replace: "if (last !== undefined && nowMs < last.atMs) {",
		tests: ["runtime/log-limiter.test.ts"],
	},
	{
		name: "a request goes to a name that was checked, and not to its address",
		file: "net/guarded-fetch.ts",
		find: "target.hostname = to.family === 6",
		replace: "target.hash = to.family === 6",
		tests: REBINDING,
	},
	{
		name: "one public address among private ones is enough",
		file: "net/address.ts",
		find: "addresses.every(({ address }) => isPublicAddress(address))",
		replace: "addresses.some(({ address }) => isPublicAddress(address))",
		tests: REBINDING,
	},
	{
		name: "a host's lookup gives addresses that are not public",
		file: "ingest/host/socket.ts",
		find: "if (fault !== null || first === undefined) {",
		replace: "if (first === undefined) {",
		tests: REBINDING,
	},
	{
		name: "whoever asks for a host is told to which private address its name leads",
		file: "net/address.ts",
		find: 'return "its name leads to an address that is not public";',
		replace: 'return addresses.map(({ address }) => address).join(" or ");',
		tests: ["hosts/probe.test.ts"],
	},
];
