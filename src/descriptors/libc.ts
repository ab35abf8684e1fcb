import { dlopen, ptr } from "bun:ffi";
import { INSTRUCTION_BYTES } from "./packet-filter.ts";

/**
 * The few calls of the system's C library that the runtime does not offer: for the limit of open files, for the connections of
 * this process, and for the packet filter. Linux only; `open` gives null anywhere else, or if the library can't be loaded.
 * Nothing on the data path calls it.
 */

const LIBRARIES = ["libc.so.6", `libc.musl-${process.arch === "arm64" ? "aarch64" : "x86_64"}.so.1`];

const FUNCTIONS = {
	getrlimit: { args: ["i32", "ptr"], returns: "i32" },
	setrlimit: { args: ["i32", "ptr"], returns: "i32" },
	getsockname: { args: ["i32", "ptr", "ptr"], returns: "i32" },
	getpeername: { args: ["i32", "ptr", "ptr"], returns: "i32" },
	getsockopt: { args: ["i32", "i32", "i32", "ptr", "ptr"], returns: "i32" },
	setsockopt: { args: ["i32", "i32", "i32", "ptr", "u32"], returns: "i32" },
	shutdown: { args: ["i32", "i32"], returns: "i32" },
} as const;

const RLIMIT_NOFILE = 7;
const AF_INET = 2;
const AF_INET6 = 10;
const SOCKADDR_BYTES = 28;
const IPPROTO_TCP = 6;
const TCP_INFO = 11;
const TCP_INFO_BYTES = 256;
/**
 * Offsets in `struct tcp_info` of the bytes that the other side has acknowledged and of those that it has sent. Since Linux
 * 4.2.
 */
const BYTES_ACKED_AT = 120;
const BYTES_RECEIVED_AT = 128;
const TCP_INFO_BYTES_MIN = 136;
/** States in which we have not closed the connection: ESTABLISHED, CLOSE_WAIT. */
const OPEN_STATES: readonly (number | undefined)[] = [1, 8];
const SHUT_RDWR = 2;
const SOL_SOCKET = 1;
const SO_ATTACH_FILTER = 26;
const SO_DETACH_FILTER = 27;
const SO_ACCEPTCONN = 30;
/** `struct sock_fprog`: the number of instructions, and their address at byte 8. */
const FILTER_BYTES = 16;

/** How many files a process may have open. `soft` is the limit in force, and may be raised up to `hard`. */
export interface OpenLimit {
	soft: number;
	hard: number;
}

/** A connection that this process accepted, or made. */
export interface Connection {
	descriptor: number;
	localPort: number;
	/** Address of the other side, as text. */
	address: string;
	bytesReceived: number;
	/** Something that we sent has arrived: at a server, an answer. */
	isAnswered: boolean;
}

export class Libc {
	readonly #functions: ReturnType<typeof dlopen<typeof FUNCTIONS>>["symbols"];
	readonly #limit = new BigUint64Array(2);
	readonly #address = Buffer.alloc(SOCKADDR_BYTES);
	readonly #info = Buffer.alloc(TCP_INFO_BYTES);
	readonly #length = new Uint32Array(1);

	private constructor(functions: ReturnType<typeof dlopen<typeof FUNCTIONS>>["symbols"]) {
		this.#functions = functions;
	}

	/** Null on a system that does not have these calls. */
	static open(): Libc | null {
		if (process.platform !== "linux") return null;
		for (const name of LIBRARIES) {
			try {
				return new Libc(dlopen(name, FUNCTIONS).symbols);
			} catch {
				// The system has another C library, or one without these calls.
			}
		}
		return null;
	}

	openLimit(): OpenLimit | null {
		if (this.#functions.getrlimit(RLIMIT_NOFILE, this.#limit) !== 0) return null;
		const [soft = 0n, hard = 0n] = this.#limit;
		return { soft: Number(soft), hard: Number(hard) };
	}

	/** Sets the limit of the whole process. Returns whether the system accepted it. */
	setOpenLimit({ soft, hard }: OpenLimit): boolean {
		this.#limit[0] = BigInt(soft);
		this.#limit[1] = BigInt(hard);
		return this.#functions.setrlimit(RLIMIT_NOFILE, this.#limit) === 0;
	}

	/** The connection that a descriptor stands for; null if it is none, or is closed already. */
	connection(descriptor: number): Connection | null {
		const localPort = this.#endpoint("getsockname", descriptor)?.port;
		if (localPort === undefined) return null;
		const peer = this.#endpoint("getpeername", descriptor);
		if (peer === null) return null;
		this.#length[0] = TCP_INFO_BYTES;
		if (this.#functions.getsockopt(descriptor, IPPROTO_TCP, TCP_INFO, this.#info, this.#length) !== 0) return null;
		if ((this.#length[0] ?? 0) < TCP_INFO_BYTES_MIN || !OPEN_STATES.includes(this.#info[0])) return null;
		return {
			descriptor,
			localPort,
			address: peer.address,
			bytesReceived: Number(this.#info.readBigUInt64LE(BYTES_RECEIVED_AT)),
			// The SYN counts as one byte on some systems.
			isAnswered: this.#info.readBigUInt64LE(BYTES_ACKED_AT) > 1n,
		};
	}

	/** Whether a descriptor is a socket that listens on a port. */
	isListener(descriptor: number, port: number): boolean {
		if (this.#endpoint("getsockname", descriptor)?.port !== port) return false;
		this.#length[0] = 4;
		const { getsockopt } = this.#functions;
		return getsockopt(descriptor, SOL_SOCKET, SO_ACCEPTCONN, this.#info, this.#length) === 0 && this.#info[0] === 1;
	}

	/** Attaches a program of the packet filter to a socket, in place of any other; null removes it. */
	filterPackets(descriptor: number, program: Buffer | null): void {
		const filter = Buffer.alloc(FILTER_BYTES);
		if (program !== null) {
			filter.writeUInt16LE(program.length / INSTRUCTION_BYTES, 0);
			filter.writeBigUInt64LE(BigInt(ptr(program)), 8);
		}
		const option = program === null ? SO_DETACH_FILTER : SO_ATTACH_FILTER;
		this.#functions.setsockopt(descriptor, SOL_SOCKET, option, filter, FILTER_BYTES);
	}

	/** Ends a connection in both directions. Its owner sees it end, and closes the descriptor. */
	end(descriptor: number): void {
		this.#functions.shutdown(descriptor, SHUT_RDWR);
	}

	#endpoint(call: "getsockname" | "getpeername", descriptor: number): { address: string; port: number } | null {
		this.#length[0] = SOCKADDR_BYTES;
		if (this.#functions[call](descriptor, this.#address, this.#length) !== 0) return null;
		const family = this.#address.readUInt16LE(0);
		const port = this.#address.readUInt16BE(2);
		if (family === AF_INET) return { address: this.#address.subarray(4, 8).join("."), port };
		if (family !== AF_INET6) return null;
		const groups = Array.from({ length: 8 }, (_, at) => this.#address.readUInt16BE(8 + 2 * at).toString(16));
		return { address: groups.join(":"), port };
	}
}
