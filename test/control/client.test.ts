import { describe, expect, test } from "bun:test";
import { type Control, type ControlResult, type Requester, refusal } from "../../src/control/api.ts";
import { CONTROL_TIMEOUT_MS, controlOver, ownControl } from "../../src/control/client.ts";
import type { Served } from "../../src/runtime/requests.ts";
import { Rng } from "../../src/sim/rng.ts";
import { LinkPair } from "../runtime/link-pair.ts";
import { fakeControl } from "./fake-control.ts";

const STRANGER = { admin: false, ip: "192.0.2.1" };
const ADMIN = { admin: true, ip: "192.0.2.2" };

/** The control thread as another thread sees it. `answer` stands for what it does. */
function connect(
	answer: (hostname: string) => ControlResult | Promise<ControlResult>,
	limits = { max: 512, perClientMax: 16 },
) {
	const calls: [method: string, hostname: string, detail: Requester | number | null][] = [];
	const server = fakeControl<Served<Control>>({
		async requestCrawl(hostname, by) {
			calls.push(["requestCrawl", hostname, by]);
			return answer(hostname);
		},
		resetCursor(hostname, cursor) {
			calls.push(["resetCursor", hostname, cursor]);
			return { ok: true };
		},
	});
	const pair = new LinkPair<Control>(server, limits);
	return { control: controlOver(pair.asker, limits), pair, calls };
}

describe("crawl requests", () => {
	test("get the answer to their own id", async () => {
		const unreachable: ControlResult = { ok: false, status: 400, error: "HostNotFound", message: "unreachable" };
		const { control, pair, calls } = connect((hostname) => (hostname === "a.test" ? unreachable : { ok: true }));
		const results = [control.requestCrawl("a.test", STRANGER), control.requestCrawl("localhost:3000", ADMIN)];
		// The later request is answered first.
		pair.requests.reverse();
		await pair.deliver();
		expect(await Promise.all(results)).toEqual([unreachable, { ok: true }]);
		expect(calls).toEqual([
			["requestCrawl", "localhost:3000", ADMIN],
			["requestCrawl", "a.test", STRANGER],
		]);
	});

	test("and resets of a cursor go the same way", async () => {
		const { control, pair, calls } = connect(() => ({ ok: true }));
		const results = [
			control.resetCursor("a.test", null, ADMIN),
			control.requestCrawl("a.test", ADMIN),
			control.resetCursor("a.test", 7, ADMIN),
		];
		await pair.deliver();
		expect(await Promise.all(results)).toEqual([{ ok: true }, { ok: true }, { ok: true }]);
		expect(calls).toEqual([
			["resetCursor", "a.test", null],
			["requestCrawl", "a.test", ADMIN],
			["resetCursor", "a.test", 7],
		]);
	});

	test("end with 504 if no answer comes in time, and a late answer does nothing", async () => {
		const { control, pair } = connect(() => ({ ok: true }));
		const result = control.requestCrawl("a.test", STRANGER);
		pair.timing.pass(CONTROL_TIMEOUT_MS - 1);
		expect(pair.timing.waiting).toBe(1);
		pair.timing.pass(1);
		expect(await result).toMatchObject({ ok: false, status: 504 });
		await pair.deliver();
	});

	test("end with 500 if the control thread fails", async () => {
		const { control, pair } = connect(() => {
			throw new TypeError("undefined is not an object");
		});
		const result = control.requestCrawl("a.test", STRANGER);
		await pair.deliver();
		expect(await result).toMatchObject({ ok: false, status: 500, error: "InternalServerError" });
	});

	test("are limited in number, per address and in total, but not for admins", async () => {
		const { control, pair } = connect(() => ({ ok: true }), { max: 5, perClientMax: 3 });
		const ask = (ip: string) => control.requestCrawl("a.test", { admin: false, ip });
		const results = [ask("192.0.2.1"), ask("192.0.2.1"), ask("192.0.2.1")];
		const ofClient = ask("192.0.2.1");
		results.push(ask("2001:db8::1"), ask("2001:db8::2"));
		const ofAll = ask("192.0.2.3");
		const asAdmin = control.requestCrawl("a.test", ADMIN);
		await pair.deliver();
		expect(await ofClient).toMatchObject({ status: 429, message: expect.stringContaining("your address") });
		expect(await ofAll).toMatchObject({ status: 429, retryAfterS: 30 });
		for (const result of await Promise.all([...results, asAdmin])) expect(result).toEqual({ ok: true });
		const next = ask("192.0.2.1");
		await pair.deliver();
		expect(await next).toEqual({ ok: true });
	});
});

describe("an action", () => {
	test("is called with what was asked, whoever asks, and answered with its owner's result, at once or later", async () => {
		const rng = new Rng("actions");
		const asked: unknown[][] = [];
		const owed: ControlResult[] = [];
		const answer = (...call: unknown[]): ControlResult | Promise<ControlResult> => {
			asked.push(call);
			const kind = rng.int(5);
			if (kind === 0) throw new TypeError("undefined is not an object");
			if (kind === 1) return Promise.reject(new RangeError("no"));
			const result: ControlResult = rng.int(2) === 0 ? { ok: true } : refusal(400, "Error", `${rng.uint32()}`);
			owed.push(result);
			return kind === 2 ? result : Promise.resolve(result);
		};
		const server = fakeControl<Served<Control>>({
			requestCrawl: (...args) => answer("requestCrawl", ...args) as Promise<ControlResult>,
			resetCursor: (...args) => answer("resetCursor", ...args),
		});
		const pair = new LinkPair<Control>(server);
		const control = controlOver(pair.asker);
		for (let round = 0; round < 300; round++) {
			const hostname = rng.pick(["a.test", "", "x".repeat(300), "then"]);
			const by = rng.pick([STRANGER, ADMIN]);
			const cursor = rng.pick([null, 0, rng.uint32()]);
			const isReset = rng.int(2) === 0;
			const result = isReset ? control.resetCursor(hostname, cursor, by) : control.requestCrawl(hostname, by);
			await pair.deliver();
			expect(asked).toEqual([isReset ? ["resetCursor", hostname, cursor, by] : ["requestCrawl", hostname, by]]);
			expect(await result).toEqual(owed[0] ?? expect.objectContaining({ ok: false, status: 500 }));
			asked.length = 0;
			owed.length = 0;
		}
	});

	test("is not asked for by awaiting the control thread", async () => {
		const { control, pair } = connect(() => ({ ok: true }));
		expect(await control).toBe(control);
		expect(pair.requests).toEqual([]);
	});
});

describe("the control thread's own calls", () => {
	test("are refused until it serves, and then answered at once, whether its method returns a promise or not", async () => {
		let served: Served<Control> | undefined;
		const control = ownControl(() => served);
		expect(await control.resetCursor("a.test", 7, ADMIN)).toMatchObject({ ok: false, status: 503, error: "Starting" });
		const calls: unknown[] = [];
		served = fakeControl<Served<Control>>({
			async requestCrawl(hostname, by) {
				calls.push(hostname, by);
				return { ok: true };
			},
			resetCursor: (hostname, cursor) => refusal(404, "HostNotFound", `${hostname} ${cursor}`),
		});
		expect(await control.requestCrawl("a.test", ADMIN)).toEqual({ ok: true });
		expect(calls).toEqual(["a.test", ADMIN]);
		expect(await control.resetCursor("b.test", null, ADMIN)).toMatchObject({ status: 404, message: "b.test null" });
	});
});
