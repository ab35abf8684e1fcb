import { afterAll, describe, expect, test } from "bun:test";
import { bind } from "../../src/config/setting.ts";
import { askHealth } from "../../src/http/health-request.ts";
import { errorResponse } from "../../src/http/response.ts";

const FAULT = "the log can't be written (disk-full)";
let answer: () => Response | Promise<Response> = () => Response.json({ status: "ok" });
const asked: string[] = [];

const servers = ["127.0.0.1", "::1"].map((hostname) =>
	Bun.serve({
		hostname,
		port: 0,
		fetch(request) {
			asked.push(new URL(request.url).pathname);
			return answer();
		},
	}),
);
afterAll(() => Promise.all(servers.map((server) => server.stop(true))));
const [port4, port6] = servers.map(({ port }) => port ?? 0);

const ask = (listen: string, timeoutMs?: number) => askHealth(bind.parse(listen), timeoutMs);

describe("askHealth", () => {
	test("finds the port that a setting names: at one address, or at all of them", async () => {
		answer = () => Response.json({ status: "ok" });
		for (const listen of [`:${port4}`, `0.0.0.0:${port4}`, `[::]:${port4}`, `127.0.0.1:${port4}`, `[::1]:${port6}`])
			expect([listen, await ask(listen)]).toEqual([listen, null]);
		expect(asked).toEqual(Array(5).fill("/_readyz"));
	});

	test("gives the relay's own words if something is wrong", async () => {
		answer = () => errorResponse(503, "Unhealthy", FAULT);
		expect(await ask(`:${port4}`)).toBe(`http://127.0.0.1:${port4}/_readyz answers 503: ${FAULT}`);
	});

	test("takes no other answer for health: not a redirect, nor the page of another server", async () => {
		answer = () => Response.redirect("/elsewhere");
		expect(await ask(`:${port4}`)).toContain("answers 302");
		answer = () => new Response(`<html>${"x".repeat(1_000)}`, { status: 404 });
		const told = await ask(`:${port4}`);
		expect(told).toContain("answers 404: <html>");
		expect(told?.length).toBeLessThan(300);
	});

	test("gives up if nobody answers, if the answer does not come, and if it does not end", async () => {
		const port = servers[0]?.port ?? 0;
		answer = () => new Promise<Response>(() => undefined);
		expect(await ask(`:${port}`, 50)).toContain("does not answer");
		answer = () => new Response(new ReadableStream({ pull: () => new Promise(() => undefined) }));
		expect(await ask(`:${port}`, 50)).toContain("does not answer");
		const free = Bun.listen({ hostname: "127.0.0.1", port: 0, socket: { data: () => undefined } });
		free.stop(true);
		expect(await ask(`:${free.port}`)).toContain("does not answer");
	});

	test("reads a part only of an answer without end", async () => {
		answer = () => new Response(new ReadableStream({ pull: (to) => to.enqueue(new Uint8Array(16_384).fill(97)) }));
		expect(await ask(`:${port4}`)).toBeNull();
	});
});
