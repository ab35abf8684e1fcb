import { beforeEach, describe, expect, test } from "bun:test";
import type { ReasonCounts } from "../../src/control/failures.ts";
import type { HostView, LastRejection, WorkerView } from "../../src/control/why.ts";
import type { IngestService } from "../../src/ingest/ingest.ts";
import { type KnownHosts, whyOf } from "../../src/relay/why.ts";
import type { Requests } from "../../src/runtime/requests.ts";
import { workerOf } from "../../src/runtime/worker-of.ts";
import { ACCOUNT, DID, delays, HOST, IDENTITY, OTHER, PDS, rejection, WORKER } from "../why/facts.ts";

const WORKERS = 4;
const IDS: Readonly<Record<string, number>> = { [PDS]: 1, [OTHER]: 2 };

let hosts: KnownHosts;
let account: WorkerView;
let rejections: (LastRejection | null)[];
/** Workers that do not answer. */
let slow: Set<number>;
let asked: string[];
let stall: string | null;

beforeEach(() => {
	hosts = {
		viewOf: (hostname): HostView | null => (hostname in IDS ? { ...HOST, hostname } : null),
		hostIdOf: (hostname) => IDS[hostname] ?? null,
		hostnameOf: (id) => Object.entries(IDS).find(([, known]) => known === id)?.[0] ?? null,
	};
	account = { ...WORKER, rejections: [] };
	rejections = Array.from({ length: WORKERS }, () => null);
	slow = new Set();
	asked = [];
	stall = null;
});

function workers(): { requests: Pick<Requests<IngestService>, "request"> }[] {
	return Array.from({ length: WORKERS }, (_, number) => ({
		requests: {
			request: async (method: string, args: readonly unknown[]) => {
				asked.push(`${method} ${JSON.stringify(args)} of ${number}`);
				if (slow.has(number)) return { answered: false, why: "timeout" };
				const isOwner = workerOf(hosts.hostnameOf(Number(args[0])) ?? "", WORKERS) === number;
				const rejected = rejections[number] ?? null;
				const ofHost = {
					...{ delays: isOwner ? delays("host", false) : null, rejection: rejected },
					failures: rejected === null ? [] : [countsOf(rejected)],
				};
				return { answered: true, answer: method === "whyAccount" ? account : ofHost };
			},
		} as unknown as Pick<Requests<IngestService>, "request">,
	}));
}

function countsOf({ reason, atMs }: LastRejection): ReasonCounts {
	return { reason, rejected: 1, lenient: 2, firstAtMs: atMs - 1, lastAtMs: atMs };
}

async function view(question: Parameters<typeof whyOf>[0]) {
	const result = await whyOf(question, hosts, workers(), stall);
	if (!result.ok) throw new Error(result.message);
	return result.view;
}

describe("what the control thread gathers", () => {
	test("of an account is of the host that its DID document names, by what its worker knows", async () => {
		account = { ...WORKER, identity: { ...IDENTITY, pdsHost: OTHER }, account: { ...ACCOUNT, host: 1 } };
		const told = await view({ did: DID, hostname: PDS, hostId: 1 });
		expect(told).toMatchObject({ hostname: OTHER, host: { hostname: OTHER }, accountHost: PDS });
		expect(told.delays).toEqual({ told: delays("host", false) });
		expect(told.logStall).toBeNull();
		stall = "disk-full";
		expect((await view({ did: null, hostname: PDS, hostId: null })).logStall).toBe("disk-full");
		expect(asked[0]).toBe(`whyAccount ["${DID}",[1,1]] of ${workerOf(DID, WORKERS)}`);
	});

	test("falls back on what the index has, on the account's host, and on whoever sent what was rejected", async () => {
		account = { account: null, identity: null, rejections: [], waiting: 0, waitingForMs: 0 };
		expect(await view({ did: DID, hostname: OTHER, hostId: 1 })).toMatchObject({ hostname: OTHER, accountHost: PDS });
		expect(await view({ did: DID, hostname: null, hostId: 1 })).toMatchObject({ hostname: PDS, accountHost: PDS });
		account = { ...account, rejections: [rejection("identity-not-found", { hostname: OTHER })] };
		expect(await view({ did: DID, hostname: null, hostId: null })).toMatchObject({
			hostname: OTHER,
			accountHost: null,
		});
		account = { ...account, rejections: [] };
		expect(await view({ did: DID, hostname: null, hostId: 0 })).toMatchObject({
			...{ hostname: null, host: null, accountHost: null },
			...{ delays: { told: null }, hostRejection: { told: null } },
		});
	});

	test("of a host is the last rejection of all workers, and what waits at its own", async () => {
		rejections = [rejection("rev-stale", { atMs: 5 }), null, rejection("rev-future", { atMs: 9 }), null];
		const told = await view({ did: null, hostname: PDS, hostId: null });
		expect(told).toMatchObject({ worker: null, hostRejection: { told: { reason: "rev-future" } } });
		expect(told.delays).toEqual({ told: delays("host", false) });
		expect(told.hostFailures).toEqual({
			told: [rejections[2], rejections[0]].map((one) => countsOf(one as LastRejection)),
		});
		expect(await view({ did: null, hostname: "no.example.com", hostId: null })).toMatchObject({
			...{ hostname: "no.example.com", host: null, hostRejection: { told: null } },
		});
	});

	test("lacks the part of a worker that does not answer, and nothing else", async () => {
		const [ofDid, ofHost] = [workerOf(DID, WORKERS), workerOf(PDS, WORKERS)];
		slow = new Set([ofDid]);
		const without = await view({ did: DID, hostname: PDS, hostId: 1 });
		expect(without).toMatchObject({ host: { hostname: PDS }, worker: { untold: expect.stringContaining("busy") } });
		expect("told" in without.delays).toBe(ofDid !== ofHost);
		slow = new Set([ofHost]);
		const told = await view({ did: null, hostname: PDS, hostId: null });
		expect(told).toMatchObject({ host: { hostname: PDS }, delays: { untold: expect.any(String) } });
		expect("untold" in told.hostFailures).toBe(true);
	});
});
