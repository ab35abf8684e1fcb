import { CidLinkWrapper, decode, encode, fromBytes, toBytes } from "@atcute/cbor";
import { CborError, skipItem } from "../../src/protocol/cbor.ts";
import { cidBytes, cidOf, cidOfText } from "../../src/sim/blocks.ts";
import { linkOf, type SimOp } from "../../src/sim/commit.ts";
import { SimKey } from "../../src/sim/keys.ts";
import type { SimPayload } from "../../src/sim/message.ts";
import type { Rng } from "../../src/sim/rng.ts";
import {
	anyForeignCid,
	anyFrameCid,
	BROKEN_CIDS,
	cborArray,
	cborHead,
	cborInteger,
	cborLink,
	cborMap,
	cborText,
} from "../sim/any-cbor.ts";
import { editBytes } from "./edit-bytes.ts";
import { type CarBlock, type Mutant, type Specimen, varint } from "./mutate.ts";

type Mutation = (mutant: Mutant, rng: Rng, specimens: readonly Specimen[]) => void;

function shuffle<T>(items: readonly T[], rng: Rng): T[] {
	const shuffled = [...items];
	for (let i = shuffled.length - 1; i > 0; i--) {
		const j = rng.int(i + 1);
		const [a, b] = [shuffled[i] as T, shuffled[j] as T];
		shuffled[i] = b;
		shuffled[j] = a;
	}
	return shuffled;
}

/** Changes one op at random; does nothing if there is none. */
function editOp(change: (op: SimOp, rng: Rng, mutant: Mutant) => void): Mutation {
	return (mutant, rng) => {
		if (mutant.draft.ops.length > 0) change(rng.pick(mutant.draft.ops), rng, mutant);
	};
}

function editBody(change: (body: SimPayload, rng: Rng, specimens: readonly Specimen[]) => void): Mutation {
	return (mutant, rng, specimens) => void mutant.body.push((body) => change(body, rng, specimens));
}

function editBlocks(change: (blocks: CarBlock[], rng: Rng, specimens: readonly Specimen[]) => CarBlock[]): Mutation {
	return (mutant, rng, specimens) => void mutant.blocks.push((blocks) => change(blocks, rng, specimens));
}

/** Changes the commit object before it is signed. */
function editObject(change: (commit: Record<string, unknown>, rng: Rng, mutant: Mutant) => void): Mutation {
	return (mutant, rng) =>
		void mutant.object.push((commit) => {
			const changed = { ...commit };
			change(changed, rng, mutant);
			return changed;
		});
}

function editSignature(change: (signature: Uint8Array, rng: Rng, mutant: Mutant) => Uint8Array): Mutation {
	return (mutant, rng) => void mutant.signature.push((signature) => change(signature, rng, mutant));
}

interface NodeObject {
	l: unknown;
	e: { k: ReturnType<typeof toBytes>; p: number; t: unknown; v: unknown }[];
}

/** Replaces one MST node, and the links to it in all nodes above it and in the commit, so that all hashes match. */
function editNode(change: (bytes: Uint8Array, rng: Rng, mutant: Mutant) => Uint8Array): Mutation {
	return (mutant, rng) => {
		const { nodes } = mutant.draft;
		if (nodes.size === 0) return;
		const cid = rng.pick([...nodes.keys()]);
		replaceNode(mutant, cid, change(nodes.get(cid) ?? new Uint8Array(), rng, mutant));
	};
}

/** @param levels how far up to go at most: a mutation may have linked a node to one above it, which would be an endless loop */
function replaceNode(mutant: Mutant, cid: string, bytes: Uint8Array, levels = 12): void {
	const { commit, nodes } = mutant.draft;
	const replaced = Uint8Array.from(bytes);
	const link = cidOf(replaced);
	nodes.delete(cid);
	nodes.set(link.$link, replaced);
	if (commit.data.$link === cid) commit.data = linkOf(link.$link);
	const before = Buffer.from(cidBytes(cid));
	for (const [parent, content] of [...nodes]) {
		const at = Buffer.from(content).indexOf(before);
		if (at < 0 || levels === 0) continue;
		const changed = Buffer.from(content);
		changed.set(cidBytes(link), at);
		replaceNode(mutant, parent, changed, levels - 1);
	}
}

