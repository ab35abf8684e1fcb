import { CidLinkWrapper, encode, toBytes } from "@atcute/cbor";
import { cidBytes, cidOf } from "../../../src/sim/blocks.ts";
import { keyHeight } from "../../../src/verify/portable/key-height.ts";

const PREFIX = "a".repeat(1_000);
const NODE_KEYS = 1_024;

type Block = { cid: { $link: string }; bytes: Uint8Array<ArrayBuffer> };

/**
 * A sound tree of two levels whose keys share a long prefix. Each lower node takes some sixty kilobytes and has about a megabyte of
 * keys. The root comes first.
 */
export function prefixBomb(lowerNodes: number): Block[] {
	const lower: string[][] = [[]];
	const upper: string[] = [];
	for (let i = 0; upper.length < lowerNodes; i++) {
		const key = PREFIX + i.toString().padStart(7, "0");
		const height = keyHeight(key);
		const last = lower.at(-1);
		if (height === 0 && last !== undefined && last.length < NODE_KEYS) last.push(key);
		if (height === 1 && last?.length === NODE_KEYS) {
			upper.push(key);
			lower.push([]);
		}
	}
	const nodes = lower.slice(0, lowerNodes).map((keys) => node(keys, null, []));
	const [left = null, ...rights] = nodes;
	return [node(upper.slice(0, -1), left, rights), ...nodes];
}

function node(keys: readonly string[], left: Block | null, rights: readonly Block[]): Block {
	const e = keys.map((key, index) => {
		const prefix = index === 0 ? 0 : commonLength(keys[index - 1] ?? "", key);
		const right = rights[index];
		return {
			k: toBytes(Buffer.from(key.slice(prefix))),
			p: prefix,
			v: VALUE,
			t: right === undefined ? null : linkTo(right),
		};
	});
	const bytes = encode({ e, l: left === null ? null : linkTo(left) });
	return { cid: cidOf(bytes), bytes };
}

const VALUE = new CidLinkWrapper(cidBytes(cidOf(Buffer.from("a record"))));

function linkTo({ cid }: Block): CidLinkWrapper {
	return new CidLinkWrapper(cidBytes(cid));
}

function commonLength(a: string, b: string): number {
	let length = 0;
	while (length < a.length && a[length] === b[length]) length++;
	return length;
}
