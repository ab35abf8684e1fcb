import { describe, expect, test } from "bun:test";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { CHAIN_LINKS_MAX, type DidState, RECOVERY_MS } from "../../src/plc/chain.ts";
import { OPERATION_BYTES_MAX, ROTATION_KEYS_MAX } from "../../src/plc/operation.ts";
import {
	cidOfOperation,
	didOfOperation,
	newKey,
	PLC_START_MS,
	type PlcOperation,
	type PlcStep,
	sign,
	unsignedLegacy,
	unsignedTombstone,
	unsignedUpdate,
} from "../../src/sim/plc-operation.ts";
import { Rng } from "../../src/sim/rng.ts";
import { play, step } from "./history.ts";

const VECTORS = join(import.meta.dir, "..", "vectors", "plc");
const rng = new Rng("plc chain");
const [owner, server, thief, signing] = [newKey(rng), newKey(rng), newKey(rng), newKey(rng)];

const FIRST = sign(update({ pds: "https://home.test", prev: null }), server);
const DID = didOfOperation(FIRST);

interface Parts {
	pds?: string;
	prev: string | null;
	rotationKeys?: (typeof owner)[];
}

function update({ pds = "https://other.test", prev, rotationKeys = [owner, server] }: Parts): PlcOperation {
	return unsignedUpdate({ rotationKeys, signingKey: signing, pds, prev });
}

/** Milliseconds after the first operation. */
const at = (ms: number, operation: PlcOperation): PlcStep => ({ operation, createdAtMs: PLC_START_MS + ms });

const outcomesOf = (...steps: PlcStep[]) => play({ did: DID, steps: [at(0, FIRST), ...steps] }).outcomes.slice(1);

function stateAfter(...steps: PlcStep[]): DidState {
	const { state } = play({ did: DID, steps: [at(0, FIRST), ...steps] });
	if (state === null) throw new Error("no operation was accepted");
	return state;
}

describe("the vectors of the specification", () => {
	for (const kind of ["valid", "invalid"])
		for (const file of readdirSync(join(VECTORS, kind)))
			test(`${kind}: ${file}`, () => {
				const lines = JSON.parse(readFileSync(join(VECTORS, kind, file), "utf8")) as {
					did: string;
					operation: PlcOperation;
					cid: string;
					createdAt: string;
				}[];
				const did = lines[0]?.did ?? "";
				const steps = lines.map(({ operation, createdAt }) => ({ operation, createdAtMs: Date.parse(createdAt) }));
				const { outcomes, state } = play({ did, steps });
				expect(outcomes.every((outcome) => outcome === "accepted")).toBe(kind === "valid");
				if (kind === "valid") expect(state?.chain.at(-1)?.cid).toBe(lines.at(-1)?.cid ?? "");
			});
});

