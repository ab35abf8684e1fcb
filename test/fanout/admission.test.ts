import { describe, expect, test } from "bun:test";
import { Admission, createAdmissionBuffer } from "../../src/fanout/admission.ts";
import { networkOf } from "../../src/net/network.ts";

const IN_TOTAL = "this relay already serves its limit of";

describe("threads that share the memory", () => {
	test("count together, in total and by address", () => {
		const limits = { consumersMax: 5, consumersPerIpMax: 3 };
		const buffer = createAdmissionBuffer(5);
		const [one, two] = [new Admission(limits, buffer), new Admission(limits, buffer)];
		expect([one.admit("192.0.2.1"), two.admit("192.0.2.1"), one.admit("192.0.2.1")]).toEqual([null, null, null]);
		expect(two.admit("192.0.2.1")).toBe(`${IN_TOTAL} 3 consumers from your address`);
		expect([two.admit("192.0.2.2"), two.admit("192.0.2.3")]).toEqual([null, null]);
		expect(one.admit("192.0.2.4")).toBe(`${IN_TOTAL} 5 consumers`);
		// What one thread gives back, another may give out; and what was refused has taken nothing.
		two.release("192.0.2.1");
		expect(two.admit("192.0.2.1")).toBeNull();
		expect(one.admit("192.0.2.4")).toBe(`${IN_TOTAL} 5 consumers`);
	});

	test("leave nothing behind when all have gone", () => {
		const buffer = createAdmissionBuffer(100);
		const admission = new Admission({ consumersMax: 100, consumersPerIpMax: 1 }, buffer);
		const before = new Int32Array(buffer).slice();
		const ips = Array.from({ length: 120 }, (_, at) => `203.0.113.${at}`);
		const admitted = ips.filter((ip) => admission.admit(ip) === null);
		expect(admitted.length).toBe(100);
		for (const ip of admitted) expect(admission.admit(ip)).not.toBeNull();
		for (const ip of admitted) admission.release(ip);
		expect(new Int32Array(buffer).slice()).toEqual(before);
	});
});

describe("what counts as one address", () => {
	test.each([
		["192.0.2.7", "192.0.2.7"],
		["::ffff:192.0.2.7", "192.0.2.7"],
		["::ffff:c000:207", "192.0.2.7"],
		["unknown", "unknown"],
	])("%s is %s", (ip, network) => expect(networkOf(ip)).toBe(network));

	test("is a /64 of IPv6, however it is written", () => {
		const network = networkOf("2001:db8:1:2::1");
		for (const same of ["2001:db8:1:2:ffff:ffff:ffff:ffff", "2001:0DB8:0001:0002::", "2001:db8:1:2:3::192.0.2.1"]) {
			expect(networkOf(same)).toBe(network);
		}
		for (const other of ["2001:db8:1:3::1", "2001:db8:0:2::1", "::1", "::", "fe80::1%eth0"]) {
			expect(networkOf(other)).not.toBe(network);
		}
	});
});
