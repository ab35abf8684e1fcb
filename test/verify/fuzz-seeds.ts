import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { encode, toBytes } from "@atcute/cbor";
import { cidBytes, encodeCar } from "../../src/sim/blocks.ts";
import { type CommitDraft, draftBlocks, sealCommit, sealSync, signCommit } from "../../src/sim/commit.ts";
import { encodeFrame } from "../../src/sim/message.ts";
import { makeSpecimens, type Specimen } from "./mutate.ts";

/**
 * Writes what the simulator makes as seeds for the fuzz targets of `native/fuzz`:
 * `bun test/verify/fuzz-seeds.ts native/fuzz/corpus`.
 */
const CORPUS = process.argv[2];
if (CORPUS === undefined) throw new Error("usage: bun test/verify/fuzz-seeds.ts FOLDER");

/** Stands for the CID of another block of the input: its digest begins with ff and the block's index. */
const PLACE = Buffer.concat([Buffer.from("01711220ff", "hex"), Buffer.alloc(31)]);

async function write(target: string, index: number, bytes: Uint8Array): Promise<void> {
	await mkdir(join(CORPUS ?? "", target), { recursive: true });
	await Bun.write(join(CORPUS ?? "", target, `seed-${index}`), bytes);
}

/** The nodes in such an order that each comes before those that link to it. The root is the last. */
function childrenFirst({ nodes, commit }: CommitDraft): [string, Uint8Array][] {
	const ordered = new Map<string, Uint8Array>();
	const visit = (cid: string): void => {
		const bytes = nodes.get(cid);
		if (bytes === undefined || ordered.has(cid)) return;
		for (const other of nodes.keys()) if (Buffer.from(bytes).includes(Buffer.from(cidBytes(other)))) visit(other);
		ordered.set(cid, bytes);
	};
	visit(commit.data.$link);
	return [...ordered];
}

/** The input of the target `inversion`, or null if there is no tree. */
function inversionSeed(draft: CommitDraft): Uint8Array | null {
	const nodes = childrenFirst(draft);
	if (nodes.length === 0 || nodes.length > 255 || draft.ops.length > 255) return null;
	const unlink = (bytes: Uint8Array): Buffer => {
		const unlinked = Buffer.from(bytes);
		for (const [index, [cid]] of nodes.entries()) {
			const place = Buffer.from(PLACE);
			place[5] = index;
			for (let at = unlinked.indexOf(cidBytes(cid)); at >= 0; at = unlinked.indexOf(cidBytes(cid)))
				place.copy(unlinked, at);
		}
		return unlinked;
	};
	const blocks = nodes.map(([, bytes]) => {
		const length = Buffer.alloc(2);
		length.writeUInt16BE(bytes.length);
		return Buffer.concat([length, unlink(bytes)]);
	});
	const ops = draft.ops.map((op) => unlink(encode({ ...op })));
	return Buffer.concat([Buffer.of(nodes.length), ...blocks, Buffer.of(ops.length), ...ops]);
}

async function writeSeeds(index: number, { draft, key }: Specimen): Promise<void> {
	const signed = signCommit(draft.commit, key);
	const head = Buffer.concat([Buffer.of(key.curve === "k256" ? 0 : 1), key.publicKey]);
	const commit = encodeFrame(await sealCommit(draft, signed), 1);
	const sync = encodeFrame(await sealSync(draft.commit, signed, draft.time), 1);
	await write("frame", 2 * index, Buffer.concat([head, commit]));
	await write("frame", 2 * index + 1, Buffer.concat([head, sync]));
	await write("car", index, await encodeCar([signed.cid], draftBlocks(draft, signed)));
	await write("commit", 2 * index, signed.bytes);
	await write(
		"commit",
		2 * index + 1,
		encode({ ...draft.commit, extra: [1, null], sig: toBytes(key.sign(signed.bytes)) }),
	);
	const inversion = inversionSeed(draft);
	if (inversion !== null) await write("inversion", index, inversion);
}

for (const [index, specimen] of (await makeSpecimens("fuzz")).entries()) await writeSeeds(index, specimen);
