import { describe, expect, test } from "bun:test";
import { scanFrame } from "../../../src/protocol/frame.ts";
import type { CommitMessage } from "../../../src/protocol/kinds/commit.ts";
import { REJECTION_REASON_NAMES } from "../../../src/protocol/reasons.ts";
import { encodeFrame } from "../../../src/sim/message.ts";
import { NativeEngine } from "../../../src/verify/native.ts";
import { loadAddon, type NativeAddon, type NativeVerifier } from "../../../src/verify/native-addon.ts";
import { createPortableEngine } from "../../../src/verify/portable/engine.ts";
import { makeAccount } from "../seal.ts";
import { nativeForTests } from "./difference.ts";

const native = nativeForTests();

function commitIn(frame: Uint8Array): CommitMessage {
	const scanned = scanFrame(frame);
	if (scanned.kind !== "message" || scanned.message.type !== "commit") throw new Error("no commit");
	return scanned.message;
}

describe.skipIf(native === null)("the native engine (skipped if the addon is not built)", () => {
	if (native === null) return;

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
		const [commit, touched] = [verdict.commit?.slice(), verdict.touched?.slice()];
		const other = encodeFrame(await account.commit(), 2);
		frame.fill(0);
		native.verifyCommit(other, commitIn(other), account.key);
		expect(verdict.commit).toEqual(commit ?? null);
		expect(verdict.touched).toEqual(touched ?? null);
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
			LAYOUT_VERSION: 3,
			RESULT_BYTES: 100,
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

	test("panics: the portable engine judges the message, and the panic is reported", async () => {
		const account = await makeAccount("panic", 10);
		const frame = encodeFrame(await account.commit(), 1);
		let panics = 0;
		const engine = new NativeEngine(fakeAddon(255), { reference: createPortableEngine(), onPanic: () => panics++ });
		expect(engine.verifyCommit(frame, commitIn(frame), account.key).reason).toBeNull();
		expect(panics).toBe(1);
	});

	test("is refused", () => {
		const options = { reference: createPortableEngine(), onPanic: () => {} };
		expect(() => new NativeEngine(fakeAddon(0, { LAYOUT_VERSION: 2 }), options)).toThrow("of version 2, not 3");
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
	// The given length of the CAR exceeds the bytes. Only a bug in our own code could do this.
	expect([...verifier.invert(new Uint8Array(1), 100, 0)]).toEqual([255]);
	const header = addon.reasonNames().indexOf("frame-header") + 1;
	expect(verifier.verify(new Uint8Array(1), new Uint8Array(33), false, new Uint8Array(addon.RESULT_BYTES))).toBe(
		header,
	);
});
