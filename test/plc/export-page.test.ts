import { afterAll, describe, expect, test } from "bun:test";
import { gzipSync } from "node:zlib";
import { fetchPage, PAGE_BYTES_MAX, PAGE_LINES, type Page, PageError } from "../../src/plc/export-page.ts";
import { LINE_BYTES_MAX } from "../../src/plc/line.ts";
import { LineSplitter } from "../../src/plc/line-splitter.ts";
import { Rng } from "../../src/sim/rng.ts";

/** What the server answers; set by each test. */
let answer: (request: Request) => Response | Promise<Response> = () => new Response("");
const server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => answer(request) });

afterAll(() => server.stop(true));

function page(after = "0", signal = new AbortController().signal): Promise<Page> {
	return fetchPage(after, { directory: server.url.origin, userAgent: "relay/1", signal });
}

async function failure(): Promise<PageError> {
	const error = await page().catch((error: unknown) => error);
	if (!(error instanceof PageError)) throw new Error(`no PageError: ${error}`);
	return error;
}

/** A body that gives the pieces one after the other. */
function body(pieces: Iterable<string>): ReadableStream {
	const iterator = pieces[Symbol.iterator]();
	return new ReadableStream({
		pull(controller) {
			const next = iterator.next();
			if (next.done === true) controller.close();
			else controller.enqueue(Buffer.from(next.value));
		},
	});
}

/** A body that gives the pieces, each when the one before was read, and then breaks. */
function brokenBody(pieces: readonly string[]): ReadableStream {
	const left = [...pieces];
	const pull = (controller: ReadableStreamDefaultController): void => {
		const next = left.shift();
		if (next === undefined) controller.error(new Error("broken"));
		else controller.enqueue(Buffer.from(next));
	};
	return new ReadableStream({ pull }, { highWaterMark: 0 });
}

test("a page is asked for by seq or time, and its lines come whole", async () => {
	const asked: string[] = [];
	answer = (request) => {
		const url = new URL(request.url);
		asked.push(`${url.pathname} ${url.searchParams.get("after")} ${url.searchParams.get("count")}`);
		expect(request.headers.get("user-agent")).toBe("relay/1");
		return new Response('{"a":1}\n\n{"b":"é"}\n{"c":3}');
	};
	const lines = ['{"a":1}', '{"b":"é"}', '{"c":3}'].map((text) => ({ text, isTooLong: false }));
	expect(await page("2024-03-01T00:00:00.000Z")).toEqual({ lines, isFull: false });
	await page("17");
	expect(asked).toEqual(["/export 2024-03-01T00:00:00.000Z 1000", "/export 17 1000"]);
});

test("a page may be compressed", async () => {
	const text = Array.from({ length: 500 }, (_, at) => JSON.stringify({ at })).join("\n");
	answer = () => new Response(gzipSync(text), { headers: { "content-encoding": "gzip" } });
	const { lines } = await page();
	expect(lines.map((line) => line.text).join("\n")).toBe(text);
});

test("a page with as many lines as were asked for, or with more, may not be the last", async () => {
	for (const count of [PAGE_LINES - 1, PAGE_LINES, PAGE_LINES + 5]) {
		answer = () => new Response(Array.from({ length: count }, (_, at) => `line ${at}\n`).join(""));
		const { lines, isFull } = await page();
		expect(lines).toHaveLength(Math.min(count, PAGE_LINES));
		expect(isFull).toBe(count >= PAGE_LINES);
	}
});

describe("the limits", () => {
	test("of a line: its beginning is kept, and those after it are whole", async () => {
		const long = "x".repeat(3 * LINE_BYTES_MAX);
		answer = () => new Response(`first\n${long}\nlast`);
		expect((await page()).lines).toEqual([
			{ text: "first", isTooLong: false },
			{ text: "x".repeat(LINE_BYTES_MAX), isTooLong: true },
			{ text: "last", isTooLong: false },
		]);
	});

	test("of a page without end: what came whole is the page", async () => {
		function* endless(): Generator<string> {
			for (;;) yield `${"y".repeat(LINE_BYTES_MAX - 1)}\n`.repeat(16);
		}
		answer = () => new Response(body(endless()));
		const { lines, isFull } = await page();
		expect(isFull).toBe(true);
		expect(lines.length).toBeLessThanOrEqual(PAGE_BYTES_MAX / (LINE_BYTES_MAX - 1) + 17);
	});

	test("of a line without end: there is no page", async () => {
		function* endless(): Generator<string> {
			for (;;) yield "z".repeat(1024 * 1024);
		}
		answer = () => new Response(body(endless()));
		expect((await failure()).message).toContain("too long");
	});

	test("hold for what is decompressed", async () => {
		answer = () =>
			new Response(gzipSync(Buffer.alloc(100 * 1024 * 1024, "a")), { headers: { "content-encoding": "gzip" } });
		expect((await failure()).message).toContain("too long");
	});
});

describe("a failure", () => {
	test("in the middle of the body: what came whole is the page, and there may be more", async () => {
		const fetch = async (): Promise<Response> => new Response(brokenBody(["one\n", "two\n", "thr"]));
		const options = { directory: "https://plc.test", userAgent: "", fetch, signal: new AbortController().signal };
		const { lines, isFull } = await fetchPage("0", options);
		expect(lines.map(({ text }) => text)).toEqual(["one", "two"]);
		expect(isFull).toBe(true);
	});

	test("of the server is told, with how long it asked us to wait", async () => {
		answer = () => new Response("no", { status: 503 });
		expect(await failure()).toMatchObject({ message: "HTTP status 503", retryAfterMs: null });
		answer = () => new Response("no", { status: 429, headers: { "retry-after": "7" } });
		expect(await failure()).toMatchObject({ message: "HTTP status 429", retryAfterMs: 7_000 });
		answer = () => new Response("", { status: 302, headers: { location: "http://127.0.0.1:1/" } });
		expect((await failure()).message).toContain("redirect");
		answer = () => new Response("x", { headers: { "content-encoding": "br" } });
		expect((await failure()).message).toContain("encoding");
		answer = () => new Response("no gzip", { headers: { "content-encoding": "gzip" } });
		await failure();
	});

	test("of the connection, or a stop, is told", async () => {
		const gone = fetchPage("0", {
			directory: "http://127.0.0.1:1",
			userAgent: "",
			signal: new AbortController().signal,
		});
		expect(await gone.catch((error: unknown) => error)).toBeInstanceOf(PageError);
		const stopped = new AbortController();
		answer = () => new Promise(() => {});
		const waiting = page("0", stopped.signal).catch((error: unknown) => error);
		stopped.abort();
		expect(await waiting).toBeInstanceOf(PageError);
	});
});

test("lines are the same however the body is cut", () => {
	const rng = new Rng("cut bodies");
	for (let round = 0; round < 200; round++) {
		const texts = Array.from({ length: rng.int(20) }, () => rng.text(rng.int(50), "ab\u00e9\u{1f6b0}{}"));
		const bytes = Buffer.from(texts.join("\n"));
		const splitter = new LineSplitter();
		for (let at = 0; at < bytes.length; ) {
			const end = at + 1 + rng.int(30);
			splitter.push(bytes.subarray(at, end));
			at = end;
		}
		splitter.end();
		expect(splitter.lines.map(({ text }) => text)).toEqual(
			bytes
				.toString()
				.split("\n")
				.filter((text) => text !== ""),
		);
	}
});