describe("a recovery", () => {
	const stolen = sign(update({ pds: "https://thief.test", prev: cidOfOperation(FIRST) }), server);
	const stolenMs = 1_000;
	const back = sign(update({ pds: "https://back.test", prev: cidOfOperation(FIRST) }), owner);

	test("replaces up to 72 hours of operations of weaker keys", () => {
		expect(outcomesOf(at(stolenMs, stolen), at(stolenMs + RECOVERY_MS, back))).toEqual(["accepted", "accepted"]);
		const { data } = stateAfter(at(stolenMs, stolen), at(stolenMs + RECOVERY_MS, back));
		expect(data.pds).toBe("https://back.test");
	});

	test("is refused after 72 hours, and the state stays", () => {
		const late = at(stolenMs + RECOVERY_MS + 1, back);
		expect(outcomesOf(at(stolenMs, stolen), late)).toEqual(["accepted", "fork-too-late"]);
		expect(stateAfter(at(stolenMs, stolen), late).data.pds).toBe("https://thief.test");
	});

	test("is counted from the first operation that it replaces, not from the last", () => {
		const more = sign(update({ prev: cidOfOperation(stolen) }), server);
		const steps = [at(stolenMs, stolen), at(stolenMs + RECOVERY_MS, more)];
		expect(outcomesOf(...steps, at(stolenMs + RECOVERY_MS + 1, back)).at(-1)).toBe("fork-too-late");
		const fromStolen = sign(update({ pds: "https://back.test", prev: cidOfOperation(stolen) }), owner);
		expect(outcomesOf(...steps, at(stolenMs + RECOVERY_MS + 1, fromStolen)).at(-1)).toBe("accepted");
	});

	test("is refused from the key that signed what it would replace, and from weaker ones", () => {
		const byOwner = sign(update({ prev: cidOfOperation(FIRST) }), owner);
		for (const key of [owner, server]) {
			const fork = sign(update({ pds: "https://fork.test", prev: cidOfOperation(FIRST) }), key);
			expect(outcomesOf(at(1, byOwner), at(2, fork))).toEqual(["accepted", "fork-by-weaker-key"]);
		}
		const stranger = sign(update({ pds: "https://fork.test", prev: cidOfOperation(FIRST) }), thief);
		expect(outcomesOf(at(1, stolen), at(2, stranger))).toEqual(["accepted", "signature-invalid"]);
	});

	test("is not possible from what was replaced", () => {
		const onStolen = sign(update({ prev: cidOfOperation(stolen) }), owner);
		expect(outcomesOf(at(1, stolen), at(2, back), at(3, onStolen))).toEqual(["accepted", "accepted", "prev-unknown"]);
	});

	test("has to be later than what it replaces", () => {
		expect(outcomesOf(at(5, stolen), at(5, back))).toEqual(["accepted", "outdated"]);
		expect(outcomesOf(at(5, stolen), at(6, back))).toEqual(["accepted", "accepted"]);
	});

	test("undoes a tombstone; otherwise nothing follows one", () => {
		const gone = sign(unsignedTombstone(cidOfOperation(FIRST)), server);
		const after = sign(update({ prev: cidOfOperation(gone) }), owner);
		expect(outcomesOf(at(1, gone), at(2, after))).toEqual(["accepted", "prev-final"]);
		expect(stateAfter(at(1, gone), at(2, after)).data).toEqual({ tombstoned: true, signingKey: null, pds: null });
		expect(stateAfter(at(1, gone), at(2, back)).data.pds).toBe("https://back.test");
	});
});

