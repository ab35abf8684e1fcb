import type { Mutant } from "./table.ts";

const CHAIN = ["plc/chain.test.ts"];
const LIES = ["plc/lying-directory.test.ts"];
const FOLLOWER = ["plc/follower.test.ts"];
const CACHE = ["identity/mirror.test.ts"];

/** Faults in the mirror of the PLC directory: a forged or late operation that would change a DID. */
export const PLC_MUTANTS: readonly Mutant[] = [
	{
		name: "an operation is accepted whoever signed it",
		file: "plc/rotation-keys.ts",
		find: 'if (signer < 0) throw new Refusal("signature-invalid");',
		replace: "if (signer < 0) return 0;",
		tests: CHAIN,
	},
	{
		name: "a first operation need not hash to its DID",
		file: "plc/chain.ts",
		find: "if (operation.did !== did)",
		replace: "if (operation.did === did.toUpperCase())",
		tests: CHAIN,
	},
	{
		name: "an operation may be signed by its own rotation keys",
		file: "plc/chain.ts",
		find: "const signer = keys.signerOf(operation, prev.rotationKeys);",
		replace: "const signer = keys.signerOf(operation, operation.rotationKeys);",
		tests: CHAIN,
	},
	{
		name: "a recovery by the same key as what it replaces is accepted",
		file: "plc/chain.ts",
		find: "signer >= disputed.signer",
		replace: "signer > disputed.signer",
		tests: CHAIN,
	},
	{
		name: "a recovery is never too late",
		file: "plc/chain.ts",
		find: "if (lateMs > RECOVERY_MS) throw",
		replace: "if (lateMs > 2 * RECOVERY_MS) throw",
		tests: CHAIN,
	},
	{
		name: "a recovery after exactly 72 hours is too late",
		file: "plc/chain.ts",
		find: "if (lateMs > RECOVERY_MS) throw",
		replace: "if (lateMs >= RECOVERY_MS) throw",
		tests: CHAIN,
	},
	{
		name: "72 hours count from the last operation that is replaced",
		file: "plc/chain.ts",
		find: "createdAtMs - disputed.createdAtMs;",
		replace: "createdAtMs - last.createdAtMs;",
		tests: CHAIN,
	},
	{
		name: "what a recovery replaces stays in the chain",
		file: "plc/chain.ts",
		find: "return chain.slice(0, at + 1);",
		replace: "return chain;",
		tests: CHAIN,
	},
	{
		name: "an operation that a fork could go back to is forgotten",
		file: "plc/chain.ts",
		find: "nowMs - next.createdAtMs <= RECOVERY_MS",
		replace: "nowMs - next.createdAtMs <= RECOVERY_MS / 2",
		tests: CHAIN,
	},
	{
		name: "operations that no fork can go back to are kept for ever",
		file: "plc/chain.ts",
		find: "return chain.slice(Math.max(firstOpen, chain.length - CHAIN_LINKS_MAX));",
		replace: "return chain.slice(chain.length - CHAIN_LINKS_MAX - firstOpen);",
		tests: CHAIN,
	},
	{
		name: "a signature in another encoding is accepted",
		file: "plc/operation.ts",
		find: 'bytes.toString("base64url") !== text',
		replace: 'bytes.toString("base64url") === ""',
		tests: CHAIN,
	},
	{
		name: "an operation follows a tombstone",
		file: "plc/operation.ts",
		find: 'if (value.type === "plc_tombstone") return [];',
		replace:
			'if (value.type === "plc_tombstone") return ["did:key:zQ3shhCGUqDKjStzuDxPkTxN6ujddP4RkEKJJouJGRRkaLGbg"];',
		tests: CHAIN,
	},
	{
		name: "a refused line casts no doubt on its DID",
		file: "plc/fold.ts",
		find: "if (!castsDoubt(result.reason)) continue;",
		replace: "continue;",
		tests: LIES,
	},
	{
		name: "an operation may be of any time that has passed",
		file: "plc/fold.ts",
		find: "if (createdAtMs < completeUntilMs - LATE_MS_MAX)",
		replace: "if (createdAtMs < 0)",
		tests: LIES,
	},
	{
		name: "an operation may be of a time that is yet to come",
		file: "plc/fold.ts",
		find: "if (createdAtMs > nowMs + FUTURE_MS_MAX) throw",
		replace: "if (createdAtMs > nowMs * 2) throw",
		tests: LIES,
	},
	{
		name: "the CID that the directory names is believed",
		file: "plc/fold.ts",
		find: "if (operation.cid !== cid) throw",
		replace: "if (operation.cid === did) throw",
		tests: LIES,
	},
	{
		name: "the mirror counts as complete after a page with more after it",
		file: "plc/follower.ts",
		find: "await mirror.apply(lines, isFull ? null : askedAtMs);",
		replace: "await mirror.apply(lines, askedAtMs);",
		tests: [...FOLLOWER, ...LIES],
	},
	{
		name: "a directory that has lost the mirror's last line is believed",
		file: "plc/follower.ts",
		find: "if (!place.isKnownBy(lines)) throw await this.#unknownPlace();",
		replace: "",
		tests: FOLLOWER,
	},
	{
		name: "a stream that ends for a future cursor is taken up again where it was",
		file: "plc/follower.ts",
		find: 'if (FUTURE_CURSOR.test(stream.ended ?? "")) await this.#restart();',
		replace: "",
		tests: FOLLOWER,
	},
	{
		name: "a mirror that lags much answers like one that does not",
		file: "identity/cache.ts",
		find: "this.#clock() - askedAtMs <= mirrorLagMaxMs && ",
		replace: "",
		tests: CACHE,
	},
	{
		name: "what the mirror says goes before a newer document",
		file: "identity/cache.ts",
		find: "if (askedAtMs <= (this.#resolved.find(did)?.askedAtMs ?? Number.NEGATIVE_INFINITY)) return;",
		replace: "",
		tests: CACHE,
	},
	{
		name: "a suspicion is answered by a mirror that is not complete up to it",
		file: "identity/cache.ts",
		find: "if (askedAtMs < lookup.firstBeganAtMs) return;",
		replace: "",
		tests: CACHE,
	},
	{
		name: "a second writer of the mirror is not noticed",
		file: "plc/sqlite/store.ts",
		find: "WHERE plc_progress.writer IN (?, excluded.writer)`;",
		replace: "WHERE ? IS NOT NULL`;",
		tests: ["plc/sqlite/store.test.ts"],
	},
	{
		name: "the mirror answers for a DID in doubt",
		file: "plc/state-codec.ts",
		find: "return isDoubtful ? null : data;",
		replace: "return data;",
		tests: ["plc/sqlite/store.test.ts"],
	},
];
