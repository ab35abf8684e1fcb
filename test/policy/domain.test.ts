import { expect, test } from "bun:test";
import { domainsOf, parseDomain } from "../../src/policy/domain.ts";
import { Rng } from "../../src/sim/rng.ts";

test("a domain is lower case, and may be written with a wildcard or dots around it", () => {
	for (const input of ["example.com", "EXAMPLE.com", "*.example.com", ".example.com", "example.com.", " example.com "])
		expect([input, parseDomain(input)]).toEqual([input, "example.com"]);
	for (const input of ["localhost", "xyz", "a.b.c.d", "xn--bcher-kva.example", `${"a".repeat(63)}.com`])
		expect([input, parseDomain(input)]).toEqual([input, input]);
});

test("what is no domain is refused", () => {
	const labels = `${"a".repeat(60)}.`.repeat(5);
	for (const input of [
		"",
		".",
		"*",
		"a..b",
		"-a.com",
		"a-.com",
		"a b.com",
		"a/b",
		"a.com:443",
		`${"a".repeat(64)}.com`,
		labels,
	])
		expect([input, parseDomain(input)]).toEqual([input, null]);
});

test("a ban covers a host if the domain is its name or follows a dot in it, and covers no other", () => {
	const rng = new Rng("domains");
	const label = () => rng.pick(["a", "b", "ab", "com"]);
	const name = (count: number) => Array.from({ length: count }, label).join(".");
	let covered = 0;
	for (let round = 0; round < 20_000; round++) {
		const host = name(1 + rng.int(4));
		const domain = name(1 + rng.int(3));
		const isCovered = `.${host}`.endsWith(`.${domain}`);
		expect([host, domain, domainsOf(host).includes(domain)]).toEqual([host, domain, isCovered]);
		if (isCovered) covered++;
	}
	expect(covered).toBeGreaterThan(500);
	expect(domainsOf("localhost:2583")).toEqual(["localhost"]);
});
