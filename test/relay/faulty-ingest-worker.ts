import { serveIngest } from "../../src/ingest/ingest.ts";
import { createPortableEngine } from "../../src/verify/portable/engine.ts";

/** An engine that fails on every `#sync`, by a fault that no rule foresees. */
serveIngest(() => ({
	...createPortableEngine(),
	verifySync(): never {
		throw new TypeError("undefined is not an object");
	},
}));
