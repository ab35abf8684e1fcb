import { describe, expect, test } from "bun:test";
import { ConsumerCount, createConsumerCountBuffer } from "../../src/fanout/consumer-count.ts";
import { networkOf } from "../../src/net/network.ts";

const IN_TOTAL = "this relay already serves its limit of";

describe("threads that share the memory", () => {
	test("count together, in total and by address", () => {
		const limits = { consumersMax: 5, consumersPerIpMax: 3 };
		const buffer = createConsumerCountBuffer(5);
		const [one, two] = [new ConsumerCount(limits, buffer), new ConsumerCount(limits, buffer)];
		expect([one.take("192.0.2.1"), two.take("192.0.2.1"), one.take("192.0.2.1")]).toEqual([null, null, null]);
		expect(two.take("192.0.2.1")).toBe(`${IN_TOTAL} 3 consumers from your address`);
		expect([two.take("192.0.2.2"), two.take("192.0.2.3")]).toEqual([null, null]);
		expect(one.take("192.0.2.4")).toBe(`${IN_TOTAL} 5 consumers`);
		// A place that one thread gives back is free in another; a refused consumer has taken none.
		two.release("192.0.2.1");
		expect(two.take("192.0.2.1")).toBeNull();
		expect(one.take("192.0.2.4")).toBe(`${IN_TOTAL} 5 consumers`);
	});

	test("count none when all have gone", () => {
		const buffer = createConsumerCountBuffer(100);
		const consumerCount = new ConsumerCount({ consumersMax: 100, consumersPerIpMax: 1 }, buffer);
		const before = new Int32Array(buffer).slice();
		const ips = Array.from({ length: 120 }, (_, at) => `203.0.113.${at}`);
		const taken = ips.filter((ip) => consumerCount.take(ip) === null);
		expect(taken.length).toBe(100);
		for (const ip of taken) expect(consumerCount.take(ip)).not.toBeNull();
		for (const ip of taken) consumerCount.release(ip);
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
