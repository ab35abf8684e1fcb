import { expect, test } from "bun:test";
import { cutToBytes } from "../../src/ingest/host-socket.ts";
import { Rng } from "../sim/rng.ts";

test("a close reason is cut by bytes, between characters", () => {
	const rng = new Rng("close reasons");
	const alphabet = ["a", "ß", "語", "🦋", "\ud800", "\0"];
	for (let round = 0; round < 2_000; round++) {
		const text = Array.from({ length: rng.int(200) }, () => rng.pick(alphabet)).join("");
		const cut = cutToBytes(text, 123);
		expect(text.startsWith(cut)).toBe(true);
		expect(Buffer.byteLength(cut)).toBeLessThanOrEqual(123);
		// Nothing was cut that fits: the next character, at most 4 bytes, does not.
		if (cut !== text) expect(Buffer.byteLength(cut)).toBeGreaterThan(123 - 4);
	}
});
