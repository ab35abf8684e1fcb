// The reference library of did:plc, as a judge and as a maker of operations. Reads lines of JSON and answers each with a line.
//   {did, steps: [{operation, createdAtMs}]}   -> {verdicts: [accepted or not], data: what the DID says in the end; null for a tombstone}
//   {make: name}                               -> {did, steps}: a history whose operations the library made and signed
import { createInterface } from "node:readline";
import { P256Keypair, Secp256k1Keypair } from "@atproto/crypto";
import * as plc from "@did-plc/lib";

const HOUR_MS = 3_600_000;
const START_MS = Date.parse("2024-03-01T00:00:00.000Z");

async function judge({ did, steps }) {
	const systemNow = Date.now;
	let operations = [];
	const verdicts = [];
	for (const { operation, createdAtMs } of steps) {
		// The library reads the clock to tell whether a recovery comes in time.
		Date.now = () => createdAtMs;
		try {
			if (!isForm(operation)) throw new Error("not an operation");
			const { nullified } = await plc.assureValidNextOp(did, operations, operation);
			const { cid } = await plc.getLastOpWithCid([operation]);
			const kept = operations.filter((one) => !nullified.some((gone) => gone.equals(one.cid)));
			operations = [...kept, { did, operation, cid, nullified: false, createdAt: new Date(createdAtMs) }];
			verdicts.push(true);
		} catch {
			verdicts.push(false);
		}
		Date.now = systemNow;
	}
	const last = operations.at(-1)?.operation;
	const data = last === undefined ? null : plc.opToData(did, last);
	return { verdicts, data };
}

const isForm = (operation) =>
	plc.def.compatibleOp.safeParse(operation).success || plc.def.tombstone.safeParse(operation).success;

const cidOf = async (operation) => (await plc.getLastOpWithCid([operation])).cid;

/** Histories that the library makes: what PDSes and owners do. */
const HISTORIES = {
	async updates({ owner, server, other }) {
		const first = await createdBy(owner, server);
		const moved = await plc.updatePdsOp(first.op, server, "https://second.example.com");
		const rekeyed = await plc.updateAtprotoKeyOp(moved, owner, other.did());
		const renamed = await plc.updateHandleOp(rekeyed, server, "bob.example.com");
		const rotated = await plc.updateRotationKeysOp(renamed, owner, [other.did(), owner.did()]);
		const last = await plc.updatePdsOp(rotated, other, "https://third.example.com");
		return { did: first.did, steps: at(1, [first.op, moved, rekeyed, renamed, rotated, last]) };
	},
	async recovery({ owner, server, other }) {
		const first = await createdBy(owner, server);
		const stolen = await plc.updatePdsOp(first.op, server, "https://thief.example.com");
		const locked = await plc.updateRotationKeysOp(stolen, server, [other.did()]);
		const back = await plc.updatePdsOp(first.op, owner, "https://home.example.com");
		const after = await plc.updateHandleOp(back, server, "back.example.com");
		return { did: first.did, steps: at(20, [first.op, stolen, locked, back, after]) };
	},
	async lateRecovery({ owner, server, other }) {
		const { did, steps } = await HISTORIES.recovery({ owner, server, other });
		steps[3].createdAtMs = steps[1].createdAtMs + 72 * HOUR_MS + 1;
		steps[4].createdAtMs = steps[3].createdAtMs + HOUR_MS;
		return { did, steps };
	},
	async tombstone({ owner, server }) {
		const first = await createdBy(owner, server);
		const gone = await plc.tombstoneOp(await cidOf(first.op), server);
		const late = await plc.updateHandleOp(first.op, server, "late.example.com");
		return { did: first.did, steps: at(1, [first.op, gone, late]) };
	},
	async nullifiedTombstone({ owner, server }) {
		const first = await createdBy(owner, server);
		const gone = await plc.tombstoneOp(await cidOf(first.op), server);
		const back = await plc.updateHandleOp(first.op, owner, "back.example.com");
		return { did: first.did, steps: at(72, [first.op, gone, back]) };
	},
	async legacy({ owner, server, other }) {
		const first = await plc.deprecatedSignCreate(
			{
				type: "create",
				signingKey: server.did(),
				recoveryKey: owner.did(),
				handle: "old.example.com",
				service: "old.example.com",
				prev: null,
			},
			server,
		);
		const did = await plc.didForCreateOp(first);
		const moved = await plc.updatePdsOp(first, server, "https://new.example.com");
		const rotated = await plc.updateRotationKeysOp(first, owner, [owner.did(), other.did()]);
		return { did, steps: at(1, [first, moved, rotated]) };
	},
};

const createdBy = (owner, server) =>
	plc.createOp({
		signingKey: server.did(),
		handle: "alice.example.com",
		pds: "https://first.example.com",
		rotationKeys: [owner.did(), server.did()],
		signer: server,
	});

const at = (hours, operations) =>
	operations.map((operation, index) => ({ operation, createdAtMs: START_MS + index * hours * HOUR_MS }));

async function make({ make }) {
	const [owner, server, other] = [
		await P256Keypair.create(),
		await Secp256k1Keypair.create(),
		await Secp256k1Keypair.create(),
	];
	return HISTORIES[make]({ owner, server, other });
}

for await (const line of createInterface({ input: process.stdin })) {
	const request = JSON.parse(line);
	console.log(JSON.stringify(await (request.make === undefined ? judge(request) : make(request))));
}
