import { describe, expect, onTestFinished, test } from "bun:test";
import { resetSync } from "@logtape/logtape";
import { formatLine } from "../../src/observe/log.ts";
import { Damage } from "../../src/runtime/boundary.ts";
import { type LinkMessage, type Reply, RequestLink, type Unanswered } from "../../src/runtime/requests.ts";
import { Rng } from "../../src/sim/rng.ts";
import { keepLines } from "../observe/kept-lines.ts";
import { LinkPair } from "./link-pair.ts";

interface Arithmetic {
	double(number: number): Promise<number>;
	fail(error: unknown): Promise<number>;
}

const SERVICE: Arithmetic = {
	double: async (number) => 2 * number,
	fail: (error) => Promise.reject(error),
};

const TIMEOUT_MS = 1_000;

/** A request. The test plays the thread that answers it. */
interface Asked {
	id: number;
	number: number;
	client: string | null;
	deadlineMs: number;
	reply: Reply<number> | null;
}

describe("requests to another thread", () => {
	test("get each its own answer or the reason of its own limit, whatever is asked, answered, late or too much", async () => {
		for (let run = 0; run < 50; run++) {
			const rng = new Rng(`requests ${run}`);
			const limits = { max: 1 + rng.int(12), perClientMax: 1 + rng.int(4) };
			const pair = new LinkPair<Arithmetic>(SERVICE, limits);
			const clients = [null, "a", "b", "c", "d"];
			const open = new Map<number, Asked>();
			const waiting = (): Asked[] => [...open.values()].filter(({ reply }) => reply === null);
			const seen = new Map<Unanswered | "answered", number>();
			for (let step = 0; step < 300; step++) {
				const kind = rng.int(10);
				if (kind < 6) await ask(pair, rng.int(1_000), clients[rng.int(clients.length)] ?? null, limits, open, seen);
				else if (kind < 8) await answerOne(pair, rng, open);
				else pair.timing.pass(rng.int(TIMEOUT_MS / 4));
				await settle();
				const nowMs = pair.timing.nowMs();
				for (const { reply, deadlineMs } of open.values()) {
					if (reply === null) expect(nowMs).toBeLessThan(deadlineMs);
					else if (!reply.answered) expect(nowMs).toBeGreaterThanOrEqual(deadlineMs);
				}
				// A request that is over leaves no timer.
				expect(pair.timing.waiting).toBe(waiting().length);
			}
			for (const { number, reply } of open.values())
				if (reply?.answered === true) expect(reply.answer).toBe(2 * number);
			expect(seen.get("answered")).toBeGreaterThan(0);
		}
	});

	test("end with no answer in time, and a late one does nothing", async () => {
		const pair = new LinkPair<Arithmetic>(SERVICE);
		const reply = pair.asker.request("double", [1], { timeoutMs: 5 });
		pair.timing.pass(5);
		expect(await reply).toEqual({ answered: false, why: "timeout" });
		await pair.deliver();
		expect(pair.timing.waiting).toBe(0);
	});

	test("on which the other end fails are answered with that, and later ones as usual", async () => {
		const pair = new LinkPair<Arithmetic>(SERVICE);
		for (const thrown of [new TypeError("no"), "a text", null, undefined]) {
			const failed = pair.asker.request("fail", [thrown], { timeoutMs: TIMEOUT_MS });
			const good = pair.asker.request("double", [4], { timeoutMs: TIMEOUT_MS });
			await pair.deliver();
			expect(await failed).toEqual({ answered: false, why: "failed" });
			expect(await good).toEqual({ answered: true, answer: 8 });
		}
	});

	test("on which the other end fails are logged there with what was asked, in a line of limited length", async () => {
		const lines = keepLines();
		onTestFinished(() => resetSync());
		// At once, without a promise.
		const failAbout = (): never => {
			throw new TypeError("undefined is not an object");
		};
		const pair = new LinkPair<{ failAbout(host: string, by: { ip: string }): Promise<number> }>({ failAbout });
		const host = `a.test/${"x".repeat(100_000)}`;
		const failed = pair.asker.request("failAbout", [host, { ip: "192.0.2.1" }], { timeoutMs: TIMEOUT_MS });
		await pair.deliver();
		expect(await failed).toEqual({ answered: false, why: "failed" });
		const line = lines.map(formatLine).join("\n");
		for (const part of ["failAbout", "a.test/xxx", "192.0.2.1", "undefined is not an object"])
			expect(line).toContain(part);
		expect(line.length).toBeLessThan(10_000);
	});

	test("that find damage to the relay's own data end the thread that found it", async () => {
		const pair = new LinkPair<Arithmetic>(SERVICE);
		void pair.asker.request("fail", [new Damage("ours")], { timeoutMs: TIMEOUT_MS });
		expect(pair.deliver()).rejects.toThrow("ours");
	});

	test("for a method that the other end does not have fail", async () => {
		const sent: LinkMessage[] = [];
		const link = new RequestLink<Record<string, () => Promise<unknown>>, Arithmetic>({
			send: (message) => sent.push(message),
			serves: () => SERVICE,
			limits: { max: 1, perClientMax: 1 },
		});
		await link.take({ type: "request", id: 1, method: "halve", args: [] });
		expect(sent).toEqual([{ type: "answer", id: 1, reply: { answered: false, why: "failed" } }]);
	});

	test("of the operator have a time limit only", async () => {
		const pair = new LinkPair<Arithmetic>(SERVICE, { max: 1, perClientMax: 1 });
		const replies = Array.from({ length: 5 }, (_, at) => pair.asker.request("double", [at], { timeoutMs: TIMEOUT_MS }));
		expect(await pair.asker.request("double", [1], { timeoutMs: TIMEOUT_MS, client: "a" })).toMatchObject({
			why: "full",
		});
		await pair.deliver();
		expect(await Promise.all(replies)).toEqual([0, 2, 4, 6, 8].map((answer) => ({ answered: true, answer })));
	});
});

