import { isIPv4, isIPv6 } from "node:net";

/** What a name leads to at one lookup. */
export interface DnsAnswer {
	/** IPv4 and IPv6, in the order in which they are sent. */
	readonly addresses: readonly string[];
	/** Aliases between the name and its addresses. */
	readonly aliases?: number;
}

const TYPE_A = 1;
const TYPE_CNAME = 5;
const TYPE_SOA = 6;
const TYPE_AAAA = 28;
const HEADER_BYTES = 12;
/** An answer, recursion desired and available. */
const FLAGS_ANSWER = 0x8180;
const CODE_NO_SUCH_NAME = 3;

/** Two empty names and five numbers. The last one says for how many seconds a negative answer may be kept: 0. */
const SOA_DATA = Buffer.alloc(2 + 5 * 4);

/**
 * A DNS server over UDP whose answers may change from lookup to lookup. A lookup is a query for IPv4 addresses and one for IPv6 addresses.
 * All records have a TTL of 0, so nobody may keep them.
 */
export class DnsServer {
	readonly #names = new Map<string, (lookup: number) => DnsAnswer>();
	/** Queries by name and type. */
	readonly #queries = new Map<string, number>();
	readonly #socket: Bun.udp.Socket<"buffer">;

	private constructor(socket: Bun.udp.Socket<"buffer">) {
		this.#socket = socket;
	}

	/** @param port 0 for one that is free, at 127.0.0.1 */
	static async start(port = 0): Promise<DnsServer> {
		const socket = await Bun.udpSocket({
			hostname: "127.0.0.1",
			port,
			socket: {
				data: (from, query, toPort, to) => {
					from.send(server.#answer(query), toPort, to);
				},
			},
		});
		const server: DnsServer = new DnsServer(socket);
		return server;
	}

	get port(): number {
		return this.#socket.port;
	}

	stop(): void {
		this.#socket.close();
	}

	/** Sets what a name leads to. @param answer gets the number of the lookup, from 0 */
	set(name: string, answer: (lookup: number) => DnsAnswer): void {
		this.#names.set(name, answer);
	}

	/** How often a name was looked up, by its queries for IPv4 addresses. */
	lookups(name: string): number {
		return this.#queries.get(`${name} ${TYPE_A}`) ?? 0;
	}

	#answer(query: Buffer): Buffer {
		const { name, end } = readName(query);
		const type = query.readUInt16BE(end);
		const question = query.subarray(HEADER_BYTES, end + 4);
		const answer = this.#names.get(name);
		const records = answer === undefined ? [] : this.#records(name, type, answer);
		const header = Buffer.alloc(HEADER_BYTES);
		header.writeUInt16BE(query.readUInt16BE(0), 0);
		header.writeUInt16BE(FLAGS_ANSWER | (answer === undefined ? CODE_NO_SUCH_NAME : 0), 2);
		header.writeUInt16BE(1, 4);
		header.writeUInt16BE(records.length, 6);
		// Without it, a resolver would keep for a while that the name has no such address.
		const authority = records.length > 0 ? [] : [record(name, TYPE_SOA, SOA_DATA)];
		header.writeUInt16BE(authority.length, 8);
		return Buffer.concat([header, question, ...records, ...authority]);
	}

	#records(name: string, type: number, answer: (lookup: number) => DnsAnswer): Buffer[] {
		if (type !== TYPE_A && type !== TYPE_AAAA) return [];
		const key = `${name} ${type}`;
		const lookup = this.#queries.get(key) ?? 0;
		this.#queries.set(key, lookup + 1);
		const { addresses, aliases = 0 } = answer(lookup);
		const names = [name, ...Array.from({ length: aliases }, (_, at) => `alias-${at}.${name}`)];
		const chain = names.slice(1).map((alias, at) => record(names[at] ?? name, TYPE_CNAME, nameBytes(alias)));
		const owner = names.at(-1) ?? name;
		const isOfType = type === TYPE_A ? isIPv4 : isIPv6;
		return [
			...chain,
			...addresses.filter((address) => isOfType(address)).map((address) => record(owner, type, addressBytes(address))),
		];
	}
}

function readName(query: Buffer): { name: string; end: number } {
	const labels: string[] = [];
	let at = HEADER_BYTES;
	for (let length = query[at] ?? 0; length > 0; length = query[at] ?? 0) {
		labels.push(query.toString("latin1", at + 1, at + 1 + length));
		at += 1 + length;
	}
	return { name: labels.join(".").toLowerCase(), end: at + 1 };
}

function nameBytes(name: string): Buffer {
	return Buffer.concat([
		...name.split(".").flatMap((label) => [Buffer.from([label.length]), Buffer.from(label)]),
		Buffer.from([0]),
	]);
}

/** A record of class IN with a TTL of 0. */
function record(owner: string, type: number, data: Buffer): Buffer {
	const fixed = Buffer.alloc(10);
	fixed.writeUInt16BE(type, 0);
	fixed.writeUInt16BE(1, 2);
	fixed.writeUInt16BE(data.length, 8);
	return Buffer.concat([nameBytes(owner), fixed, data]);
}

function addressBytes(address: string): Buffer {
	if (isIPv4(address)) return Buffer.from(address.split(".").map(Number));
	// The URL parser writes every form of an IPv6 address as groups of hexadecimal digits.
	const groups = new URL(`http://[${address}]`).hostname.slice(1, -1);
	const [head = "", tail] = groups.split("::");
	const parse = (part: string): number[] =>
		part
			.split(":")
			.filter(Boolean)
			.map((group) => Number.parseInt(group, 16));
	const [before, after] = [parse(head), parse(tail ?? "")];
	const all = [...before, ...Array.from({ length: 8 - before.length - after.length }, () => 0), ...after];
	return Buffer.from(all.flatMap((group) => [group >> 8, group & 255]));
}
