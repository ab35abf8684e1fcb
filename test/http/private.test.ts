import { expect, test } from "bun:test";
import { createBaseApp } from "../../src/http/base.ts";
import { privateOnly } from "../../src/http/private.ts";
import { Counters } from "../../src/observe/counters.ts";
import { Rng } from "../../src/sim/rng.ts";

const CASES = 2_000;
const rng = new Rng("private");
const app = createBaseApp(new Counters(), privateOnly);
for (const path of ["/_healthz", "/_readyz", "/_stats", "/metrics"]) app.get(path, (context) => context.text("told"));
app.get("/broken", () => {
	throw new Error("broken");
});

const OWN_HOSTS = [
	"localhost:2471",
	"127.0.0.1",
	"[::1]:2471",
	"10.1.2.3:80",
	"relay:2471",
	"relay.ns.svc.cluster.local",
	null,
];
const OTHER_HOSTS = [
	"evil.example",
	"evil.example:2471",
	"EVIL.example.",
	"localhost.evil.example",
	"127.0.0.1.evil.example",
];
const BROWSER_HEADERS = { "Accept-Language": "en", "Sec-Fetch-Site": "same-origin", Origin: "http://evil.example" };
const PATHS = ["/_healthz", "/_readyz", "/_stats", "/metrics", "/broken", "/nothing", "/admin/pds/list"];

test("no page of others can read what a port without a password says, by whatever name it comes, and programs are answered by any", async () => {
	let refused = 0;
	for (let at = 0; at < CASES; at++) {
		const isOther = rng.int(2) === 0;
		const host = rng.pick(isOther ? OTHER_HOSTS : OWN_HOSTS);
		const ofBrowser = Object.entries(BROWSER_HEADERS).filter(() => rng.int(3) === 0);
		const path = rng.pick(PATHS);
		const headers = new Headers(ofBrowser);
		if (host !== null) headers.set("Host", host);
		const method = rng.pick(["GET", "POST", "OPTIONS"]);
		const response = await app.request(`http://localhost${path}`, { method, headers }, { ip: "127.0.0.1" });
		const cors = [...response.headers.keys()].filter((name) => /^access-control-allow-origin$|expose/.test(name));
		expect(cors).toEqual([]);
		const isRefused = isOther && ofBrowser.length > 0 && !path.endsWith("z");
		expect({ host, path, method, refused: response.status === 421 }).toEqual({
			host,
			path,
			method,
			refused: isRefused,
		});
		if (isRefused) {
			refused++;
			expect(await response.text()).not.toContain("told");
		}
	}
	expect(refused).toBeGreaterThan(CASES / 10);
});