describe("an operation", () => {
	test("that is known already, or that is older than the last one, says nothing new", () => {
		const second = sign(update({ prev: cidOfOperation(FIRST) }), server);
		expect(outcomesOf(at(1, second), at(2, second), at(2, FIRST), at(0, FIRST))).toEqual([
			"accepted",
			"repeated",
			"repeated",
			"repeated",
		]);
		const other = sign(update({ pds: "https://third.test", prev: cidOfOperation(second) }), server);
		expect(outcomesOf(at(1, second), at(0, other))).toEqual(["accepted", "outdated"]);
	});

	test("has to be signed by a rotation key of the one before, not by one of its own", () => {
		const own = sign(update({ prev: cidOfOperation(FIRST), rotationKeys: [thief] }), thief);
		expect(outcomesOf(at(1, own))).toEqual(["signature-invalid"]);
		const rotated = sign(update({ prev: cidOfOperation(FIRST), rotationKeys: [thief] }), server);
		const after = sign(update({ prev: cidOfOperation(rotated) }), server);
		expect(outcomesOf(at(1, rotated), at(2, after))).toEqual(["accepted", "signature-invalid"]);
	});

	test("is the first one only if its hash is the DID", () => {
		expect(play({ did: `did:plc:${"a".repeat(24)}`, steps: [at(0, FIRST)] }).outcomes).toEqual(["did-mismatch"]);
	});

	test("of the first form can be no later one", () => {
		const legacy = sign(unsignedLegacy({ signingKey: signing, recoveryKey: owner, service: "pds.test" }), owner);
		expect(outcomesOf(at(1, legacy))).toEqual(["prev-unknown"]);
		const { state } = play({ did: didOfOperation(legacy), steps: [at(0, legacy)] });
		expect(state?.data).toEqual({ tombstoned: false, signingKey: signing.didKey, pds: "https://pds.test" });
		expect(state?.chain[0]?.rotationKeys).toEqual([owner.didKey, signing.didKey]);
	});

	test("is refused if another form of its bytes would have the same signature", () => {
		const { sig, ...unsigned } = FIRST;
		const bytes = Buffer.from(String(sig), "base64url");
		const highS = Buffer.from(server.withHighS(bytes)).toString("base64url");
		const forms: [string, string][] = [
			[`${sig}==`, "signature-malformed"],
			[`${sig}\n`, "signature-malformed"],
			[String(sig).slice(0, -1) + nextChar(String(sig).at(-1) ?? ""), "signature-malformed"],
			[bytes.subarray(0, 63).toString("base64url"), "signature-malformed"],
			[highS, "signature-invalid"],
		];
		for (const [form, reason] of forms) {
			const operation = { ...unsigned, sig: form };
			expect(step(didOfOperation(operation), null, at(0, operation))).toBe(reason as never);
		}
	});

	test("has limits, and names that can't be taken for something else", () => {
		const first = (parts: PlcOperation) => {
			const operation = sign({ ...update({ prev: null }), ...parts }, owner);
			return step(didOfOperation(operation), null, at(0, operation));
		};
		const keys = (count: number): PlcOperation => ({ rotationKeys: Array(count).fill(owner.didKey) });
		expect(first(keys(ROTATION_KEYS_MAX))).toBeObject();
		expect(first(keys(ROTATION_KEYS_MAX + 1))).toBe("rotation-key");
		expect(first(keys(0))).toBe("signature-invalid");
		expect(first({ alsoKnownAs: ["a".repeat(OPERATION_BYTES_MAX)] })).toBe("operation-too-large");
		for (const entry of ['{"$bytes": "AAAA"}', '{"$link": "AAAA"}', '{"__proto__": {"$link": "AAAA"}}']) {
			const operation = { ...FIRST, verificationMethods: JSON.parse(entry) as unknown };
			expect(step(DID, null, at(0, operation))).toBe("operation-malformed");
		}
		for (const form of [null, 1, [], "text", {}, { ...FIRST, prev: undefined }, { ...FIRST, type: "other" }])
			expect(step(DID, null, at(0, form as PlcOperation))).toBe("operation-malformed");
	});

	test("says what the relay needs, or null for what it can't use", () => {
		const dataOf = (parts: PlcOperation) => {
			const operation = sign({ ...update({ prev: null }), ...parts }, owner);
			const state = step(didOfOperation(operation), null, at(0, operation));
			return typeof state === "string" ? state : state.data;
		};
		const service = (type: string, endpoint: string): PlcOperation => ({
			services: { atproto_pds: { type, endpoint } },
		});
		const type = "AtprotoPersonalDataServer";
		expect(dataOf(service(type, "https://x.test"))).toMatchObject({ pds: "https://x.test" });
		expect(dataOf(service("Other", "https://x.test"))).toMatchObject({ pds: null });
		expect(dataOf(service(type, `https://${"x".repeat(600)}`))).toMatchObject({ pds: null });
		expect(dataOf({ services: {} })).toMatchObject({ pds: null });
		expect(dataOf({ verificationMethods: {} })).toMatchObject({ signingKey: null });
	});
});

describe("what is kept of a DID", () => {
	test("is its last operation, and those that a fork can still go back to", () => {
		const operations = [FIRST];
		const steps: PlcStep[] = [];
		for (let hour = 1; hour <= 200; hour++) {
			const next = sign(
				update({ pds: `https://pds${hour}.test`, prev: cidOfOperation(operations[hour - 1] ?? {}) }),
				server,
			);
			operations.push(next);
			steps.push(at(hour * 3_600_000, next));
		}
		const { chain } = stateAfter(...steps);
		// A fork may replace the operations of the last 72 hours, and goes back to the one before them.
		expect(chain.length).toBe(74);
		expect(chain.length).toBeLessThan(CHAIN_LINKS_MAX);
		const from = (index: number) => sign(update({ prev: chain[index]?.cid ?? "" }), owner);
		const nowMs = 200 * 3_600_000;
		expect(outcomesOf(...steps, at(nowMs + 1, from(1))).at(-1)).toBe("accepted");
		expect(outcomesOf(...steps, at(nowMs + 1, from(0))).at(-1)).toBe("fork-too-late");
	});

	test("has a limit, however many operations come at once", () => {
		let state = stateAfter();
		for (let ms = 1; ms <= CHAIN_LINKS_MAX + 10; ms++) {
			const next = step(DID, state, at(ms, sign(update({ prev: state.chain.at(-1)?.cid ?? "" }), server)));
			if (typeof next === "string") throw new Error(next);
			state = next;
		}
		expect(state.chain.length).toBe(CHAIN_LINKS_MAX);
	});
});

/** The next character of base64url: of the last one of a signature it changes only bits that carry nothing. */
function nextChar(char: string): string {
	const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
	return alphabet[alphabet.indexOf(char) + 1] ?? "";
}
