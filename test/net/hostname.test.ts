import { describe, expect, test } from "bun:test";
import { HostnameError, parseHostname } from "../../src/net/hostname.ts";

const PRODUCTION = { allowLocalhost: false };
const DEVELOPMENT = { allowLocalhost: true, allowInsecure: true };

function fault(input: string, options = PRODUCTION): string {
	try {
		parseHostname(input, options);
	} catch (error) {
		if (error instanceof HostnameError) return error.message;
		throw error;
	}
	return "none";
}

describe("a hostname", () => {
	test("may be a bare name or an origin, and becomes lower-case", () => {
		for (const input of [
			"pds.Example.com",
			"https://pds.example.com",
			"HTTPS://PDS.EXAMPLE.COM/",
			"wss://pds.example.com",
		]) {
			expect(parseHostname(input, PRODUCTION)).toEqual({ hostname: "pds.example.com", insecure: false });
		}
		expect(parseHostname("a-1.xn--fiqs8s", PRODUCTION).hostname).toBe("a-1.xn--fiqs8s");
	});

	test("may say http or ws only if insecure hosts are allowed", () => {
		for (const input of ["http://pds.example.com", "ws://pds.example.com"]) {
			expect(fault(input)).toContain("TLS is required");
			expect(parseHostname(input, DEVELOPMENT)).toEqual({ hostname: "pds.example.com", insecure: true });
		}
	});

	test("may be localhost with a port in development only", () => {
		expect(parseHostname("localhost:2583", DEVELOPMENT)).toEqual({ hostname: "localhost:2583", insecure: true });
		expect(parseHostname("http://localhost:2583", DEVELOPMENT)).toEqual({ hostname: "localhost:2583", insecure: true });
		expect(parseHostname("wss://localhost:2583", DEVELOPMENT)).toEqual({ hostname: "localhost:2583", insecure: false });
		expect(fault("localhost:2583")).toContain("localhost is not allowed");
		expect(fault("localhost", DEVELOPMENT)).toContain("needs a port");
		for (const port of ["0", "65536", "080", "1x", "", "-1", "999999"]) {
			expect(fault(`localhost:${port}`, DEVELOPMENT)).toContain("1 to 65535");
		}
	});

	test("may be below .test in development only", () => {
		expect(fault("pds.test")).toContain(".test is reserved");
		expect(parseHostname("pds.test", DEVELOPMENT).hostname).toBe("pds.test");
	});

	const refused: Record<string, string[]> = {
		"not valid in a URL": ["xn--a.com", "pds.xn--a", "a.xn--0.com"],
		"an explicit port": ["pds.example.com:443", "https://pds.example.com:8443", "pds.example.com:", "1.2.3.4:80"],
		"IP addresses": ["127.0.0.1", "1.1", "[::1]", "::1", "https://[2606:4700::1111]", "0x7f.0.0.0x1"],
		"single label": ["pds", "https://pds/"],
		"is reserved": [
			"a.local",
			"a.internal",
			"a.invalid",
			"a.example",
			"a.alt",
			"1.in-addr.arpa",
			"a.localhost",
			"localhost.localdomain",
			"nas.lan",
			"pds.home",
			"pds.corp",
			"pds.intranet",
			"pds.private",
			"pds.mail",
			"a.onion",
		],
		"path, query or fragment": [
			"pds.example.com/",
			"https://pds.example.com/x",
			"a.com?x",
			"https://a.com/#f",
			"a.com\\b",
		],
		userinfo: ["user@pds.example.com", "https://u:p@pds.example.com"],
		"the scheme must be": ["ftp://pds.example.com", "://pds.example.com"],
		"each label": [
			"-a.com",
			"a-.com",
			"a..com",
			"a.com.",
			".a.com",
			"a_b.com",
			"bücher.com",
			"a b.com",
			" a.com",
			"a.com\n",
		],
		"longer than": [`${"a.".repeat(126)}com`, "a".repeat(100_000)],
		"is empty": ["", "https://", "https:///"],
	};
	for (const [rule, inputs] of Object.entries(refused)) {
		test(`is refused: ${rule}`, () => {
			for (const input of inputs) expect(fault(input)).toContain(rule);
		});
	}

	test("has labels of at most 63 characters", () => {
		expect(fault(`${"a".repeat(63)}.com`)).toBe("none");
		expect(fault(`${"a".repeat(64)}.com`)).toContain("each label");
	});
});
