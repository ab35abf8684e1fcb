import { expect, test } from "bun:test";
import { asciiJson, printable } from "../../src/runtime/report-text.ts";
import { Rng } from "../../src/sim/rng.ts";

/** Characters that a terminal obeys or that are not seen, and others. */
const ANY = [
	"\u001b[2J",
	"\u009b",
	"\u202e",
	"\u2066",
	"\u200b",
	"\ufeff",
	"\u2028",
	"\r\n",
	"\u{e0041}",
	"a",
	" ",
	"é",
	"漢",
	"😀",
];

test("reports have nothing that a terminal obeys, and JSON keeps what was said", () => {
	const rng = new Rng("report text");
	for (let round = 0; round < 500; round++) {
		const text = Array.from({ length: rng.int(20) }, () => rng.pick(ANY)).join("");
		expect(printable(text)).not.toMatch(/[\p{Cc}\p{Cf}\u2028\u2029]/u);
		expect(printable(text).replaceAll("\ufffd", "")).toBe(text.replace(/[^a é漢😀[2J]/gu, ""));
		expect(asciiJson({ text })).toMatch(/^[ -~]*$/);
		expect(JSON.parse(asciiJson({ text }))).toEqual({ text });
	}
});