/** A node's object; null if another mutation has left none. */
function tryDecode(bytes: Uint8Array): NodeObject | null {
	try {
		const node = decode(bytes) as NodeObject;
		return Array.isArray(node.e) ? node : null;
	} catch {
		return null;
	}
}

/** Changes a node's fields, and encodes it canonically again. */
function editNodeObject(change: (node: NodeObject, rng: Rng, mutant: Mutant) => void): Mutation {
	return editNode((bytes, rng, mutant) => {
		const node = tryDecode(bytes);
		if (node === null) return bytes;
		change(node, rng, mutant);
		return encode(node);
	});
}

/** A link that some node or record of the draft has. */
function someLink(mutant: Mutant, rng: Rng): unknown {
	return linkOf(rng.pick([...mutant.draft.nodes.keys(), ...mutant.draft.records.keys(), cidOfText("nothing").$link]));
}

/** A link of another form than the protocol's own links have. */
function oddLink(rng: Rng): ReturnType<typeof linkOf> {
	return rng.pick([
		linkOf("bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"),
		linkOf("bafyreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"),
	]);
}

/** A CID of any kind: broken, whole but with a foreign codec or hash, or good. */
function anyCid(rng: Rng): Uint8Array {
	const make = rng.pick([...Object.values(BROKEN_CIDS), anyForeignCid, anyForeignCid, anyFrameCid]);
	return Uint8Array.from(make(rng));
}

/** Such a CID as a link, which the encoder writes as it is. */
function anyLink(rng: Rng): CidLinkWrapper {
	return new CidLinkWrapper(anyCid(rng));
}

/** Replaces one of the draft's records by another, in its op and in the tree. */
function replaceRecord(mutant: Mutant, cid: string, bytes: Uint8Array<ArrayBuffer>): void {
	const { records, ops, nodes } = mutant.draft;
	const link = cidOf(bytes);
	records.delete(cid);
	records.set(link.$link, bytes);
	for (const op of ops) if (op.cid?.$link === cid) op.cid = linkOf(link.$link);
	const [from, to] = [Buffer.from(cidBytes(cid)), cidBytes(link)];
	for (const [node, content] of [...nodes]) {
		const at = Buffer.from(content).indexOf(from);
		if (at < 0) continue;
		const moved = Buffer.from(content);
		moved.set(to, at);
		replaceNode(mutant, node, moved);
	}
}

/** The offset of the payload; 0 if another mutation has left no header. */
function payloadStart(frame: Uint8Array): number {
	try {
		return skipItem(frame, 0, frame.length, "frame", "unchecked");
	} catch (error) {
		if (error instanceof CborError) return 0;
		throw error;
	}
}

/** Changes the header and keeps the payload. */
function editHeader(change: (header: Map<string, Uint8Array>, rng: Rng) => void): Mutation {
	return (mutant, rng) =>
		void mutant.frame.push((frame) => {
			const header = new Map<string, Uint8Array>([
				["op", cborInteger(1)],
				["t", cborText(`#${mutant.type}`)],
			]);
			change(header, rng);
			return Buffer.concat([cborMap(header), frame.subarray(payloadStart(frame))]);
		});
}

/** Adds one or more fields to the payload's bytes, in canonical order. */
function addFields(makeValues: (rng: Rng) => Uint8Array[]): Mutation {
	return (mutant, rng) =>
		void mutant.frame.push((frame) => {
			const start = payloadStart(frame);
			const values = makeValues(rng);
			// No known field has a name as long as thirty characters, so these come last.
			const pairs = values.map((value, index) =>
				Buffer.concat([cborText(`x${String(index).padStart(29, "0")}`), value]),
			);
			const head = cborHead(5, ((frame[start] ?? 0) & 0x1f) + pairs.length);
			return Buffer.concat([frame.subarray(0, start), head, frame.subarray(start + 1), ...pairs]);
		});
}

