import type { Rng } from "../../src/sim/rng.ts";
import type { DnsAnswer } from "./dns-server.ts";

/** Addresses of the public internet. */
const PUBLIC_IPV4 = ["93.184.215.14", "8.8.8.8"];
const PUBLIC_IPV6 = ["2606:2800:21f:cb07::1", "2a00:1450:4001::5"];
export const PUBLIC_ADDRESSES: readonly string[] = [...PUBLIC_IPV4, ...PUBLIC_IPV6];

/** For each class of addresses that nobody may be led to, some of its addresses. */
export const PRIVATE_ADDRESSES: Readonly<Record<string, readonly string[]>> = {
	loopback: ["127.0.0.1", "127.1.2.3"],
	"this network": ["0.0.0.0"],
	"RFC 1918": ["10.0.0.1", "172.16.0.1", "192.168.0.1"],
	"link-local": ["169.254.169.254"],
	"carrier-grade NAT": ["100.64.0.1"],
	benchmarking: ["198.18.0.1"],
	multicast: ["224.0.0.1", "ff02::1"],
	"loopback, IPv6": ["::1"],
	unspecified: ["::"],
	"unique local": ["fd00::1"],
	"link-local, IPv6": ["fe80::1"],
	"mapped loopback": ["::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254"],
	"mapped public": ["::ffff:93.184.215.14"],
	NAT64: ["64:ff9b::127.0.0.1", "64:ff9b::10.0.0.1", "64:ff9b:1::10.0.0.1"],
	"6to4": ["2002:7f00:1::1", "2002:a00:1::1"],
	Teredo: ["2001::1", "2001:0:7f00:1::1"],
};

/** How the private address stands in an answer: alone, among public ones, or at the end of aliases. */
const SHAPES = ["alone", "first", "last", "alias"] as const;

/** A name whose answers change. */
export interface Rebinding {
	readonly name: string;
	readonly className: string;
	readonly address: string;
	/** The lookup from which on the answer has the private address. */
	readonly moment: number;
	readonly shape: (typeof SHAPES)[number];
	/** The answer to a lookup. */
	readonly answer: (lookup: number) => DnsAnswer;
}

/**
 * A name for each class of private addresses, each moment below `moments` and, if all are wanted, each shape of the answer; else for one
 * shape of them. Before the moment, a name leads to public addresses.
 */
export function rebindings(rng: Rng, moments: number, shapes: "each" | "one"): Rebinding[] {
	const classes = Object.entries(PRIVATE_ADDRESSES);
	return classes.flatMap(([className, addresses], classAt) =>
		Array.from({ length: moments }, (_, moment) => moment).flatMap((moment) =>
			(shapes === "each" ? SHAPES : [rng.pick(SHAPES)]).map((shape): Rebinding => {
				const address = rng.pick(addresses);
				// Of both families, since a resolver may keep for a while that there is none of a family.
				const good = [rng.pick(PUBLIC_IPV4), rng.pick(PUBLIC_IPV6)];
				return {
					...{ className, address, moment, shape },
					name: `c${classAt}-m${moment}-${shape}.pds.example.com`,
					answer: (lookup) => (lookup < moment ? { addresses: good } : answerOf(shape, address, good)),
				};
			}),
		),
	);
}

function answerOf(shape: Rebinding["shape"], address: string, good: readonly string[]): DnsAnswer {
	switch (shape) {
		case "alone":
			return { addresses: [address] };
		case "first":
			return { addresses: [address, ...good] };
		case "last":
			return { addresses: [...good, address] };
		case "alias":
			return { addresses: [address], aliases: 3 };
	}
}
