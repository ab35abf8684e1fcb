import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { dirname, join } from "node:path";
import { encode } from "@atcute/cbor";
import type { SimAccount } from "../../src/sim/account.ts";
import { SimConsumer } from "../../src/sim/consumer.ts";
import type { SimMessage } from "../../src/sim/message.ts";
import { Rng } from "../../src/sim/rng.ts";
import { firstMessages } from "../../src/sim/traffic.ts";
import {
	addExtraFields,
	anyForeignCid,
	BROKEN_CIDS,
	cborBytes,
	cborInteger,
	cborLink,
	cborMap,
	cborText,
	fieldsOf,
	loosened,
} from "../sim/any-cbor.ts";
import { RelayRig, until } from "./rig.ts";

const ROUNDS = 30;
const FLOAT = Buffer.from("fb3ff8000000000000", "hex");

let rig: RelayRig;
let consumer: SimConsumer;
/** Every frame that went out. */
const frames: Buffer[] = [];

beforeAll(async () => {
	rig = await RelayRig.start({ seed: "wire", hosts: 1, accounts: 8 });
	await listen();
});

afterAll(async () => {
	await consumer.disconnect();
	expect(await rig.relay.stop()).toBe(0);
	await rig.stop();
});

async function listen(): Promise<void> {
	consumer = new SimConsumer(rig.relay.firehoseOrigin, { onFrame: (frame) => void frames.push(Buffer.from(frame)) });
	await consumer.connect();
}

function accountAt(index: number): SimAccount {
	const account = rig.network.accounts[index];
	if (account === undefined) throw new Error("not enough accounts");
	return account;
}

type Fields = Map<string, Uint8Array>;

function frameOf(type: SimMessage["type"], fields: Fields, header: Record<string, Uint8Array> = {}): Buffer {
	const plain = { op: cborInteger(1), t: cborText(`#${type}`) };
	return Buffer.concat([cborMap(new Map(Object.entries({ ...header, ...plain }))), cborMap(fields)]);
}

function send(account: SimAccount, frame: Uint8Array): void {
	const host = rig.network.hostOf(account);
	host.emitFrame(Uint8Array.from(frame), host.lastSeq + 1);
}

function nextSeq(account: SimAccount): number {
	return rig.network.hostOf(account).lastSeq + 1;
}

/** Waits for the next frame that goes out. Expects it to be this message, each byte of it, except for the relay's seq. */
async function expectSent(type: SimMessage["type"], fields: Fields, count: number): Promise<void> {
	await consumer.until(() => frames.length > count);
	const seq = consumer.cursor ?? 0;
	const expected = frameOf(type, new Map([...fields, ["seq", cborInteger(seq)]]));
	const got = frames[count] ?? Buffer.of();
	if (!got.equals(expected)) expect(got.toString("hex")).toBe(expected.toString("hex"));
	expect(frames.length).toBe(count + 1);
}

/** The fields of a message, and additional ones of all kinds. */
function withExtras(rng: Rng, message: SimMessage, account: SimAccount): Fields {
	const fields = fieldsOf(message, nextSeq(account));
	addExtraFields(rng, fields);
	return fields;
}

function without(fields: Fields, name: string): Fields {
	return new Map([...fields].filter(([key]) => key !== name));
}

async function begin(account: SimAccount): Promise<void> {
	if (account.rev !== null) return;
	const count = frames.length;
	const messages = await firstMessages(account);
	for (const message of messages) rig.network.send(account, message);
	await consumer.until(() => frames.length === count + messages.length);
}

/** Expects that a good message of the account passes, over the same connection as before. */
async function expectFlow(account: SimAccount, connects: number): Promise<void> {
	const count = frames.length;
	rig.network.send(account, await account.commit());
	await consumer.until(() => frames.length > count);
	expect(rig.network.hostOf(account).cursors.length).toBe(connects);
}

test("messages pass with all additional fields, every byte as it was; an identity without its handle", async () => {
	const account = accountAt(0);
	await begin(account);
	for (let i = 0; i < ROUNDS; i++) {
		const rng = new Rng(`wire ${i}`);
		const identity = withExtras(rng, account.identity(), account);
		let count = frames.length;
		send(account, rng.int(3) === 0 ? loosened(rng, frameOf("identity", identity)) : frameOf("identity", identity));
		await expectSent("identity", without(identity, "handle"), count);

		const other = withExtras(rng, account.account(true), account);
		count = frames.length;
		send(account, frameOf("account", other, { x: cborInteger(1), ["__proto__"]: cborMap(new Map()) }));
		await expectSent("account", other, count);

		const commit = withExtras(rng, await account.commit(), account);
		count = frames.length;
		send(account, rng.int(3) === 0 ? loosened(rng, frameOf("commit", commit)) : frameOf("commit", commit));
		await expectSent("commit", commit, count);
	}
}, 300_000);

