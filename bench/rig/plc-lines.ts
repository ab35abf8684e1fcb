import {
	cidOfOperation,
	didOfOperation,
	newKey,
	PLC_START_MS,
	type PlcOperation,
	sign,
	unsignedUpdate,
} from "../../src/sim/plc-operation.ts";
import { Rng } from "../../src/sim/rng.ts";

const HOSTS = 100;
const KEYS = 200;
const GAP_MS_MAX = 2_000;
/** Of ten operations, so many are the first of a DID. */
const FIRST_OF_TEN = 7;

/** Lines of a directory's export as most are: accounts of a few hosts, which share their rotation keys; seven of ten are first operations. */
export function plcLines(count: number): { lines: string[]; dids: number } {
	const rng = new Rng("plc lines");
	const rotationKeys = [newKey(rng, "k256"), newKey(rng, "k256")] as const;
	const signingKeys = Array.from({ length: KEYS }, () => newKey(rng, "k256"));
	const known: { did: string; cid: string }[] = [];
	const lines: string[] = [];
	let createdAtMs = PLC_START_MS;
	for (let at = 0; at < count; at++) {
		createdAtMs += rng.int(GAP_MS_MAX);
		const before = known.length > 0 && rng.int(10) >= FIRST_OF_TEN ? rng.pick(known) : null;
		const unsigned = unsignedUpdate({
			rotationKeys,
			signingKey: rng.pick(signingKeys),
			pds: `https://mushroom${rng.int(HOSTS)}.us-east.host.example.com`,
			handle: `account${at}.example.com`,
			prev: before?.cid ?? null,
		});
		const operation: PlcOperation = sign(unsigned, rotationKeys[1]);
		const cid = cidOfOperation(operation);
		const did = before?.did ?? didOfOperation(operation);
		if (before === null) known.push({ did, cid });
		else before.cid = cid;
		const createdAt = new Date(createdAtMs).toISOString();
		lines.push(JSON.stringify({ type: "sequenced_op", did, operation, cid, createdAt, seq: at + 1 }));
	}
	return { lines, dids: known.length };
}
