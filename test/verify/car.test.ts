import { describe, expect, test } from "bun:test";
import { CidLinkWrapper, encode } from "@atcute/cbor";
import { type Car, readCar } from "../../src/verify/portable/car.ts";
import { bytesOfLink, linkOfBlock } from "../../src/verify/portable/link.ts";
import { fixturePath } from "../fixtures.ts";
import { linkOf, rejectionOf } from "./packed.ts";

interface CarFixture {
	root: string;
	blocks: { cid: string; bytes: string }[];
	car: string;
}

function read(bytes: Uint8Array): Car {
	return readCar(Buffer.from(bytes), 0, bytes.length);
}

/** A section. Its length is encoded as `varint` if that is given, else correctly. */
function section(content: Uint8Array, varint?: number[]): Uint8Array {
	const length = varint ?? [(content.length & 0x7f) | 0x80, content.length >> 7];
	return Buffer.concat([Uint8Array.from(length), content]);
}

const DATA = encode({ hello: "world" });
const CID = bytesOfLink(linkOfBlock(DATA));
const BLOCK = Buffer.concat([CID, DATA]);
const ROOTS = [new CidLinkWrapper(CID)];
const HEADER = section(encode({ roots: ROOTS, version: 1 }));

describe("the CAR fixtures", () => {
	test("are read with the roots and blocks that they state", async () => {
		const fixtures: CarFixture[] = await Bun.file(fixturePath("car/car-file-fixtures.json")).json();
		expect(fixtures.length).toBeGreaterThan(0);
		for (const { root, blocks, car: base64 } of fixtures) {
			const bytes = Buffer.from(base64, "base64");
			const car = read(bytes);
			expect(car.root).toBe(linkOf(root));
			expect(car.blocks.size).toBe(new Set(blocks.map(({ cid }) => cid)).size);
			for (const { cid, bytes: expected } of blocks) {
				const block = car.blocks.get(linkOf(cid));
				expect(bytes.toString("base64", block?.start, block?.end).replace(/=+$/, "")).toBe(expected);
			}
		}
	});
});

describe("a CAR", () => {
	test.each<[string, Uint8Array[], string | null]>([
		["of one block", [HEADER, section(BLOCK)], null],
		["without blocks", [HEADER], null],
		["with a block twice", [HEADER, section(BLOCK), section(BLOCK)], null],
		["with a block of raw bytes", [HEADER, section(Buffer.concat([Buffer.from([1, 0x55]), BLOCK.subarray(2)]))], null],
		["with more roots", [section(encode({ roots: [...ROOTS, ...ROOTS], version: 1 }))], null],
		["without roots", [section(encode({ roots: [], version: 1 }))], "car-malformed"],
		["with 17 roots", [section(encode({ roots: new Array(17).fill(ROOTS[0]), version: 1 }))], "car-malformed"],
		["of version 2", [section(encode({ roots: ROOTS, version: 2 }))], "car-malformed"],
		["without version", [section(encode({ roots: ROOTS }))], "car-malformed"],
		["whose root is a text", [section(encode({ roots: ["root"], version: 1 }))], "car-malformed"],
		["whose header is not a map", [section(encode([1]))], "car-malformed"],
		["with bytes after its header", [section(Buffer.concat([HEADER.subarray(2), Buffer.of(0)]))], "car-malformed"],
		["with an empty section", [HEADER, Buffer.of(0)], "car-malformed"],
		["with a section that is too long", [HEADER, section(BLOCK, [BLOCK.length + 1])], "car-malformed"],
		["with a length of 2^56", [HEADER, section(BLOCK, [...new Array(8).fill(0x80), 1])], "car-malformed"],
		["with a length of 2^63", [HEADER, section(BLOCK, [...new Array(9).fill(0x80), 1])], "car-malformed"],
		["with a length that wraps at 32 bits", [HEADER, section(BLOCK, [0xb0, 0x80, 0x80, 0x80, 0x10])], "car-malformed"],
		["with an endless varint", [HEADER, section(BLOCK, new Array(64).fill(0xff))], "car-malformed"],
		["with a block shorter than a CID", [HEADER, section(CID.subarray(0, 35))], "car-malformed"],
		["with a CIDv0", [HEADER, section(Buffer.concat([CID.subarray(2), DATA, DATA]))], "car-malformed"],
		["with sha2-512", [HEADER, section(Buffer.concat([Buffer.of(1, 0x71, 0x13, 0x40), BLOCK]))], "car-malformed"],
		["with a wrong block", [HEADER, section(Buffer.concat([CID, encode({ hello: "worle" })]))], "car-block-hash"],
		["whose second copy is wrong", [HEADER, section(BLOCK), section(CID)], "car-block-hash"],
	])("%s", (_name, chunks, reason) => {
		expect(rejectionOf(() => read(Buffer.concat(chunks)))).toBe(reason);
	});

	test("with version before roots has a fault for strict relays only", () => {
		const header = encode({ roots: ROOTS, version: 1 });
		const swapped = Buffer.concat([header.subarray(0, 1), header.subarray(-9), header.subarray(1, -9)]);
		expect(read(Buffer.concat([HEADER, section(BLOCK)])).strictFault).toBeNull();
		expect(read(Buffer.concat([section(swapped), section(BLOCK)])).strictFault).toBe("car-malformed");
	});

	test("of more blocks than allowed", () => {
		const blocks = new Array<Uint8Array>(65_537).fill(section(BLOCK));
		expect(rejectionOf(() => read(Buffer.concat([HEADER, ...blocks.slice(1)])))).toBeNull();
		expect(rejectionOf(() => read(Buffer.concat([HEADER, ...blocks])))).toBe("car-malformed");
	});
});
