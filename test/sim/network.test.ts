import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { readCarWithRoot } from "@atproto/repo";
import { SimConsumer } from "../../src/sim/consumer.ts";
import { makeCorpus } from "../../src/sim/corpus.ts";
import { SimNetwork } from "../../src/sim/network.ts";
import { carOf } from "./reference.ts";

const FIXED_MS = Date.UTC(2026, 0, 1);

async function lookUp(network: SimNetwork, did: string): Promise<Response> {
	return fetch(`${network.plc.url}/${did}`);
}

describe("a network of two hosts", () => {
	const network = new SimNetwork({ seed: "network", hosts: 2, accounts: 6, recordsMax: 40 });
	beforeAll(() => network.start());
	afterAll(() => network.stop());

	test("sends what its oracle says, in the oracle's order, from each host", async () => {
		const consumers = network.hosts.map((host) => new SimConsumer(`ws://${host.hostname}`));
		await Promise.all(consumers.map((consumer) => consumer.connect(0)));
		await network.burst(150);
		for (const [index, consumer] of consumers.entries()) {
			const expected = network.sent.filter((sent) => sent.host === network.hosts[index]);
			await consumer.until(() => consumer.received === expected.length);
			expect(consumer.events.map(({ seq, type, did, rev }) => ({ seq, type, did, rev }))).toEqual(
				expected.map(({ hostSeq, type, did, rev }) => ({ seq: hostSeq ?? 0, type, did, rev })),
			);
			expect(consumer.orderViolations + consumer.revViolations).toBe(0);
			await consumer.disconnect();
		}
	});

	test("migration moves an account's document and messages to the new host", async () => {
		const account = network.accounts[0];
		const [from, to] = network.hosts;
		if (account === undefined || to === undefined) throw new Error("the network has accounts and hosts");
		expect(network.hostOf(account)).toBe(from as typeof to);
		const [rev, key] = [account.rev ?? "", account.key.multibase];
		await network.migrate(account, to);
		const document = (await (await lookUp(network, account.did)).json()) as {
			service: { serviceEndpoint: string }[];
			verificationMethod: { publicKeyMultibase: string }[];
		};
		expect(document.service[0]?.serviceEndpoint).toBe(to.endpoint);
		expect(document.verificationMethod[0]?.publicKeyMultibase).toBe(account.key.multibase);
		expect(account.key.multibase).not.toBe(key);
		expect((account.rev ?? "") > rev).toBe(true);
		expect(network.sent.at(-1)).toMatchObject({ host: to, type: "commit", did: account.did });
	});
});

test("one seed makes one network", async () => {
	const run = async (seed: string): Promise<string[]> => {
		const network = new SimNetwork({ seed, hosts: 2, accounts: 4, recordsMax: 30, nowMs: () => FIXED_MS });
		await network.start();
		await network.burst(60);
		await network.stop();
		return network.sent.map(({ hostSeq, did, type, rev }) => `${hostSeq} ${did} ${type} ${rev}`);
	};
	expect(await run("a")).toEqual(await run("a"));
	expect(await run("a")).not.toEqual(await run("b"));
});

test("the directory's faults have the effects that their names say", async () => {
	const network = new SimNetwork({ seed: "faults", hosts: 1, accounts: 1 });
	await network.start();
	const did = network.accounts[0]?.did ?? "";
	network.plc.setFault(did, { kind: "status", status: 500 });
	expect((await lookUp(network, did)).status).toBe(500);
	network.plc.setFault(did, { kind: "garbage" });
	expect((await lookUp(network, did)).json()).rejects.toThrow();
	network.plc.setFault(did, { kind: "wrong-id" });
	expect(await (await lookUp(network, did)).json()).not.toHaveProperty("id", did);
	network.plc.setFault(did, { kind: "huge", bytes: 1_000_000 });
	expect((await (await lookUp(network, did)).text()).length).toBeGreaterThan(1_000_000);
	network.plc.clearFaults();
	expect(await (await lookUp(network, did)).json()).toHaveProperty("id", did);
	expect((await lookUp(network, "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa")).status).toBe(404);
	network.plc.tombstone(did);
	expect((await lookUp(network, did)).status).toBe(410);
	expect(network.plc.gets.get(did)).toBe(6);
	await network.plc.stop();
	expect(lookUp(network, did)).rejects.toThrow();
	await network.stop();
});

test("a corpus has about the frame size and tree depth of the live network", async () => {
	const { frames } = await makeCorpus({ seed: "corpus", accounts: 4, frames: 200, nowMs: () => FIXED_MS });
	const meanBytes = frames.reduce((sum, { frame }) => sum + frame.length, 0) / frames.length;
	expect(meanBytes).toBeGreaterThan(4_500);
	expect(meanBytes).toBeLessThan(6_500);
	let nodes = 0;
	for (const { message } of frames) {
		const { blocks } = await readCarWithRoot(carOf(message));
		nodes += blocks.size - 1 - (message.body.ops as { cid: unknown }[]).filter((op) => op.cid !== null).length;
	}
	expect(nodes / frames.length).toBeGreaterThan(5);
	expect(nodes / frames.length).toBeLessThan(15);
});
