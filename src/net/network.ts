import { isIPv6 } from "node:net";

/** The network that counts as one client: an IPv4 address, even if it is mapped into IPv6, or the /64 of an IPv6 address. */
export function networkOf(ip: string): string {
	if (!isIPv6(ip)) return ip;
	const groups = groupsOf(ip);
	const isMapped = groups.slice(0, 5).every((group) => group === 0) && groups[5] === 0xffff;
	if (!isMapped) return `${groups.slice(0, 4).join(":")}/64`;
	const [high = 0, low = 0] = groups.slice(6);
	return [high >> 8, high & 255, low >> 8, low & 255].join(".");
}

/** The eight groups of an IPv6 address, which may be written with `::`, with an IPv4 address at its end and with a zone. */
function groupsOf(ip: string): number[] {
	const [address = ""] = ip.split("%");
	const [before = "", after] = address.split("::");
	const parse = (part: string): number[] =>
		part.split(":").flatMap((group) => {
			if (group === "") return [];
			if (!group.includes(".")) return [Number.parseInt(group, 16)];
			const [a = 0, b = 0, c = 0, d = 0] = group.split(".").map(Number);
			return [a * 256 + b, c * 256 + d];
		});
	const head = parse(before);
	const tail = parse(after ?? "");
	return [...head, ...Array.from({ length: 8 - head.length - tail.length }, () => 0), ...tail];
}
