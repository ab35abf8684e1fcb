import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { LIST_BYTES_MAX, loadHostList, readHostList } from "../../../src/hosts/sources/host-list.ts";
import { LISTED_HOSTS_MAX, SourceError } from "../../../src/hosts/sources/source.ts";

let folder: string;
beforeAll(() => {
	folder = mkdtempSync(join(tmpdir(), "standpipe-host-list-"));
});
afterAll(() => rmSync(folder, { recursive: true }));

const read = (list: unknown): string[] => readHostList(new TextEncoder().encode(JSON.stringify(list)));
const load = (place: string): Promise<string[]> => loadHostList(place, "standpipe/test");

describe("a list of hosts", () => {
	test("may be an array of names, a public list of PDSes, or an answer of listHosts", () => {
		expect(read(["a.com", "https://b.com"])).toEqual(["a.com", "https://b.com"]);
		expect(read([])).toEqual([]);
		const pdses = { "https://a.com/": { version: "0.4.1" }, "https://b.com/": { errorAt: 1 }, "c.com": null };
		expect(read({ firehose: {}, pdses, labelers: {} })).toEqual(["https://a.com/", "https://b.com/", "c.com"]);
		expect(read({ cursor: "2", hosts: [{ hostname: "a.com", seq: 1 }, { hostname: "b.com" }] })).toEqual([
			"a.com",
			"b.com",
		]);
	});

	test.each([[null], [7], ["a.com"], [{}], [[1]], [{ pdses: [] }], [{ hosts: ["a.com"] }], [{ hosts: {} }], [[null]]])(
		"is refused if it is %p",
		(list) => {
			expect(() => read(list)).toThrow(SourceError);
		},
	);

	test("is refused if it is no JSON, or has too many hosts", () => {
		expect(() => readHostList(new TextEncoder().encode("a.com\nb.com\n"))).toThrow("not JSON");
		expect(() => readHostList(new Uint8Array([0x22, 0xff, 0x22]))).toThrow("not JSON");
		expect(() => read(Array(LISTED_HOSTS_MAX + 1).fill("a"))).toThrow(`more than ${LISTED_HOSTS_MAX}`);
	});
});

describe("a list is loaded", () => {
	test("from a file, which may not be too long", async () => {
		const path = join(folder, "list.json");
		writeFileSync(path, '["a.com"]');
		expect(await load(path)).toEqual(["a.com"]);
		truncateSync(path, LIST_BYTES_MAX + 1);
		await expect(load(path)).rejects.toThrow(`more than ${LIST_BYTES_MAX} bytes`);
		await expect(load(join(folder, "missing.json"))).rejects.toBeInstanceOf(SourceError);
		await expect(load(folder)).rejects.toBeInstanceOf(SourceError);
	});

	test("from a URL, whose answer may not be too long", async () => {
		const answers = new Map([
			["/list", () => Response.json({ pdses: { "https://a.com": {} } })],
			["/moved", () => Response.redirect("/list")],
			["/missing", () => new Response(null, { status: 404 })],
			["/long", () => new Response(new Uint8Array(LIST_BYTES_MAX + 1))],
		]);
		const server = Bun.serve({
			hostname: "127.0.0.1",
			port: 0,
			fetch: (request) => answers.get(new URL(request.url).pathname)?.() ?? new Response(null, { status: 500 }),
		});
		const url = `http://127.0.0.1:${server.port}`;
		expect(await load(`${url}/list`)).toEqual(["https://a.com"]);
		expect(await load(`${url}/moved`)).toEqual(["https://a.com"]);
		await expect(load(`${url}/missing`)).rejects.toThrow("HTTP 404");
		await expect(load(`${url}/long`)).rejects.toThrow(`${LIST_BYTES_MAX} bytes`);
		await server.stop(true);
		await expect(load(`${url}/list`)).rejects.toBeInstanceOf(SourceError);
	});
});
