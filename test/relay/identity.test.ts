import { afterAll, beforeAll, expect, test } from "bun:test";
import { withOddParts } from "../sim/odd-document.ts";
import { Rng } from "../sim/rng.ts";
import { RelayRig, until } from "./rig.ts";

let rig: RelayRig;

beforeAll(async () => {
	rig = await RelayRig.start({ seed: "identity", hosts: 2, accounts: 2 });
});

afterAll(async () => {
	expect(await rig.relay.stop()).toBe(0);
	await rig.stop();
});

test("DID documents with odd things in the parts that a relay doesn't use all resolve", async () => {
	const { network } = rig;
	const rng = new Rng("odd documents of the relay");
	const before = (await rig.stats()).rejected;
	const commits: { did: string; rev: string | null }[] = [];
	for (let i = 0; i < 60; i++) {
		const stranger = await network.addAccount();
		network.plc.setFault(stranger.did, { kind: "edit", edit: (document) => withOddParts(document, rng) });
		const message = await stranger.commit();
		network.send(stranger, message);
		commits.push(message);
	}
	await until(() => commits.every(({ did, rev }) => rig.received(did).includes(`commit ${rev}`)));
	expect((await rig.stats()).rejected).toEqual(before);
}, 300_000);

test("the directory and did:web hosts are asked under the relay's name", () => {
	expect([...rig.network.plc.userAgents]).toEqual([expect.stringMatching(/^standpipe\//)]);
});
