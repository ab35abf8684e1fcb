import { describe, expect, test } from "bun:test";
import { Counters } from "../../src/observe/counters.ts";
import { READ_TIMEOUT_MS, ReadRequests, type ReadsService } from "../../src/reads/requests.ts";
import { type ReadsHandler, serveReads } from "../../src/reads/serve.ts";
import { SERVER_NAME } from "../../src/version.ts";
import { counted } from "../observe/counted.ts";
import { LinkPair } from "../runtime/link-pair.ts";

const LIMITS = { max: 3, perClientMax: 2 };

/** Both ends, with whatever is sent held back until `deliver`. */
function connect(app: ReadsHandler) {
	const counters = new Counters();
	const pair = new LinkPair<ReadsService>(serveReads(app, counters), LIMITS);
	const requests = new ReadRequests(pair.asker, LIMITS);
	return { requests, sent: pair.requests, timing: pair.timing, counters, deliver: () => pair.deliver() };
}

const echo: ReadsHandler = (request, { ip }) =>
	new Response(`${ip} ${new URL(request.url).pathname}${new URL(request.url).search}`, {
		status: 302,
		headers: { Location: "https://pds.test/" },
	});

describe("a read by another thread", () => {
	test("is answered with status, headers and body", async () => {
		const { requests, deliver } = connect(echo);
		const first = requests.read("/xrpc/a?b=%20", "192.0.2.1");
		const second = requests.read("//evil/x", "192.0.2.2");
		await deliver();
		const response = await first;
		expect([response.status, response.headers.get("location")]).toEqual([302, "https://pds.test/"]);
		expect(await response.text()).toBe("192.0.2.1 /xrpc/a?b=%20");
		expect(await (await second).text()).toBe("192.0.2.2 //evil/x");
	});

	test("that fails there is a 500, counted", async () => {
		const { requests, deliver, counters } = connect(() => Promise.reject(new Error("boom")));
		const read = requests.read("/", "192.0.2.1");
		await deliver();
		const response = await read;
		expect([response.status, response.headers.get("server")]).toEqual([500, SERVER_NAME]);
		expect(counted(counters).of("http_failures_total")).toBe(1);
	});

	test("is refused where too many wait, of all or of one address", async () => {
		const { requests, sent, deliver } = connect(echo);
		const waiting = [requests.read("/", "192.0.2.1"), requests.read("/", "192.0.2.1")];
		const own = await requests.read("/", "192.0.2.1");
		expect([own.status, own.headers.get("retry-after")]).toEqual([429, "1"]);
		waiting.push(requests.read("/", "192.0.2.2"));
		const other = await requests.read("/", "192.0.2.3");
		expect([other.status, other.headers.get("retry-after")]).toEqual([503, "5"]);
		expect(sent).toHaveLength(3);
		await deliver();
		for (const response of await Promise.all(waiting)) expect(response.status).toBe(302);
		const next = requests.read("/", "192.0.2.3");
		await deliver();
		expect((await next).status).toBe(302);
	});

	test("that is not answered in time is a 503, and a late answer does nothing", async () => {
		const { requests, timing, deliver } = connect(echo);
		const read = requests.read("/", "192.0.2.1");
		timing.pass(READ_TIMEOUT_MS);
		expect((await read).status).toBe(503);
		await deliver();
	});
});
