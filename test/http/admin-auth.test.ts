import { beforeEach, describe, expect, test } from "bun:test";
import { resetSync } from "@logtape/logtape";
import { Hono } from "hono";
import {
	adminAuth,
	WRONG_PASSWORD_MS,
	WRONG_PASSWORDS_BURST,
	WRONG_PASSWORDS_WAITING_MAX,
} from "../../src/http/admin-auth.ts";
import type { ClientEnv } from "../../src/http/base.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Rng } from "../../src/sim/rng.ts";
import { counted } from "../observe/counted.ts";
import { keepLines } from "../observe/kept-lines.ts";
import { anyUtf8Text } from "../sim/any-text.ts";
import { FakeTiming } from "../sim/fake-timing.ts";

const PASSWORDS = ["s3cret:ü", "another", "s"];
const IP = "192.0.2.1";

const basic = (credentials: string): string => `Basic ${Buffer.from(credentials).toString("base64")}`;
const RIGHT = basic("admin:another");
const WRONG = basic("admin:wrong");

let timing: FakeTiming;
let counters: Counters;
let app: Hono<ClientEnv>;

beforeEach(() => {
	timing = new FakeTiming();
	counters = new Counters();
	app = new Hono<ClientEnv>();
	app.use("/admin/*", adminAuth({ passwords: PASSWORDS, counters, timing }));
	app.get("/admin/x", (context) => context.text("in"));
});

/** The status of the answer. What has to wait waits until the test lets time pass. */
async function ask(authorization?: string, ip = IP): Promise<number> {
	const headers: Record<string, string> = authorization === undefined ? {} : { Authorization: authorization };
	const { status } = await app.request("/admin/x", { headers }, { ip });
	return status;
}

/** Lets the event loop run all that is to be done at this time. */
async function settle(): Promise<void> {
	for (let turn = 0; turn < 5; turn++) await new Promise(setImmediate);
}

/** The status of the answer, which time is let pass for. */
async function answered(asked: Promise<number>): Promise<number> {
	await settle();
	if (timing.waiting > 0) timing.pass(timing.nextMs);
	return asked;
}

/** A text like the right one, by a slip or by an attempt to confuse the parser. */
function nearly(rng: Rng, right: string): string {
	const at = rng.int(right.length + 1);
	const edits = [
		right.slice(0, at) + anyUtf8Text(rng) + right.slice(at),
		right.slice(0, at) + right.slice(at + 1),
		right.toUpperCase(),
		`${right}\0`,
		right.slice(0, at),
		anyUtf8Text(rng),
	];
	return rng.pick(edits);
}

describe("the admin API's password", () => {
	test("is any of those that are set, and nothing that is nearly one", async () => {
		const rng = new Rng("passwords");
		const accepted = PASSWORDS.map((password) => `admin:${password}`);
		let wrong = 0;
		for (let at = 0; at < 1_000; at++) {
			const right = rng.pick(accepted);
			const text = rng.int(3) === 0 ? right : nearly(rng, right);
			const isRight = accepted.includes(text);
			// Each comes from another address, so that none is limited.
			const status = await answered(ask(basic(text), `10.${at >> 8}.${at & 255}.1`));
			if (!isRight && text !== "") wrong++;
			expect([text, status]).toEqual([text, isRight ? 200 : 401]);
		}
		expect(wrong).toBeGreaterThan(300);
		expect(counted(counters).of("admin_wrong_passwords_total")).toBe(wrong);
	});

	test("is asked for at once if a request has none, however often", async () => {
		const headers = [undefined, "", "Basic", "Basic !!", "Bearer another", `Basic ${"A".repeat(5_000)}`, "another"];
		for (let round = 0; round < 20; round++) for (const header of headers) expect(await ask(header)).toBe(401);
		expect(timing.waiting).toBe(0);
		expect(counted(counters).of("admin_wrong_passwords_total")).toBe(0);
		expect(await ask(RIGHT)).toBe(200);
	});

	test("costs a second if it is wrong, and nothing if it is right", async () => {
		let isAnswered = false;
		const asked = ask(WRONG).finally(() => {
			isAnswered = true;
		});
		await settle();
		timing.pass(WRONG_PASSWORD_MS - 1);
		await settle();
		expect(isAnswered).toBe(false);
		expect(await ask(RIGHT)).toBe(200);
		timing.pass(1);
		expect(await asked).toBe(401);
	});

	test("is not looked at if its address has sent too many wrong ones, until time has passed", async () => {
		for (let sent = 0; sent < WRONG_PASSWORDS_BURST; sent++) expect(await answered(ask(WRONG))).toBe(401);
		expect(await answered(ask(WRONG))).toBe(429);
		const response = await app.request("/admin/x", { headers: { Authorization: RIGHT } }, { ip: IP });
		const retryAfterS = Number(response.headers.get("retry-after"));
		expect([response.status, retryAfterS > 0 && retryAfterS <= 30]).toEqual([429, true]);
		expect(await response.json()).toMatchObject({ error: "RateLimitExceeded" });
		// The same client, written in another way; then other clients.
		expect(await ask(RIGHT, `::ffff:${IP}`)).toBe(429);
		expect(await ask(RIGHT, "192.0.2.2")).toBe(200);
		expect(await ask(RIGHT, "2001:db8::1")).toBe(200);
		expect(counted(counters).of("admin_limited_total")).toBe(3);
		timing.pass(1000 * retryAfterS);
		expect(await ask(RIGHT)).toBe(200);
		expect(await answered(ask(WRONG))).toBe(401);
		expect(await ask(RIGHT)).toBe(429);
	});

	test("has few wrong ones wait at once; a right one is let in meanwhile", async () => {
		const asked = Array.from({ length: WRONG_PASSWORDS_WAITING_MAX + 5 }, (_, at) => ask(WRONG, `10.0.${at}.1`));
		await settle();
		expect(timing.waiting).toBe(WRONG_PASSWORDS_WAITING_MAX);
		expect(await ask(RIGHT)).toBe(200);
		timing.pass(WRONG_PASSWORD_MS);
		const statuses = await Promise.all(asked);
		expect(statuses.filter((status) => status === 401)).toHaveLength(WRONG_PASSWORDS_WAITING_MAX);
		expect(statuses.filter((status) => status === 429)).toHaveLength(5);
		expect(await answered(ask(WRONG, "10.1.0.1"))).toBe(401);
	});

	test("is in no log line; many wrong ones are one line", async () => {
		const lines = keepLines();
		try {
			for (let at = 0; at < 50; at++) await answered(ask(basic(`admin:hunter${at}`), `10.0.0.${at}`));
			timing.pass(10_000);
			await answered(ask(basic("admin:hunter"), "10.0.1.0"));
			const text = JSON.stringify(lines);
			expect(text).not.toContain("hunter");
			expect(text).not.toContain("another");
			// 50 wrong ones take 50 s, and a line is allowed each 10 s.
			expect(lines.length).toBeGreaterThan(1);
			expect(lines.length).toBeLessThanOrEqual(7);
			const omitted = lines.map(({ properties }) => Number(properties["omitted"] ?? 0));
			expect(lines.length + omitted.reduce((sum, one) => sum + one, 0)).toBe(51);
		} finally {
			resetSync();
		}
	});
});
