import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { lookup as lookupDns } from "node:dns";
import { Resolver } from "node:dns/promises";
import { probeHost } from "../../src/hosts/probe.ts";
import { DidResolver } from "../../src/identity/resolver.ts";
import { REPO_STATUS_LIMITS, RepoStatusProbe } from "../../src/ingest/did/repo-status.ts";
import { publicLookup } from "../../src/ingest/host/socket.ts";
import { isPublicAddress } from "../../src/net/address.ts";
import type { Lookup, ResolvedAddress } from "../../src/net/guarded-fetch.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Rng } from "../../src/sim/rng.ts";
import { HandleResolver } from "../../src/why/handle.ts";
import { DnsServer } from "./dns-server.ts";
import { PRIVATE_ADDRESSES, PUBLIC_ADDRESSES, type Rebinding, rebindings } from "./rebinding.ts";

const MOMENTS = 3;
const DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
const userAgent = "standpipe/test";

/** Goes out once to a name. `connect` stands for the network, and notes the addresses that a connection is made to. */
type GoOut = (name: string, lookup: Lookup, connect: (address: string) => void) => Promise<unknown>;

/** The guard of a request, whose connections `connect` notes. */
function guardOf(lookup: Lookup, connect: (address: string) => void) {
	const fetch = async (url: URL, init: BunFetchRequestInit): Promise<Response> => {
		// A redirect or a kept connection would lead to another address than the one in the URL.
		expect(init).toMatchObject({ redirect: "error", keepalive: false });
		connect(url.hostname.replace(/^\[(.*)\]$/, "$1"));
		return Response.json({});
	};
	return { allowInsecure: false, lookup, fetch };
}

/** All ways that lead out of the relay to a host that a stranger has named. */
const WAYS: Record<string, GoOut> = {
	"the probe of requestCrawl": (hostname, lookup, connect) =>
		probeHost({ hostname, insecure: false }, { guard: guardOf(lookup, connect), userAgent }),
	"the document of a did:web": (name, lookup, connect) =>
		new DidResolver({ plcUrl: "https://plc.example.com", userAgent, ...guardOf(lookup, connect) }).resolve(
			`did:web:${name}`,
		),
	"the question whether an account is active": (name, lookup, connect) => {
		const counters = new Counters();
		const limits = { ...REPO_STATUS_LIMITS, didIntervalMs: 0 };
		const probe = new RepoStatusProbe({ guard: guardOf(lookup, connect), userAgent, counters, limits });
		return probe.isActive(DID, { id: 1, pds: `https://${name}` });
	},
	"the file of a handle": (name, lookup, connect) => {
		const resolveTxt = (): Promise<string[][]> => Promise.reject(new Error("no records"));
		const counters = new Counters();
		return new HandleResolver({ guard: guardOf(lookup, connect), userAgent, counters, resolveTxt }).resolve(name, "a");
	},
	"the dial of a host": (name, resolve, connect) => {
		const lookup = (
			hostname: string,
			_: unknown,
			callback: (error: Error | null, found?: ResolvedAddress[]) => void,
		) => {
			resolve(hostname).then(
				(found) => callback(null, found),
				(error: Error) => callback(error),
			);
		};
		const guard = publicLookup(lookup as typeof lookupDns);
		return new Promise<void>((done) => {
			guard(name, { all: true }, (error, found) => {
				// What the guard gives is what the socket connects to.
				if (error === null && typeof found !== "string") for (const { address } of found) connect(address);
				done();
			});
		});
	},
};

describe.each(Object.entries(WAYS))("%s", (_, goOut) => {
	let dns: DnsServer;
	beforeAll(async () => {
		dns = await DnsServer.start();
	});
	afterAll(() => dns.stop());

	/** Asks the name server for both kinds of addresses, as the system does. */
	const lookUp: Lookup = async (hostname) => {
		// A new one each time, since a resolver keeps what it was told.
		const resolver = new Resolver();
		resolver.setServers([`127.0.0.1:${dns.port}`]);
		const found = await Promise.all([
			resolver.resolve4(hostname).catch(() => []),
			resolver.resolve6(hostname).catch(() => []),
		]);
		return found.flatMap((addresses, at) => addresses.map((address) => ({ address, family: at === 0 ? 4 : 6 })));
	};

	/** Goes out again and again, one time more than until the answer changes. Returns the addresses of each time. */
	async function connections({ name, moment, answer }: Rebinding): Promise<string[][]> {
		dns.set(name, answer);
		const times: string[][] = [];
		for (let time = 0; time <= moment; time++) {
			const connected: string[] = [];
			await goOut(name, lookUp, (address) => connected.push(address)).catch(() => undefined);
			times.push(connected);
		}
		return times;
	}

	test("leads to no private address, whenever the answer changes to one, and however it stands in the answer", async () => {
		const names = rebindings(new Rng("rebinding"), MOMENTS, "each");
		expect(names).toHaveLength(Object.keys(PRIVATE_ADDRESSES).length * MOMENTS * 4);
		for (const rebinding of names) {
			const times = await connections(rebinding);
			const { address, moment, shape } = rebinding;
			for (const [time, connected] of times.entries()) {
				const { addresses } = rebinding.answer(time);
				const found = { address, shape, time, connected };
				// Before the answer changes, the host is reached at an address of this very answer. After that it is not reached.
				if (time >= moment) expect(found).toEqual({ ...found, connected: [] });
				else expect(found).toEqual({ ...found, connected: addresses.slice(0, Math.max(1, connected.length)) });
			}
			// One lookup each time: the address that was checked is the one that is connected to.
			expect(dns.lookups(rebinding.name)).toBe(rebinding.moment + 1);
		}
	});
});

test("the addresses of the table are what they are called", () => {
	expect(PUBLIC_ADDRESSES.filter((address) => !isPublicAddress(address))).toEqual([]);
	expect(Object.values(PRIVATE_ADDRESSES).flat().filter(isPublicAddress)).toEqual([]);
});