/** Asks, and checks an answer that comes at once against the limits. */
async function ask(
	{ asker, requests, timing }: LinkPair<Arithmetic>,
	number: number,
	client: string | null,
	limits: { max: number; perClientMax: number },
	open: Map<number, Asked>,
	seen: Map<Unanswered | "answered", number>,
): Promise<void> {
	const waiting = [...open.values()].filter(({ reply }) => reply === null);
	const ofClient = waiting.filter((one) => one.client === client).length;
	const sentBefore = requests.length;
	const pending = asker.request("double", [number], { timeoutMs: TIMEOUT_MS, client });
	const sent = requests[sentBefore];
	if (client !== null && (waiting.length >= limits.max || ofClient >= limits.perClientMax)) {
		expect(sent).toBeUndefined();
		const why = waiting.length >= limits.max ? "full" : "client-full";
		expect(await pending).toEqual({ answered: false, why });
		return;
	}
	if (sent === undefined) throw new Error("nothing was sent");
	const asked: Asked = { id: sent.id, number, client, deadlineMs: timing.nowMs() + TIMEOUT_MS, reply: null };
	open.set(sent.id, asked);
	void pending.then((reply) => {
		asked.reply = reply;
		const what = reply.answered ? "answered" : reply.why;
		seen.set(what, (seen.get(what) ?? 0) + 1);
	});
}

/** Delivers any one of the requests, and its answer. */
async function answerOne(pair: LinkPair<Arithmetic>, rng: Rng, open: ReadonlyMap<number, Asked>): Promise<void> {
	const [request] = pair.requests.splice(rng.int(pair.requests.length), 1);
	if (request === undefined) return;
	await pair.server.take(request);
	for (const answer of pair.answers.splice(0)) await pair.asker.take(answer);
	await settle();
	expect(open.get(request.id)?.reply).not.toBeNull();
}

/** Lets the callbacks of settled promises run. */
async function settle(): Promise<void> {
	for (let turn = 0; turn < 8; turn++) await Promise.resolve();
}