test("a null field counts as absent, and a commit may lack deprecated fields", async () => {
	const account = accountAt(1);
	const plain = fieldsOf(await account.commit(), nextSeq(account));
	const sparse = new Map([...plain].filter(([key]) => !["since", "blobs", "rebase", "tooBig"].includes(key)));
	sparse.set("prevData", encode(null));
	let count = frames.length;
	send(account, frameOf("commit", sparse));
	await expectSent("commit", plain, count);

	const message = await account.commit();
	const next = fieldsOf(message, nextSeq(account));
	const nulls = new Map([...next, ...["blobs", "rebase", "tooBig"].map((name) => [name, encode(null)] as const)]);
	nulls.set("ops", encode((message.body.ops as object[]).map((op) => ({ ...op, prev: null }))));
	count = frames.length;
	send(account, frameOf("commit", nulls));
	await expectSent("commit", next, count);

	for (const [type, message, name] of [
		["identity", account.identity(null), "handle"],
		["account", account.account(true), "status"],
	] as const) {
		const fields = without(fieldsOf(message, nextSeq(account)), name);
		count = frames.length;
		send(account, frameOf(type, new Map([...fields, [name, encode(null)]])));
		await expectSent(type, fields, count);
	}
}, 300_000);

test("a frame of an unknown kind is skipped, whatever it holds", async () => {
	const account = accountAt(2);
	await begin(account);
	const connects = rig.network.hostOf(account).cursors.length;
	const before = (await rig.stats()).counters.of("frames_ignored_total");
	const contents = [FLOAT, Buffer.of(0xff), Buffer.alloc(0), cborLink(Buffer.of(7)), Buffer.from("a0a0", "hex")];
	for (const content of contents) {
		for (const header of [encode({ op: 1, t: "#new" }), encode({ op: 4 })]) {
			rig.network.hostOf(account).sendRaw(Uint8Array.from(Buffer.concat([header, content])));
		}
	}
	await until(async () => (await rig.stats()).counters.of("frames_ignored_total") === before + 2 * contents.length);
	await expectFlow(account, connects);
}, 300_000);

describe("a link that some consumers can't decode", () => {
	const types: [string, (account: SimAccount, link: Uint8Array) => Promise<Buffer>][] = [
		["a header", async (account, x) => frameOf("identity", fieldsOf(account.identity(), nextSeq(account)), { x })],
		...(["identity", "account"] as const).map((type) => {
			const make = async (account: SimAccount, link: Uint8Array): Promise<Buffer> => {
				const fields = fieldsOf(type === "identity" ? account.identity() : account.account(true), nextSeq(account));
				return frameOf(type, fields.set("x", cborMap(new Map([["y", link]]))));
			};
			return [`an #${type}`, make] as [string, typeof make];
		}),
		[
			"a commit's prevData",
			async (account, link) =>
				frameOf(
					"commit",
					new Map<string, Uint8Array>([
						...Object.entries({ repo: cborText(account.did), time: cborText(account.clock.datetime()) }),
						...Object.entries({ rev: cborText(account.clock.tid()), since: encode(account.rev), commit: link }),
						...Object.entries({ prevData: link, blocks: cborBytes(Buffer.of(1)), ops: encode([]) }),
						["seq", cborInteger(nextSeq(account))],
					]),
				),
		],
	];

	test.each(types)(
		"costs its message only, in %s",
		async (_where, make) => {
			const account = accountAt(3);
			await begin(account);
			const connects = rig.network.hostOf(account).cursors.length;
			const cids = [...Object.values(BROKEN_CIDS), anyForeignCid];
			const { rejected } = await rig.stats();
			const count = frames.length;
			const rng = new Rng("links");
			for (const cid of cids) send(account, await make(account, cborLink(cid(rng))));
			const expected = rejected["link-malformed"] + cids.length;
			await until(async () => (await rig.stats()).rejected["link-malformed"] === expected);
			await expectFlow(account, connects);
			expect(frames.length).toBe(count + 1);
		},
		300_000,
	);
});

test("the #account of an account that the operator took down says so, with all other fields of its host's message", async () => {
	const account = accountAt(4);
	await begin(account);
	await consumer.disconnect();
	await rig.consumer.disconnect();
	expect(await rig.relay.stop()).toBe(0);
	const index = new Database(join(dirname(rig.relay.logDirectory), "index.sqlite"));
	expect(
		index.run("UPDATE account SET local_status = 'takendown', taken_down = 1 WHERE did = ?", [account.did]).changes,
	).toBe(1);
	index.close();
	await rig.relay.start();
	await rig.consumer.connect();
	await until(() => rig.network.hosts.every((host) => host.connections > 0));
	frames.length = 0;
	await listen();
	for (let i = 0; i < ROUNDS; i++) {
		const message = i % 2 === 0 ? account.account(true) : account.account(false, "deactivated");
		const fields = withExtras(new Rng(`local ${i}`), message, account);
		const count = frames.length;
		send(account, frameOf("account", fields));
		const local = { active: encode(false), status: cborText("takendown") };
		await expectSent("account", new Map([...fields, ...Object.entries(local)]), count);
	}
}, 300_000);

test("the other consumer decoded all of that", () => {
	expect(rig.consumer.orderViolations).toBe(0);
	expect(rig.consumer.errors).toEqual([]);
});
