import { expect, test } from "bun:test";
import { LastTimes } from "../../src/identity/last-times.ts";

test("the last time of something that was never done is before all times", () => {
	const times = new LastTimes(2);
	expect(times.get("did:a")).toBe(Number.NEGATIVE_INFINITY);
	times.set("did:a", 5);
	expect(times.get("did:a")).toBe(5);
	times.set("did:a", 7);
	expect(times.get("did:a")).toBe(7);
});

test("a forgotten time is never taken for an earlier one", () => {
	const times = new LastTimes(2);
	times.set("did:a", 1);
	times.set("did:b", 2);
	times.set("did:a", 3);
	times.set("did:c", 4);
	expect(["did:a", "did:b", "did:c", "did:other"].map((did) => times.get(did))).toEqual([3, 2, 4, 2]);
	times.set("did:d", 5);
	expect(["did:a", "did:b", "did:other"].map((did) => times.get(did))).toEqual([3, 3, 3]);
});
