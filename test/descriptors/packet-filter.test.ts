import { expect, test } from "bun:test";
import { dropFrom, encodeProgram, type Instruction, NETWORKS_MAX } from "../../src/descriptors/packet-filter.ts";
import { Rng } from "../../src/sim/rng.ts";

const IP_HEADER = 0xfff0_0000;

/** Runs a program as the kernel does. Returns whether it takes a packet with this IP header. */
function takes(program: readonly Instruction[], header: Buffer): boolean {
	let word = 0;
	for (let at = 0; at < program.length; at++) {
		const [code, ifTrue, ifFalse, operand] = program[at] ?? [0, 0, 0, 0];
		if (code === 0x20) word = header.readUInt32BE(operand - IP_HEADER);
		else if (code === 0x30) word = header.readUInt8(operand - IP_HEADER);
		else if (code === 0x74) word >>>= operand;
		else if (code === 0x05) at += operand;
		else if (code === 0x15) at += word === operand ? ifTrue : ifFalse;
		else if (code === 0x06) return operand !== 0;
		else throw new Error(`no such operation: ${code}`);
	}
	throw new Error("the program has no end");
}

function ipv4Header(bytes: readonly number[]): Buffer {
	return Buffer.from([0x45, ...Array<number>(11).fill(0), ...bytes, 127, 0, 0, 1]);
}

function ipv6Header(groups: readonly number[]): Buffer {
	const header = Buffer.alloc(40, 1);
	header[0] = 0x60;
	for (const [at, group] of groups.entries()) header.writeUInt16BE(group, 8 + 2 * at);
	return header;
}

test("a program drops what the named networks send, and nothing else", () => {
	const rng = new Rng("filters");
	for (let at = 0; at < 500; at++) {
		const ipv4 = Array.from({ length: rng.int(20) }, () => [10, 0, rng.int(3), rng.int(3)]);
		const ipv6 = Array.from({ length: rng.int(20) }, () => [0x2001, rng.int(3), 0, rng.int(3), ...rng.bytes(4)]);
		const mapped = (bytes: readonly number[]): string => {
			const [a = 0, b = 0, c = 0, d = 0] = bytes;
			return `0:0:0:0:0:ffff:${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
		};
		const program = dropFrom([
			...ipv4.map((bytes) => (rng.int(2) === 0 ? bytes.join(".") : mapped(bytes))),
			...ipv6.map((groups) => groups.map((group) => group.toString(16)).join(":")),
		]);
		for (let packet = 0; packet < 20; packet++) {
			const bytes = [10, 0, rng.int(3), rng.int(3)];
			expect(takes(program, ipv4Header(bytes))).toBe(!ipv4.some((one) => one.join() === bytes.join()));
			const groups = [0x2001, rng.int(3), 0, rng.int(3), ...rng.bytes(4)];
			const isNamed = ipv6.some((one) => one.slice(0, 4).join() === groups.slice(0, 4).join());
			expect(takes(program, ipv6Header(groups))).toBe(!isNamed);
		}
	}
});

test("a program is bounded, however many networks there are", () => {
	const addresses = Array.from({ length: 1_000 }, (_, at) => `2001:db8:${at.toString(16)}:0:0:0:0:1`);
	const program = dropFrom(addresses);
	expect(program.length).toBeLessThan(5 * NETWORKS_MAX + 10);
	expect(encodeProgram(program)).toHaveLength(8 * program.length);
});
