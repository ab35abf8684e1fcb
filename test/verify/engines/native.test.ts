import { describe, expect, test } from "bun:test";
import { scanFrame } from "../../../src/protocol/frame.ts";
import type { CommitMessage } from "../../../src/protocol/kinds/commit.ts";
import { REJECTION_REASON_NAMES } from "../../../src/protocol/reasons.ts";
import { NativeEngine, type TouchedCollection } from "../../../src/verify/native.ts";
import { loadAddon, type NativeAddon, type NativeVerifier } from "../../../src/verify/native-addon.ts";
import { createPortableEngine } from "../../../src/verify/portable/engine.ts";
import type { SimAccount } from "../../sim/account.ts";
import { brokenCommit } from "../../sim/broken-commit.ts";
import { encodeFrame, type SimMessage } from "../../sim/message.ts";
import { makeAccount } from "../seal.ts";
import { nativeForTests } from "./difference.ts";

const native = nativeForTests();

function commitIn(frame: Uint8Array): CommitMessage {
	const scanned = scanFrame(frame);
	if (scanned.kind !== "message" || scanned.message.type !== "commit") throw new Error("no commit");
	return scanned.message;
}

describe.skipIf(native === null)("the native engine (skipped where the addon is not built)", () => {
	if (native === null) return;

	function touched(account: SimAccount, message: SimMessage): TouchedCollection[] {
		const frame = encodeFrame(message, 1);
		native?.verifyCommit(frame, commitIn(frame), account.key);
		return native?.touchedCollections(frame) ?? [];
	}

	test("tells which collections were and are empty", async () => {
		const account = await makeAccount("touched", 200);
		const path = (name: string, key: string): string => `com.example.${name}/${key}`;
		const create = (name: string, key: string) => ({
			action: "create" as const,
			path: path(name, key),
			record: { key },
		});
		expect(touched(account, await account.commit([create("b", "1"), create("a", "1"), create("a", "2")]))).toEqual([
			{ name: "com.example.a", before: "empty", after: "filled" },
			{ name: "com.example.b", before: "empty", after: "filled" },
		]);
		expect(touched(account, await account.commit([{ action: "update", path: path("a", "2"), record: {} }]))).toEqual([
			{ name: "com.example.a", before: "filled", after: "filled" },
		]);
		const [one, two] = [
			await account.commit([
				{ action: "delete", path: path("a", "1") },
				{ action: "delete", path: path("b", "1") },
			]),
			await account.commit([{ action: "delete", path: path("a", "2") }]),
		];
		expect(touched(account, one)).toEqual([
			{ name: "com.example.a", before: "filled", after: "filled" },
			{ name: "com.example.b", before: "filled", after: "empty" },
		]);
		expect(touched(account, two)).toEqual([{ name: "com.example.a", before: "filled", after: "empty" }]);
	});

	test("says nothing of collections where the tree is not sound, and unknown where it can't tell", async () => {
		const account = await makeAccount("not sound", 200);
		expect(touched(account, await account.commit([]))).toEqual([]);
		expect(touched(account, await brokenCommit("prev-data-mismatch", account))).toEqual([]);
		expect(touched(account, await brokenCommit("signature-invalid", account))).toEqual([]);
		// Where only the message's flags are wrong, the tree is sound.
		expect(touched(account, await brokenCommit("too-big-flag", account))).toHaveLength(1);
	});

	test("agrees with the whole tree, where it knows, on random commits", async () => {
		const account = await makeAccount("random", 60);
		const fills = new Set<string>();
		const count = (): Map<string, number> => {
			const counts = new Map<string, number>();
			for (const collection of records.values()) counts.set(collection, (counts.get(collection) ?? 0) + 1);
			return counts;
		};
		const records = new Map<string, string>();
		for (let i = 0; i < 150; i++) {
			const name = `com.example.c${account.rng.int(6)}`;
			const own = [...records.keys()];
			const isDelete = own.length > 4 && account.rng.int(2) === 0;
			const path = isDelete ? account.rng.pick(own) : `${name}/${account.clock.tid()}`;
			const collection = path.slice(0, path.indexOf("/"));
			const before = count().get(collection) ?? 0;
			if (isDelete) records.delete(path);
			else records.set(path, collection);
			const after = count().get(collection) ?? 0;
			const write = isDelete ? { action: "delete" as const, path } : { action: "create" as const, path, record: {} };
			for (const found of touched(account, await account.commit([write]))) {
				fills.add(found.before).add(found.after);
				if (found.before !== "unknown") expect(found.before).toBe(before === 0 ? "empty" : "filled");
				if (found.after !== "unknown") expect(found.after).toBe(after === 0 ? "empty" : "filled");
			}
		}
		expect(fills).toContain("empty");
		expect(fills).toContain("filled");
	});

	test("reads a frame that lies in shared memory", async () => {
		const account = await makeAccount("shared", 20);
		const frame = encodeFrame(await account.commit(), 1);
		const ring = new Uint8Array(new SharedArrayBuffer(frame.length + 99)).subarray(77, 77 + frame.length);
		ring.set(frame);
		expect(native.verifyCommit(ring, commitIn(frame), account.key).reason).toBeNull();
	});

	test("keeps nothing of the frame in a verdict", async () => {
		const account = await makeAccount("keeps", 20);
		const frame = encodeFrame(await account.commit(), 1);
		const verdict = native.verifyCommit(frame, commitIn(frame), account.key);
		const commit = verdict.commit?.slice();
		const other = encodeFrame(await account.commit(), 2);
		frame.fill(0);
		native.verifyCommit(other, commitIn(other), account.key);
		expect(verdict.commit).toEqual(commit ?? null);
	});

	test("runs in several threads at once", async () => {
		const account = await makeAccount("threads", 20);
		const frame = encodeFrame(await account.commit(), 1);
		const workers = Array.from({ length: 2 }, () => new Worker(new URL("./native-thread.ts", import.meta.url).href));
		const reasons = workers.map(
			(worker) => new Promise((resolve) => worker.addEventListener("message", ({ data }) => resolve(data))),
		);
		for (const worker of workers) worker.postMessage({ frame, publicKey: account.key.publicKey });
		expect(await Promise.all(reasons)).toEqual(["500 good", "500 good"]);
		for (const worker of workers) worker.terminate();
	});
});

