/**
 * A program for the kernel's packet filter (classic BPF), to be attached to a listening socket. It drops packets of some
 * networks before they become a connection, so they take no descriptor. Existing connections are not touched.
 */

/** One instruction: operation, jumps if true and if false, operand. */
export type Instruction = readonly [code: number, ifTrue: number, ifFalse: number, operand: number];

export const INSTRUCTION_BYTES = 8;
/** More networks are not refused at once, since the kernel runs the program for each packet that asks for a connection. */
export const NETWORKS_MAX = 64;

const LOAD_WORD = 0x20;
const LOAD_BYTE = 0x30;
const SHIFT_RIGHT = 0x74;
const JUMP = 0x05;
const JUMP_IF_EQUAL = 0x15;
const RETURN = 0x06;
/** Offsets from here on count from the IP header; without it, they count from the TCP header. */
const IP_HEADER = 0xfff0_0000;
const IPV4_SOURCE = IP_HEADER + 12;
const IPV6_SOURCE = IP_HEADER + 8;

const DROP: Instruction = [RETURN, 0, 0, 0];
const TAKE: Instruction = [RETURN, 0, 0, 0xffff_ffff];

/**
 * Makes a program that drops packets of some networks.
 * @param addresses one of each network: an IPv4 address, or eight groups of an IPv6 address, of which the first four count
 */
export function dropFrom(addresses: readonly string[]): Instruction[] {
	const ipv4: Instruction[] = [[LOAD_WORD, 0, 0, IPV4_SOURCE]];
	const ipv6: Instruction[] = [];
	for (const address of addresses.slice(0, NETWORKS_MAX)) {
		const words = wordsOf(address);
		const [high = 0, low] = words;
		if (low === undefined) ipv4.push([JUMP_IF_EQUAL, 0, 1, high], DROP);
		else
			ipv6.push(
				[LOAD_WORD, 0, 0, IPV6_SOURCE],
				[JUMP_IF_EQUAL, 0, 3, high],
				[LOAD_WORD, 0, 0, IPV6_SOURCE + 4],
				[JUMP_IF_EQUAL, 0, 1, low],
				DROP,
			);
	}
	ipv4.push(TAKE);
	ipv6.push(TAKE);
	const choose: Instruction[] = [
		[LOAD_BYTE, 0, 0, IP_HEADER],
		[SHIFT_RIGHT, 0, 0, 4],
		[JUMP_IF_EQUAL, 1, 0, 4],
		[JUMP, 0, 0, ipv4.length],
	];
	return [...choose, ...ipv4, ...ipv6];
}

/** The program in the kernel's format. */
export function encodeProgram(program: readonly Instruction[]): Buffer {
	const bytes = Buffer.alloc(INSTRUCTION_BYTES * program.length);
	for (const [at, [code, ifTrue, ifFalse, operand]] of program.entries()) {
		const start = INSTRUCTION_BYTES * at;
		bytes.writeUInt16LE(code, start);
		bytes.writeUInt8(ifTrue, start + 2);
		bytes.writeUInt8(ifFalse, start + 3);
		bytes.writeUInt32LE(operand, start + 4);
	}
	return bytes;
}

/** An IPv4 address as one word, even if it is mapped into IPv6; of an IPv6 address the first two words. */
function wordsOf(address: string): number[] {
	if (!address.includes(":")) return [address.split(".").reduce((word, byte) => word * 256 + Number(byte), 0)];
	const groups = address.split(":").map((group) => Number.parseInt(group, 16));
	const word = (at: number): number => (groups[at] ?? 0) * 65_536 + (groups[at + 1] ?? 0);
	const isMapped = word(0) === 0 && word(2) === 0 && word(4) === 0xffff;
	return isMapped ? [word(6)] : [word(0), word(2)];
}