/** The equivalent signature with a high s. Bytes that are no signature, because of another mutation, stay as they are. */
function highS(signature: Uint8Array, signer: SimKey): Uint8Array {
	try {
		return signer.withHighS(signature);
	} catch {
		return signature;
	}
}

/** DER of a compact signature. */
function toDer(signature: Uint8Array): Uint8Array {
	const integer = (bytes: Uint8Array): Buffer => {
		const padded = (bytes[0] ?? 0) >= 0x80 ? Buffer.concat([Buffer.of(0), bytes]) : Buffer.from(bytes);
		return Buffer.concat([Buffer.of(2, padded.length), padded]);
	};
	const body = Buffer.concat([integer(signature.subarray(0, 32)), integer(signature.subarray(32))]);
	return Buffer.concat([Buffer.of(0x30, body.length), body]);
}

/** The bytes of a map with two neighbouring pairs of one-letter keys exchanged, if there are such pairs. */
function swapNodeFields(bytes: Uint8Array): Uint8Array {
	const buffer = Buffer.from(bytes);
	const end = buffer.length;
	const at = buffer.lastIndexOf(Buffer.from("616c", "hex"));
	return Buffer.concat([buffer.subarray(0, 1), buffer.subarray(at, end), buffer.subarray(1, at)]);
}

const PATHS = [
	"",
	"/",
	"a.b.c",
	"a.b/c",
	"a.b.c/",
	"a.b.c/.",
	"a.b.c/x/y",
	"app.bsky.feed.post/é",
	`a.b.c/${"x".repeat(513)}`,
	"a.b.c/x",
];
const TIMES = [
	"",
	"2026-01-01T00:00:00Z",
	"2026-02-29T00:00:00Z",
	"2026-01-01T00:00:00-00:00",
	"2024-02-29T12:00:00.5+01:30",
	"2026-01-01 00:00:00Z",
	"0000-01-01T00:00:00+00:01",
];

