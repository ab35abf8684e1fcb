import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { encode } from "@atcute/cbor";
import { encodeFrame } from "../../src/sim/message.ts";
import { RelayRig, until } from "./rig.ts";

let rig: RelayRig;

beforeAll(async () => {
	rig = await RelayRig.start({ seed: "hostile", hosts: 2, accounts: 6 });
});

afterAll(() => rig.stop());

/** The two accounts of a test: one at the host that misbehaves, and one at the other host. */
function accountsOf(index: number) {
	const [own, other] = [rig.network.accounts[index], rig.network.accounts[index + 1]];
	if (own === undefined || other === undefined) throw new Error("not enough accounts");
	return { own, other };
}

/** How many messages could not be read so far. */
async function unreadable(): Promise<number> {
	const { rejected } = await rig.stats();
	return rejected["frame-malformed"] + rejected["frame-header"] + rejected["frame-text"];
}

async function expectFlow(index: number): Promise<void> {
	const { own, other } = accountsOf(index);
	for (const account of [own, other]) {
		const message = await account.commit();
		rig.network.send(account, message);
		await until(() => rig.received(account.did).includes(`commit ${message.rev}`));
	}
}

describe("a host that sends something that is no frame", () => {
	const header = encode({ op: 1, t: "#commit" });
	const bomb = (hex: string) => Buffer.concat([header, Buffer.from(hex, "hex")]);
	const cases: [string, Buffer][] = [
		["an empty message", Buffer.alloc(0)],
		["a map that claims 2^53-1 pairs", bomb("bb001fffffffffffff")],
		["an array that claims 2^32 items", bomb("a1636f70739b00000000ffffffff")],
		["a byte string that claims 4 GiB", bomb("a166626c6f636b735a ffffffff".replaceAll(" ", ""))],
		["arrays nested a million deep", bomb(`a16178${"81".repeat(1_000_000)}`)],
		["maps nested 100,000 deep", bomb(`a16178${"a16161".repeat(100_000)}`)],
		["tags nested 100,000 deep", bomb(`a16178${"d82a".repeat(100_000)}`)],
		["five megabytes of zeros", Buffer.alloc(5_000_000)],
		["five megabytes of 0xff", Buffer.alloc(5_000_000, 0xff)],
	];

	test.each(cases)(
		"%s costs that message, but not the connection",
		async (_what, bytes) => {
			const { own } = accountsOf(0);
			const host = rig.network.hostOf(own);
			const [connects, before] = [host.cursors.length, await unreadable()];
			host.sendRaw(Uint8Array.from(bytes));
			await until(async () => (await unreadable()) === before + 1);
			await expectFlow(0);
			expect(host.cursors.length).toBe(connects);
		},
		300_000,
	);
});

test("a commit that is cut anywhere never passes, and has no other consequence for its sender", async () => {
	const { own } = accountsOf(0);
	await expectFlow(0);
	const host = rig.network.hostOf(own);
	const draft = await own.draft([own.newRecord()]);
	const { sealCommit, signCommit } = await import("../../src/sim/commit.ts");
	const frame = encodeFrame(await sealCommit(draft, signCommit(draft.commit, own.key)), host.lastSeq + 1);
	const [connects, before] = [host.cursors.length, await unreadable()];
	// This is fewer than would close the connection.
	for (let cut = 1; cut < 90; cut++) host.sendRaw(frame.subarray(0, Math.ceil((frame.length * cut) / 90)));
	await until(async () => (await unreadable()) === before + 89);
	expect(host.cursors.length).toBe(connects);
	expect(rig.received(own.did)).toEqual(rig.expected(own.did));
	await expectFlow(0);
}, 300_000);

describe("a PLC directory that misbehaves", () => {
	test.each([
		["does not answer at first", { kind: "hang" }],
		["answers for another DID at first", { kind: "wrong-id" }],
		["answers garbage at first", { kind: "garbage" }],
		["answers with megabytes at first", { kind: "huge", bytes: 3_000_000 }],
		["fails at first", { kind: "status", status: 500 }],
		["asks for patience at first", { kind: "status", status: 429, headers: { "Retry-After": "1" } }],
	] as const)(
		"that %s delays only the accounts that it is asked for",
		async (_what, fault) => {
			const { network } = rig;
			const stranger = await network.addAccount();
			network.plc.setFault(stranger.did, fault);
			const message = await stranger.commit();
			network.send(stranger, message);
			await until(() => (network.plc.gets.get(stranger.did) ?? 0) > 0);
			// Known accounts of the same host go on meanwhile.
			const neighbour = network.accounts.find(
				(account) =>
					network.hostOf(account) === network.hostOf(stranger) && account.rev !== null && account !== stranger,
			);
			if (neighbour !== undefined) {
				const sent = await neighbour.commit();
				network.send(neighbour, sent);
				await until(() => rig.received(neighbour.did).includes(`commit ${sent.rev}`));
			}
			expect(rig.received(stranger.did)).toEqual([]);
			network.plc.clearFaults();
			// A wrong document is final for the message. With any other fault the message waited.
			const waits = fault.kind === "hang" || fault.kind === "status";
			if (waits) await until(() => rig.received(stranger.did).includes(`commit ${message.rev}`));
		},
		300_000,
	);

	test("that is down is asked again, and no message that waited for it is lost", async () => {
		const { network } = rig;
		const stranger = await network.addAccount();
		await network.plc.stop();
		const message = await stranger.commit();
		network.send(stranger, message);
		await until(async () => (await rig.stats()).counters.of("parked_messages") > 0);
		network.plc.start();
		await until(() => rig.received(stranger.did).includes(`commit ${message.rev}`));
	}, 300_000);
});

describe("a host that misbehaves on its connections", () => {
	test("that accepts and closes at once is dialled with growing delays, and followed again later", async () => {
		const { own } = accountsOf(0);
		const host = rig.network.hostOf(own);
		const connects = host.cursors.length;
		for (let closed = 0; closed < 3; closed++) {
			await until(() => host.connections > 0);
			host.closeAll(1011, "no");
			await until(() => host.connections === 0);
		}
		await until(() => host.connections > 0);
		// Three closes lead to three dials: this is no tight loop.
		expect(host.cursors.length - connects).toBeLessThanOrEqual(4);
		await expectFlow(0);
	}, 300_000);

	test("that closes and comes back loses no message that it sent meanwhile", async () => {
		const { own } = accountsOf(0);
		const host = rig.network.hostOf(own);
		await until(() => host.connections > 0);
		host.closeAll(1012, "restart");
		await until(() => host.connections === 0);
		const missed = [await own.commit(), await own.commit()];
		for (const message of missed) rig.network.send(own, message);
		await until(() => missed.every(({ rev }) => rig.received(own.did).includes(`commit ${rev}`)));
		expect(rig.received(own.did)).toEqual(rig.expected(own.did));
	}, 300_000);
});

test("the consumer got all messages in order", () => {
	expect(rig.consumer.orderViolations).toBe(0);
	expect(rig.consumer.revViolations).toBe(0);
	expect(rig.consumer.closes).toEqual([]);
});
