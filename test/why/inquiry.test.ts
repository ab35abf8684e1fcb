import { beforeEach, describe, expect, test } from "bun:test";
import { NO_HOST } from "../../src/account/state.ts";
import { type Control, refusal } from "../../src/control/api.ts";
import type { ControlView, WhyQuestion } from "../../src/control/why.ts";
import { StoreBroken, StoreUnavailable } from "../../src/index/store-fault.ts";
import type { Reply, RequestOptions } from "../../src/runtime/requests.ts";
import { INDEX_MS_MAX, Inquiry, type InquiryOptions } from "../../src/why/inquiry.ts";
import { MemoryIndex } from "../http/memory-index.ts";
import { FakeTiming } from "../sim/fake-timing.ts";
import { DID, Facts, IDENTITY, PDS, WORKER } from "./facts.ts";

const IP = "192.0.2.1";

type Answer = Reply<Awaited<ReturnType<Control["why"]>>>;

let index: MemoryIndex;
let timing: FakeTiming;
let asked: WhyQuestion[];
let options: RequestOptions[];
let answer: Answer;

beforeEach(() => {
	index = new MemoryIndex();
	timing = new FakeTiming();
	asked = [];
	options = [];
	answer = { answered: true, answer: { ok: true, view: new Facts().view } };
});

function inquiry(over: Partial<InquiryOptions> = {}): Inquiry {
	const request = async (_: string, args: readonly unknown[], given: RequestOptions): Promise<Answer> => {
		asked.push(args[0] as WhyQuestion);
		options.push(given);
		return answer;
	};
	// The only method that is asked for is `why`.
	const control = { request } as unknown as InquiryOptions["control"];
	return new Inquiry({ index, control, allowInsecure: false, timing, ...over });
}

function viewWith(view: Partial<ControlView>): void {
	answer = { answered: true, answer: { ok: true, view: { ...new Facts().view, ...view } } };
}

describe("an inquiry", () => {
	test("passes on what the index has, and takes what a worker has for newer", async () => {
		index.addAccount(DID, { host: 7, upstreamActive: false, upstreamStatus: "deactivated" });
		index.identityRows.push({ did: DID, signingKey: null, pds: `https://${PDS}`, tombstoned: false, resolvedAtMs: 5 });
		const facts = await inquiry().ofAccount(DID, IP);
		expect(asked).toEqual([{ did: DID, hostname: PDS, hostId: 7 }]);
		expect(options[0]?.client).toBe(IP);
		expect(facts).toMatchObject({ account: { told: WORKER.account }, identity: { told: IDENTITY } });
		viewWith({ worker: { told: { ...WORKER, account: null, identity: null } } });
		expect(await inquiry().ofAccount(DID, IP)).toMatchObject({
			account: { told: { upstreamStatus: "deactivated" } },
			identity: { told: { pdsHost: PDS, signingKey: null, knownFrom: "index", resolvedAtMs: 5 } },
		});
	});

	test("tells of no account of which all was taken back, and of no key that a worker does not have", async () => {
		index.addAccount(DID, { host: NO_HOST, localStatus: null });
		viewWith({ worker: { told: { ...WORKER, account: null, identity: null } } });
		const facts = await inquiry().ofAccount(DID, IP);
		expect(asked).toEqual([{ did: DID, hostname: null, hostId: null }]);
		expect(facts).toMatchObject({ account: { told: null }, identity: { told: null } });
	});

	test("says why the index can't be read, and goes on with what others know", async () => {
		const fail = async (): Promise<never> => {
			throw new StoreUnavailable("database-unreachable", "the server at 10.0.0.5 is away");
		};
		const away = { account: fail, identity: fail };
		expect(await inquiry({ index: away }).ofAccount(DID, IP)).toMatchObject({ account: { told: WORKER.account } });
		viewWith({ worker: { told: { ...WORKER, account: null, identity: null } } });
		const facts = await inquiry({ index: away }).ofAccount(DID, IP);
		expect(facts).toMatchObject({
			account: { untold: "the index can't be read (database-unreachable)" },
			identity: { untold: "the index can't be read (database-unreachable)" },
		});
		expect(asked.at(-1)).toEqual({ did: DID, hostname: null, hostId: null });
		expect(JSON.stringify(facts)).not.toContain("10.0.0.5");
	});

	test("waits for the index only so long", async () => {
		const hanging = { account: () => new Promise<never>(() => {}), identity: async () => null };
		viewWith({ worker: { told: { ...WORKER, account: null, identity: null } } });
		const facts = inquiry({ index: hanging }).ofAccount(DID, IP);
		// What answers has answered by then.
		await new Promise(setImmediate);
		timing.pass(INDEX_MS_MAX);
		expect(await facts).toMatchObject({
			account: { untold: "the index does not answer in time" },
			identity: { told: null },
		});
		expect(timing.waiting).toBe(0);
	});

	test("does not hide a damaged index", async () => {
		const broken = {
			account: async (): Promise<never> => {
				throw new StoreBroken("damaged");
			},
			identity: async () => null,
		};
		expect(inquiry({ index: broken }).ofAccount(DID, IP)).rejects.toThrow("damaged");
	});

	test("is told nothing by a control thread that does not answer, of an account and of a host", async () => {
		answer = { answered: false, why: "timeout" };
		expect(await inquiry().ofHost(PDS, IP)).toMatchObject({ did: null, view: { untold: expect.any(String) } });
		expect(await inquiry().ofAccount(DID, IP)).toMatchObject({ view: { untold: expect.any(String) } });
		answer = { answered: true, answer: refusal(503, "ServiceUnavailable", "starting") };
		expect(await inquiry().ofHost(PDS, IP)).toMatchObject({ view: { untold: "starting" } });
		expect(asked.at(-1)).toEqual({ did: null, hostname: PDS, hostId: null });
	});
});
