import { expect, test } from "bun:test";
import { isPublicAddress } from "../../src/net/address.ts";

test("public unicast addresses are public", () => {
	for (const ip of [
		"1.1.1.1",
		"8.8.8.8",
		"9.255.255.255",
		"11.0.0.0",
		"100.63.255.255",
		"100.128.0.0",
		"172.15.255.255",
		"172.32.0.0",
		"192.0.1.1",
		"198.17.255.255",
		"198.20.0.0",
		"223.255.255.255",
		"2606:4700:4700::1111",
		"2001:4860:4860::8888",
	]) {
		expect([ip, isPublicAddress(ip)]).toEqual([ip, true]);
	}
});

test("special IPv4 addresses are not public, from the first to the last of each network", () => {
	for (const ip of [
		...["0.0.0.0", "0.255.255.255", "10.0.0.0", "10.255.255.255", "100.64.0.0", "100.127.255.255"],
		...["127.0.0.1", "127.255.255.255", "169.254.0.0", "169.254.169.254", "172.16.0.0", "172.31.255.255"],
		...["192.0.0.1", "192.0.2.1", "192.88.99.1", "192.168.0.0", "192.168.255.255", "198.18.0.0", "198.19.255.255"],
		...["198.51.100.1", "203.0.113.1", "224.0.0.1", "239.255.255.255", "240.0.0.0", "255.255.255.255"],
	]) {
		expect([ip, isPublicAddress(ip)]).toEqual([ip, false]);
	}
});

test("IPv6 outside of global unicast, or that wraps another address, is not public", () => {
	for (const ip of [
		...["::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "4000::1", "1fff::1"],
		...["::ffff:127.0.0.1", "::ffff:8.8.8.8", "::ffff:7f00:1", "::127.0.0.1"],
		...["64:ff9b::7f00:1", "64:ff9b:1::7f00:1"],
		...["2002:7f00:1::", "2002:808:808::1", "2001::1", "2001:0:4136:e378::1", "2001:db8::1", "3fff::1"],
		"2606:4700:4700::1111%1",
	]) {
		expect([ip, isPublicAddress(ip)]).toEqual([ip, false]);
	}
});

test("anything that is no address is not public", () => {
	for (const ip of [
		"",
		"localhost",
		"example.com",
		"1.1.1",
		"01.1.1.1",
		"1.1.1.1 ",
		"[::1]",
		"2130706433",
		"1.1.1.1:80",
	]) {
		expect([ip, isPublicAddress(ip)]).toEqual([ip, false]);
	}
});
