import { createNativeEngine } from "../../../src/verify/native.ts";
import { createPortableEngine } from "../../../src/verify/portable/engine.ts";

declare const self: Worker;

/** The code of a thread that judges a frame of a k256 account 500 times. */
self.addEventListener("message", ({ data }: MessageEvent<{ frame: Uint8Array; publicKey: Uint8Array }>) => {
	const refer = (): never => {
		throw new Error("the native engine panicked");
	};
	const engine = createNativeEngine({ reference: createPortableEngine(), onPanic: refer });
	let good = 0;
	for (let i = 0; i < 500; i++) {
		const verdict = engine.judge(data.frame, { curve: "k256", publicKey: data.publicKey }, refer);
		if (verdict?.reason === null) good++;
	}
	self.postMessage(`${good} good`);
});
