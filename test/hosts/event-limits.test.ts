import { describe, expect, test } from "bun:test";
import { eventLimitsOf, isTrusted } from "../../src/hosts/event-limits.ts";

const SETTINGS = {
	hostEventLimits: { perS: 50, perHour: 2_500, perDay: 20_000 },
	trustedHostEventLimits: { perS: 5_000, perHour: 50_000_000, perDay: 500_000_000 },
	trustedDomains: ["*.host.bsky.network", "pds.example.com"],
};

describe("the limits of a host", () => {
	test.each([
		[0, { perS: 50, perHour: 2_500, perDay: 20_000 }],
		[100, { perS: 50, perHour: 2_600, perDay: 21_000 }],
		[999, { perS: 50, perHour: 3_499, perDay: 29_990 }],
		[10_000, { perS: 60, perHour: 12_500, perDay: 120_000 }],
	])("with %d accounts are those of the reference relay", (accounts, limits) => {
		expect(eventLimitsOf("pds.example.net", accounts, SETTINGS)).toEqual(limits);
	});

	test("are the trusted ones, whatever its accounts, if its name is trusted", () => {
		for (const accounts of [0, 100, 1_000_000])
			expect(eventLimitsOf("porcini.us-east.host.bsky.network", accounts, SETTINGS)).toEqual(
				SETTINGS.trustedHostEventLimits,
			);
	});

	test("are none if the setting is none", () => {
		expect(eventLimitsOf("pds.example.net", 100, { ...SETTINGS, hostEventLimits: null })).toBeNull();
		expect(eventLimitsOf("pds.example.com", 100, { ...SETTINGS, trustedHostEventLimits: null })).toBeNull();
	});
});

test.each([
	["pds.example.com", true],
	["a.pds.example.com", false],
	["pds.example.co", false],
	["a.host.bsky.network", true],
	["a.b.host.bsky.network", true],
	["host.bsky.network", false],
	["nothost.bsky.network", false],
	["a.host.bsky.network.example.com", false],
])("%s is trusted: %p", (hostname, trusted) => {
	expect(isTrusted(hostname, SETTINGS.trustedDomains)).toBe(trusted);
	expect(isTrusted(hostname, ["*"])).toBe(true);
	expect(isTrusted(hostname, [])).toBe(false);
});
