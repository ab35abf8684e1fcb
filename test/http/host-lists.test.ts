import { beforeEach, expect, test } from "bun:test";
import type { Hono } from "hono";
import type { Control } from "../../src/control/api.ts";
import { type AddedHost, HOSTS_PER_ADD_MAX } from "../../src/control/hosts.ts";
import type { ClientEnv } from "../../src/http/base.ts";
import { createBaseApp } from "../../src/http/base.ts";
import { addListRoutes } from "../../src/http/host-lists.ts";
import { Counters } from "../../src/observe/counters.ts";
import { fakeControl } from "../control/fake-control.ts";

let app: Hono<ClientEnv>;
let added: (readonly [readonly string[], string])[];

beforeEach(() => {
	added = [];
	const control = fakeControl<Control>({
		async addHosts(hostnames, source) {
			added.push([hostnames, source]);
			return { ok: true, hosts: hostnames.map((hostname): AddedHost => ({ hostname, outcome: "new" })) };
		},
	});
	app = createBaseApp(new Counters());
	addListRoutes(app, control);
});

async function add(body: unknown): Promise<[number, unknown]> {
	const init = { method: "POST", body: JSON.stringify(body) };
	const response = await app.request("/admin/pds/addHosts", init, { ip: "192.0.2.1" });
	return [response.status, await response.json()];
}

const names = (count: number): string[] => Array.from({ length: count }, (_, at) => `pds${at}.${"a".repeat(200)}.com`);

test("as many hosts of a list as one call may name are handed on, with their source", async () => {
	const hosts = names(HOSTS_PER_ADD_MAX);
	const [status, body] = await add({ hosts, source: "https://relay.example.com" });
	expect(status).toBe(200);
	expect(body).toEqual({ hosts: hosts.map((hostname) => ({ hostname, outcome: "new" })) });
	await add({ hosts: ["a.com"] });
	expect(added).toEqual([
		[hosts, "https://relay.example.com"],
		[["a.com"], "a list"],
	]);
});

test.each([
	[{}, "`hosts`"],
	[{ hosts: [] }, "empty"],
	[{ hosts: "a.com" }, "array"],
	[{ hosts: ["a.com", 7] }, "hostname"],
	[{ hosts: [""] }, "empty"],
	[{ hosts: names(HOSTS_PER_ADD_MAX + 1) }, `at most ${HOSTS_PER_ADD_MAX}`],
	[{ hosts: ["a.com"], source: "x".repeat(201) }, "longer than"],
	[{ hosts: ["a\0.com"] }, "NUL"],
])("what is no list of so many hosts is refused (%#)", async (body, rule) => {
	const message = expect.stringContaining(rule);
	expect(await add(body)).toEqual([400, { error: "InvalidRequest", message }]);
	expect(added).toEqual([]);
});
