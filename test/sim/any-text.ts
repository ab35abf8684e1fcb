import type { Rng } from "../../src/sim/rng.ts";

/** Pieces that programs and databases stumble over. The last three can't be stored everywhere: a NUL, and halves of surrogate pairs. */
const PIECES = [
	...[
		"",
		"a",
		"takendown",
		"did:plc:",
		"é",
		"\u{1f6b0}",
		"\u{10ffff}",
		"\uffff",
		"\ufffe",
		"\ufffd",
		"\ufeff",
		"\u2028",
	],
	...[
		"\u0001",
		"\t",
		"\n",
		"\r",
		"\u001b[2J",
		"\u007f",
		"\u0085",
		"\u202e",
		"\\",
		"\\N",
		"\\.",
		"'",
		'"',
		"%00",
		"\\u0000",
	],
];
const UNSTORABLE_PIECES = ["\0", "\ud83d", "\udeb0"];
const PIECES_MAX = 6;

/** A text of odd characters. Half of them have a NUL or half of a surrogate pair. A pair can come together out of its halves. */
export function anyText(rng: Rng): string {
	const pieces = Array.from({ length: rng.int(PIECES_MAX) }, () => rng.pick(PIECES));
	if (rng.int(2) === 0) {
		for (let more = 1 + rng.int(2); more > 0; more--)
			pieces.splice(rng.int(pieces.length + 1), 0, rng.pick(UNSTORABLE_PIECES));
	}
	return pieces.join("");
}

/** A text of odd characters in which there may be a NUL, but no half of a surrogate pair: what UTF-8 can say. */
export function anyUtf8Text(rng: Rng): string {
	return anyText(rng).toWellFormed();
}

/** Bytes that are not UTF-8, by what is wrong with them. */
export const BROKEN_UTF8: Readonly<Record<string, (rng: Rng) => Uint8Array>> = {
	"the first half of a surrogate pair": (rng) => Uint8Array.of(0xed, 0xa0 | rng.int(16), 0x80 | rng.int(64)),
	"the second half of a surrogate pair": (rng) => Uint8Array.of(0xed, 0xb0 | rng.int(16), 0x80 | rng.int(64)),
	"a surrogate pair in six bytes (CESU-8)": (rng) =>
		Uint8Array.of(0xed, 0xa0 | rng.int(16), 0x80 | rng.int(64), 0xed, 0xb0 | rng.int(16), 0x80 | rng.int(64)),
	"a NUL in two bytes": () => Uint8Array.of(0xc0, 0x80),
	"an ASCII character in two bytes": (rng) => Uint8Array.of(0xc0 | rng.int(2), 0x80 | rng.int(64)),
	"a character of two bytes in three": (rng) => Uint8Array.of(0xe0, 0x80 | rng.int(32), 0x80 | rng.int(64)),
	"a character of three bytes in four": (rng) =>
		Uint8Array.of(0xf0, 0x80 | rng.int(16), 0x80 | rng.int(64), 0x80 | rng.int(64)),
	"a character above U+10FFFF": (rng) =>
		Uint8Array.of(0xf4, 0x90 | rng.int(48), 0x80 | rng.int(64), 0x80 | rng.int(64)),
	"a first byte that there is not": (rng) => Uint8Array.of(0xf5 + rng.int(11), 0x80, 0x80, 0x80),
	"a continuation without a beginning": (rng) => Uint8Array.of(0x80 | rng.int(64)),
	"a beginning without its continuation": (rng) => Uint8Array.of(0xc2 + rng.int(0x33)),
};