describe("an addon that is not as it should be", () => {
	class FakeVerifier implements NativeVerifier {
		readonly #code: number;
		constructor(code: number) {
			this.#code = code;
		}
		verify(): number {
			return this.#code;
		}
		checkSignature(): number {
			return 0;
		}
		invert(): Uint8Array {
			return new Uint8Array();
		}
	}

	function fakeAddon(code: number, changes: Partial<NativeAddon> = {}): NativeAddon {
		return {
			LAYOUT_VERSION: 2,
			RESULT_BYTES: 1680,
			reasonNames: () => ["car-malformed"],
			Verifier: class extends FakeVerifier {
				constructor() {
					super(code);
				}
			},
			Floor: class {
				add(): void {}
				run(): number {
					return 0;
				}
			},
			...changes,
		};
	}

	test("panics: the portable engine judges the message, and the panic is told of", async () => {
		const account = await makeAccount("panic", 10);
		const frame = encodeFrame(await account.commit(), 1);
		let panics = 0;
		const engine = new NativeEngine(fakeAddon(255), { reference: createPortableEngine(), onPanic: () => panics++ });
		expect(engine.verifyCommit(frame, commitIn(frame), account.key).reason).toBeNull();
		expect(panics).toBe(1);
	});

	test("is refused", () => {
		const options = { reference: createPortableEngine(), onPanic: () => {} };
		expect(() => new NativeEngine(fakeAddon(0, { LAYOUT_VERSION: 1 }), options)).toThrow("of version 1, not 2");
		expect(() => new NativeEngine(fakeAddon(0, { reasonNames: () => ["no-such"] }), options)).toThrow("no-such");
	});
});

test.skipIf(native === null)("the addon says what it is", () => {
	const addon = loadAddon();
	expect(addon.reasonNames()).toEqual(REJECTION_REASON_NAMES);
	expect(() => new addon.Verifier(1).verify(new Uint8Array(1), new Uint8Array(1), false, new Uint8Array(1))).toThrow();
});

test.skipIf(native === null)("a panic in the addon costs one call and not the process", () => {
	const addon = loadAddon();
	const verifier = new addon.Verifier(1024);
	// The CAR is said to be longer than the bytes, which only our own code could get wrong.
	expect([...verifier.invert(new Uint8Array(1), 100, 0)]).toEqual([255]);
	const header = addon.reasonNames().indexOf("frame-header") + 1;
	expect(verifier.verify(new Uint8Array(1), new Uint8Array(33), false, new Uint8Array(2048))).toBe(header);
});
