import { tidOf } from "../../src/sim/clock.ts";
import type { Rng } from "../../src/sim/rng.ts";
import { mineAfter } from "./broken-nodes.ts";

/** An NSID of the greatest length: 317 characters. */
const LONG_COLLECTION = `${`${"a".repeat(63)}.`.repeat(4)}${"b".repeat(61)}`;

/** Collections whose names begin with each other's, and whose paths sort between each other's. */
const NESTED_COLLECTIONS = [
	"com.example.a",
	"com.example.a.b",
	"com.example.a.b.c",
	"com.example.a-b.c",
	"com.example.aa",
	"com.example.A",
	"com.example.a0",
];

/** Kinds of record paths, each with a way to draw one. */
export const PATH_KINDS: Record<string, (rng: Rng) => string> = {
	"in collections whose names are inside each other": (rng) => `${rng.pick(NESTED_COLLECTIONS)}/${rng.int(40)}`,
	"of 830 bytes": (rng) => `${LONG_COLLECTION}/${rng.pick(["x", "~", "-"]).repeat(510)}${10 + rng.int(60)}`,
	"of which one is the beginning of another": (rng) => `com.example.a/${"k".repeat(1 + rng.int(60))}`,
	"of a few bytes": (rng) =>
		`a.b.c/${rng.text(1, "abcdefghijklmnopqrstuvwxyzABCDEFGH0123456789-._:~").replace(/^\.$/, "x")}`,
	"mined to be high in the tree": (rng) => {
		const height = rng.int(6);
		return mineAfter(`com.example.high/${tidOf(1e15 + rng.int(1e6), 0)}`, (found) => found === height);
	},
};