/** All mutations by name. Each is drawn with the same probability. */
export const MUTATIONS: Record<string, Mutation> = {
	"frame bytes": (mutant, rng) => void mutant.frame.push((frame) => editBytes(frame, rng)),
	"frame is of another type": (mutant) =>
		void mutant.frame.push((frame) =>
			Buffer.from(
				Buffer.from(frame)
					.toString("latin1")
					.replace(/#(commit|sync)/, (_, type) => (type === "sync" ? "#synk" : "#kommit")),
				"latin1",
			),
		),
	"frame has something behind it": (mutant, rng) =>
		void mutant.frame.push((frame) => Buffer.concat([frame, rng.bytes(1 + rng.int(3))])),

	"body lacks a field": editBody((body, rng) => {
		delete body[rng.pick(Object.keys(body) as (keyof SimPayload)[])];
	}),
	"body has a field of another type": editBody((body, rng) => {
		const key = rng.pick(Object.keys(body) as (keyof SimPayload)[]);
		body[key] = rng.pick<unknown>([
			null,
			0,
			-1,
			"text",
			[],
			{},
			true,
			toBytes(new Uint8Array(3)),
			linkOf(cidOfText("x").$link),
		]);
	}),
	"body has a field that is null": editBody((body, rng) => {
		body[rng.pick(["since", "prevData", "rebase", "tooBig", "blobs", "commit", "rev", "status"] as const)] = null;
	}),
	"body lacks what may be absent": editBody((body, rng) => {
		delete body[rng.pick(["since", "prevData", "rebase", "tooBig", "blobs"] as const)];
	}),
	"body has any link": editBody((body, rng) => {
		body[rng.pick(["commit", "prevData", "padding", "rev"] as const)] = anyLink(rng);
	}),
	"body has any link inside of an unknown field": editBody((body, rng) => {
		body.padding = { a: [1, { b: anyLink(rng) }], c: anyLink(rng) };
	}),
	"body has any link and breaks the schema": editBody((body, rng) => {
		body.padding = anyLink(rng);
		body[rng.pick(["rev", "time", "blocks", "rebase"] as const)] = 7;
	}),
	"body has very many fields": addFields((rng) =>
		new Array(rng.pick([8_170, 8_180, 8_181, 8_300])).fill(cborInteger(1)),
	),
	"body has a very long array": addFields((rng) => [
		cborArray(new Array(rng.pick([8_192, 8_193])).fill(cborInteger(1))),
	]),
	"body has a link without its zero": addFields((rng) => [
		Buffer.concat([cborHead(6, 42), cborHead(2, 36), Buffer.from(anyFrameCid(rng))]),
	]),
	"body has a link that is a text": addFields(() => [Buffer.concat([cborHead(6, 42), cborText("x")])]),
	"very many blobs": editBody((body, rng) => {
		body.blobs = new Array(rng.pick([8_192, 8_193])).fill(cidOfText("blob"));
	}),
	"any link among the blobs": editBody((body, rng) => {
		body.blobs = [cidOfText("blob"), anyLink(rng), cidOfText("blob")];
	}),
	"header has a further field": editHeader((header, rng) => {
		header.set(rng.pick(["x", "constructor", "tt"]), rng.pick([cborInteger(1), cborLink(anyCid(rng)), cborArray([])]));
	}),
	"header has another op": editHeader((header, rng) => {
		header.set(
			"op",
			rng.pick([cborInteger(2), cborInteger(-1), cborInteger(-7), cborText("1"), cborText(""), encode(null)]),
		);
	}),
	"header has another t": editHeader((header, rng) => {
		header.set("t", rng.pick([encode(null), cborInteger(1), cborText(""), cborText("#identity"), cborText("#info")]));
	}),
	"header lacks a field": editHeader((header, rng) => void header.delete(rng.pick(["op", "t"]))),
	"header has another op and a link for a t": editHeader((header, rng) => {
		header.set("op", cborInteger(rng.int(3)));
		header.set("t", cborLink(anyCid(rng)));
	}),
	"body has an unknown field": editBody((body, rng) => {
		body.padding = rng.pick<unknown>([{ nested: [1, { deep: null }] }, "é", -5, [[[[]]]]]);
	}),
	"did of another account": editBody((body, rng, specimens) => {
		const { did } = rng.pick(specimens).draft.commit;
		if (body.repo === undefined) body.did = did;
		else body.repo = did;
	}),
	"another rev": editBody((body, rng) => {
		body.rev = rng.pick(["3jzfcijpj2z2a", "", "not-a-tid", "zzzzzzzzzzzzz"]);
	}),
	"forged prevData": editBody((body, rng) => {
		body.prevData = rng.pick([cidOfText("forged"), oddLink(rng)]);
	}),
	"no prevData": editBody((body) => {
		delete body.prevData;
	}),
	"first commit": editBody((body) => {
		delete body.prevData;
		body.since = null;
	}),
	time: editBody((body, rng) => {
		body.time = rng.pick(TIMES);
	}),
	flags: editBody((body, rng) => {
		body.tooBig = rng.int(2) === 0;
		body.rebase = rng.int(2) === 0;
	}),
	"commit link": editBody((body, rng) => {
		body.commit = rng.pick([cidOfText("forged"), oddLink(rng)]);
	}),
	blobs: editBody((body, rng) => {
		body.blobs = rng.pick<unknown>([[cidOfText("blob")], [1], [oddLink(rng)]]);
	}),

	"ops in another order": (mutant, rng) => {
		mutant.draft.ops = shuffle(mutant.draft.ops, rng);
	},
	"an op is missing": (mutant, rng) => void mutant.draft.ops.splice(rng.int(mutant.draft.ops.length + 1), 1),
	"an op twice": (mutant, rng) => {
		if (mutant.draft.ops.length > 0) mutant.draft.ops.push({ ...rng.pick(mutant.draft.ops) });
	},
	"an op of another commit": (mutant, rng, specimens) => {
		const other = rng.pick(specimens).draft;
		for (const [cid, bytes] of other.records) mutant.draft.records.set(cid, bytes);
		mutant.draft.ops.push(...other.ops.slice(0, 1).map((op) => ({ ...op })));
	},
	"a bogus delete": (mutant, rng) =>
		void mutant.draft.ops.push({
			action: "delete",
			path: `a.b.c/${rng.text(3, "xyz")}`,
			cid: null,
			prev: cidOfText("gone"),
		}),
	"many bogus deletes": (mutant, rng) => {
		const count = rng.pick([3, 150, 201]);
		for (let i = 0; i < count; i++) {
			mutant.draft.ops.push({
				action: "delete",
				path: `a.b.c/${rng.text(6, "xyz")}${i}`,
				cid: null,
				prev: cidOfText("gone"),
			});
		}
	},
	"a create without prev turned to an update": editOp((op) => {
		op.action = "update";
		op.prev ??= cidOfText("before");
	}),
	"an op's action": editOp((op, rng) => {
		op.action = rng.pick(["create", "update", "delete", "rename", ""]);
	}),
	"an op's path": editOp((op, rng) => {
		op.path = rng.pick([...PATHS, op.path.toUpperCase(), `${op.path}x`]);
	}),
	"an op's cid": editOp((op, rng, mutant) => {
		op.cid = rng.pick([null, oddLink(rng), cidOfText("forged"), someLink(mutant, rng) as ReturnType<typeof linkOf>]);
	}),
	"an op's prev": editOp((op, rng) => {
		op.prev = rng.pick([oddLink(rng), cidOfText("forged"), op.prev ?? cidOfText("x")]);
	}),
	"an op has any link": editOp((op, rng) => {
		Object.assign(op, { [rng.pick(["cid", "prev", "extra"])]: anyLink(rng) });
	}),
	"an op has no prev": editOp((op) => {
		delete op.prev;
	}),
	"an op has a null prev": editOp((op) => {
		Object.assign(op, { prev: null });
	}),
	"an op has no cid": editOp((op) => {
		Object.assign(op, { cid: undefined });
	}),
	"a key that is created and deleted": ({ draft }) => {
		for (const { path, cid } of draft.ops.slice(0, 1)) {
			draft.ops.push({ action: "delete", path, cid: null, ...(cid === null ? null : { prev: cid }) });
		}
	},
	"an op has an unknown field": editOp((op, rng) => {
		Object.assign(op, { extra: rng.pick<unknown>([{ a: [1] }, null, "x"]) });
	}),
	"two ops exchange their records": ({ draft }) => {
		const [a, b] = draft.ops;
		if (a !== undefined && b !== undefined) [a.cid, b.cid] = [b.cid, a.cid];
	},

	"record bytes, hashed again": (mutant, rng) => {
		for (const [cid, bytes] of [...mutant.draft.records].slice(0, 1)) {
			replaceRecord(mutant, cid, Uint8Array.from(editBytes(bytes, rng)));
		}
	},
	"record with any link": (mutant, rng) => {
		for (const cid of [...mutant.draft.records.keys()].slice(0, 1)) {
			replaceRecord(mutant, cid, encode({ text: "x", links: [anyLink(rng)], embed: { image: anyLink(rng) } }));
		}
	},
	"record is missing": ({ draft }) => draft.records.clear(),
	"record bytes": editBlocks((blocks, rng) => {
		const at = rng.int(blocks.length);
		return blocks.map((block, index) => (index === at ? { ...block, data: editBytes(block.data, rng) } : block));
	}),

	"node bytes": editNode(editBytes),
	"node fields in another order": editNode(swapNodeFields),
	"node keys in another order": editNodeObject((node, rng) => {
		node.e = shuffle(node.e, rng);
	}),
	"node lacks an entry": editNodeObject((node, rng) => void node.e.splice(rng.int(node.e.length), 1)),
	"node has an entry twice": editNodeObject((node, rng) => {
		if (node.e.length > 0) node.e.splice(rng.int(node.e.length), 0, { ...rng.pick(node.e) });
	}),
	"node prefix": editNodeObject((node, rng) => {
		if (node.e.length > 0) rng.pick(node.e).p += rng.pick([-1, 1, 1000, 70_000]);
	}),
	"node prefix that is too short": editNodeObject((node, rng) => {
		let previous = Buffer.alloc(0);
		const at = rng.int(node.e.length + 1);
		for (const [index, entry] of node.e.entries()) {
			const key = Buffer.concat([previous.subarray(0, entry.p), fromBytes(entry.k)]);
			if (index === at && entry.p > 0) {
				entry.p--;
				entry.k = toBytes(Uint8Array.from(key.subarray(entry.p)));
			}
			previous = key;
		}
	}),
	"node key": editNodeObject((node, rng) => {
		if (node.e.length === 0) return;
		const entry = rng.pick(node.e);
		entry.k = toBytes(Uint8Array.from(editBytes(fromBytes(entry.k), rng)));
	}),
	"node value": editNodeObject((node, rng, mutant) => {
		if (node.e.length > 0) rng.pick(node.e).v = rng.pick([null, oddLink(rng), someLink(mutant, rng)]);
	}),
	"node value of any kind": editNodeObject((node, rng) => {
		if (node.e.length > 0) rng.pick(node.e).v = anyLink(rng);
	}),
	"node child": editNodeObject((node, rng, mutant) => {
		if (node.e.length > 0) rng.pick(node.e).t = rng.pick([null, oddLink(rng), someLink(mutant, rng), node.l]);
	}),
	"node's left child": editNodeObject((node, rng, mutant) => {
		node.l = rng.pick([null, oddLink(rng), someLink(mutant, rng)]);
	}),
	"node without entries": editNodeObject((node) => {
		node.e = [];
	}),
	"node has an unknown field": editNodeObject((node) => void Object.assign(node, { x: 1 })),
	"node is missing": (mutant, rng) => {
		const { nodes } = mutant.draft;
		if (nodes.size > 0) nodes.delete(rng.pick([...nodes.keys()]));
	},
	"half of the nodes are missing": (mutant, rng) => {
		for (const cid of [...mutant.draft.nodes.keys()]) if (rng.int(2) === 0) mutant.draft.nodes.delete(cid);
	},
	"nodes of another commit": (mutant, rng, specimens) => {
		for (const [cid, bytes] of rng.pick(specimens).draft.nodes) mutant.draft.nodes.set(cid, bytes);
	},
	"root of another commit": (mutant, rng, specimens) => {
		const other = rng.pick(specimens).draft;
		mutant.draft.commit.data = other.commit.data;
		for (const [cid, bytes] of other.nodes) mutant.draft.nodes.set(cid, bytes);
	},

	"commit object's version": editObject((commit, rng) => {
		commit["version"] = rng.pick<unknown>([2, 4, "3", null]);
	}),
	"commit object lacks a field": editObject((commit, rng) => {
		delete commit[rng.pick(Object.keys(commit))];
	}),
	"commit object has an unknown field": editObject((commit, rng) => {
		commit[rng.pick(["x", "zzzzzzzzz", "é"])] = rng.pick<unknown>([1, [null], { a: "b" }]);
	}),
	"commit object has a prev": editObject((commit, rng) => {
		commit["prev"] = rng.pick<unknown>([cidOfText("before"), oddLink(rng), 1]);
	}),
	"commit object has any link": editObject((commit, rng) => {
		commit[rng.pick(["prev", "data", "x"])] = anyLink(rng);
	}),
	"commit object's data": editObject((commit, rng, mutant) => {
		commit["data"] = rng.pick([cidOfText("forged"), oddLink(rng), someLink(mutant, rng), 3]);
	}),
	"commit object's did": editObject((commit, rng) => {
		commit["did"] = rng.pick<unknown>(["did:plc:aaaaaaaaaaaaaaaaaaaaaaaa", "", 1, "x".repeat(2049)]);
	}),
	"commit object's rev": editObject((commit, rng) => {
		commit["rev"] = rng.pick<unknown>(["3jzfcijpj2z2a", "not-a-tid", "", 1, "3jzfcijpj2z2aa"]);
	}),
	"commit block's bytes, hashed again": (mutant, rng) => void mutant.commitBlock.push((bytes) => editBytes(bytes, rng)),

	"signature's bytes": editSignature(editBytes),
	"signature with a high s": editSignature((signature, _rng, mutant) => highS(signature, mutant.signer)),
	"signature in DER": editSignature(toDer),
	"signature with r and s exchanged": editSignature((signature) =>
		Buffer.concat([signature.subarray(32), signature.subarray(0, 32)]),
	),
	"signature with a zero": editSignature((signature, rng) =>
		Uint8Array.from(signature).fill(
			0,
			...rng.pick([
				[0, 32],
				[32, 64],
			] as const),
		),
	),
	"signature with all bits": editSignature((signature, rng) =>
		Uint8Array.from(signature).fill(
			255,
			...rng.pick([
				[0, 32],
				[32, 64],
			] as const),
		),
	),
	"key of another account": (mutant, rng, specimens) => {
		mutant.key = rng.pick(specimens).key;
	},
	"key on the other curve": (mutant, rng) => {
		mutant.key = new SimKey(mutant.key.curve === "k256" ? "p256" : "k256", rng);
	},

	"blocks in another order": editBlocks(shuffle),
	"blocks twice": editBlocks((blocks, rng) => (blocks.length === 0 ? blocks : [...blocks, rng.pick(blocks)])),
	"a block is missing": editBlocks((blocks, rng) => blocks.toSpliced(rng.int(blocks.length), 1)),
	"an unneeded block": editBlocks((blocks, rng) => {
		const data = encode({ text: rng.text(5, "abc") });
		return [{ cid: cidBytes(cidOf(data)), data }, ...blocks];
	}),
	"two blocks exchange their data": editBlocks((blocks, rng) => {
		const [a, b, ...others] = shuffle(blocks, rng);
		return a === undefined || b === undefined ? blocks : [{ ...a, data: b.data }, { ...b, data: a.data }, ...others];
	}),
	"a block's CID": editBlocks((blocks, rng) => {
		const at = rng.int(blocks.length);
		return blocks.map((block, index) => (index === at ? { ...block, cid: editBytes(block.cid, rng) } : block));
	}),
	"a block's codec is raw": editBlocks((blocks, rng) => {
		const at = rng.int(blocks.length);
		return blocks.map((block, index) => (index === at ? { ...block, cid: block.cid.with(1, 0x55) } : block));
	}),
	"blocks of another commit": editBlocks((blocks, rng, specimens) => [
		...[...rng.pick(specimens).draft.nodes].map(([cid, data]) => ({ cid: cidBytes(cid), data })),
		...blocks,
	]),
	roots: (mutant, rng) =>
		void mutant.roots.push((roots) =>
			rng.pick([
				[],
				[...roots, ...roots],
				new Array<Uint8Array>(17).fill(roots[0] ?? new Uint8Array()),
				[cidBytes(cidOfText("x"))],
				[cidBytes(oddLink(rng))],
				roots.map((root) => root.subarray(0, 35)),
				[...roots, anyCid(rng)],
				[anyCid(rng)],
			]),
		),
	"CAR header": (mutant, rng) => void mutant.header.push((header) => editBytes(header, rng)),
	"CAR header with version in front": (mutant) =>
		void mutant.header.push((header) =>
			Buffer.concat([header.subarray(0, 1), header.subarray(-9), header.subarray(1, -9)]),
		),
	"CAR has a long block that nothing needs": editBlocks((blocks, rng) => {
		const data = encode("x".repeat(rng.pick([9_000, 10_001])));
		return [...blocks, { cid: cidBytes(cidOf(data)), data }];
	}),
	"CAR bytes": (mutant, rng) => void mutant.car.push((car) => editBytes(car, rng)),
	"CAR is empty": (mutant) => void mutant.car.push(() => new Uint8Array()),
	"CAR ends with a lie about a length": (mutant, rng) =>
		void mutant.car.push((car) =>
			Buffer.concat([car, varint(rng.pick([0, 1, 36, 300, 2 ** 31, 2 ** 32 + 36, 2 ** 52])), rng.bytes(rng.int(3))]),
		),
};
