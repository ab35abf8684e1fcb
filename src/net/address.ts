import { BlockList, isIPv4, isIPv6 } from "node:net";

/** IPv4 networks that are not the public internet (rulebook 4). */
const IPV4_SPECIAL = networks("ipv4", [
	["0.0.0.0", 8],
	["10.0.0.0", 8],
	["100.64.0.0", 10],
	["127.0.0.0", 8],
	["169.254.0.0", 16],
	["172.16.0.0", 12],
	["192.0.0.0", 24],
	["192.0.2.0", 24],
	["192.88.99.0", 24],
	["192.168.0.0", 16],
	["198.18.0.0", 15],
	["198.51.100.0", 24],
	["203.0.113.0", 24],
	["224.0.0.0", 4],
	["240.0.0.0", 4],
]);

/** All of global unicast. IPv4-mapped addresses and both NAT64 prefixes lie outside of it. */
const IPV6_GLOBAL = networks("ipv6", [["2000::", 3]]);

/**
 * Special networks within global unicast: protocols (Teredo and more), documentation, and 6to4, which could wrap any IPv4
 * address.
 */
const IPV6_SPECIAL = networks("ipv6", [
	["2001::", 23],
	["2001:db8::", 32],
	["2002::", 16],
	["3fff::", 20],
]);

/**
 * Whether an address is one that a stranger's name may lead us to: a public unicast address, and never one that could be
 * translated to another (rulebook 4). False for anything that is not an address.
 */
export function isPublicAddress(ip: string): boolean {
	if (isIPv4(ip)) return !IPV4_SPECIAL.check(ip, "ipv4");
	// A zone names an interface of this machine.
	if (!isIPv6(ip) || ip.includes("%")) return false;
	return IPV6_GLOBAL.check(ip, "ipv6") && !IPV6_SPECIAL.check(ip, "ipv6");
}

/**
 * Why we must not connect to a name that has these addresses, or null. One bad address among good ones is enough: it is either
 * an attack, or a host that works by chance. Strangers read the text. So it does not name the address, which perhaps only the relay's
 * resolver knows.
 */
export function addressFault(addresses: readonly { address: string }[]): string | null {
	if (addresses.length === 0) return "its name has no address";
	if (addresses.every(({ address }) => isPublicAddress(address))) return null;
	return "its name leads to an address that is not public";
}

function networks(family: "ipv4" | "ipv6", list: readonly (readonly [string, number])[]): BlockList {
	const blocks = new BlockList();
	for (const [network, prefix] of list) blocks.addSubnet(network, prefix, family);
	return blocks;
}
