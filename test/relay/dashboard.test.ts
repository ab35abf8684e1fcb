import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { Browser } from "playwright-core";
import { type AxeFinding, CHROMIUM, openBrowser, Tab } from "./browser.ts";
import { RelayRig, until } from "./rig.ts";

const isThere = CHROMIUM !== null;
if (!isThere) console.warn("dashboard.test.ts is skipped: this machine has no chromium");

const MARKUP = '<img src=x onerror="alert(1)"><b>bold</b>';
const PASSWORD = "only-for-the-simulation";
const EVENTS_PER_S = 30;
const HOSTS = 4;
const CHARTS = 5;
const GATES = 10;
/** Presses of the tab key from a part of the page to any of its controls. */
const TABS_MAX = 60;
/** The log's last seq, which rises with each message. */
const SEQ = '[data-tile="uptime"] .note';

let rig: RelayRig;
let browser: Browser;
let tab: Tab;
let origin: string;
let publicOrigin: string;
const ending = new AbortController();
let traffic: Promise<void>;
let stranger: WebSocket;

/** Serious ones only. */
function serious(findings: readonly AxeFinding[]): AxeFinding[] {
	return findings.filter(({ impact }) => impact === "serious" || impact === "critical");
}

describe.skipIf(!isThere)("the dashboard in a browser, under load (skipped without chromium)", () => {
	beforeAll(async () => {
		const options = { seed: "dashboard", hosts: HOSTS, accounts: 8 };
		rig = await RelayRig.start(options, { RELAY_PUBLIC_DASHBOARD: "true" });
		stranger = new WebSocket(`${rig.relay.firehoseOrigin}/xrpc/com.atproto.sync.subscribeRepos`, {
			headers: { "User-Agent": MARKUP },
		});
		const { network, relay } = rig;
		traffic = network.run(EVENTS_PER_S, ending.signal);
		const [account] = network.accounts;
		const message = account?.identity();
		if (account === undefined || message === undefined) throw new Error("the network has no account");
		network.send(account, { ...message, did: MARKUP, body: { ...message.body, did: MARKUP } }, "did-syntax");
		origin = `http://127.0.0.1:${relay.internalPort}`;
		publicOrigin = `http://127.0.0.1:${relay.apiPort}`;
		browser = await openBrowser();
		tab = await Tab.open(browser, { viewport: { width: 1280, height: 900 }, colorScheme: "light" });
		await tab.page.goto(`${origin}/`);
	});

	afterAll(async () => {
		ending.abort();
		await traffic;
		stranger.close();
		await browser.close();
		await rig.stop();
	});

	test("values move by themselves, and so do charts", async () => {
		const first = await tab.text(SEQ);
		await until(async () => (await tab.text(SEQ)) !== first);
		await until(async () => Number.parseFloat(await tab.text('[data-tile="in"] .value')) > 0);
		await until(async () => (await tab.page.locator("[data-chart] canvas").count()) === CHARTS);
		expect(await tab.text("#headline")).toMatch(/Healthy|Works/);
		expect(await tab.page.locator("#hosts tbody tr").count()).toBe(HOSTS);
	});

	test("sorting and search work", async () => {
		const { page } = tab;
		const names = rig.network.hosts.map(({ hostname }) => hostname).sort();
		const isSorted = async (direction: string, wanted: readonly string[]): Promise<boolean> => {
			const sorted = await page.locator(`#hosts th[aria-sort=${direction}]`).allTextContents();
			return sorted[0]?.startsWith("Host") === true && Bun.deepEquals(await tab.column("hosts", 1), wanted);
		};
		await page.getByRole("link", { name: "Host", exact: true }).click();
		await until(() => isSorted("ascending", names));
		await page.locator("#hosts th[aria-sort] a").click();
		await until(() => isSorted("descending", names.toReversed()));
		const [wanted = ""] = names;
		await page.locator("#host-search").fill(wanted.toUpperCase());
		await until(() => isSorted("descending", [wanted]));
		await page.locator("#host-state").selectOption("banned");
		await until(async () => (await page.locator("#hosts td.none").count()) === 1);
		await page.locator("#host-search").fill("");
		await page.locator("#host-state").selectOption("");
		await until(() => isSorted("descending", names.toReversed()));
		// The page's address has what is shown, so that it can be opened again.
		expect(new URL(page.url()).searchParams.get("sort")).toBe("-name");
	});

	test("a table that is brought up to date keeps its place and the focus", async () => {
		const { page } = tab;
		await page.setViewportSize({ width: 500, height: 900 });
		await page.locator("#hosts .frame").focus();
		await page.evaluate(
			"document.querySelector('#hosts .frame').scrollLeft = 90; window.before = document.querySelector('#hosts .frame')",
		);
		await until(() => page.evaluate<boolean>("!window.before.isConnected"));
		expect(
			await page.evaluate<number[]>(
				"[document.querySelector('#hosts .frame').scrollLeft, Number(document.activeElement.matches('#hosts .frame'))]",
			),
		).toEqual([90, 1]);
		await page.setViewportSize({ width: 1280, height: 900 });
	});

	test("an account's way is shown gate by gate", async () => {
		const { page } = tab;
		const [account] = rig.network.accounts;
		await page.locator("#why-subject").fill(account?.did ?? "");
		await page.getByRole("button", { name: "Ask why" }).click();
		await until(async () => (await page.locator("#why .gates > li").count()) === GATES);
		expect(await tab.text("#why .verdict")).toContain(account?.did ?? "");
	});

	test("what strangers wrote is text", async () => {
		// A table follows the relay while it is on the screen.
		for (const part of ["#consumers", "#rejections"]) {
			await tab.page.locator(part).scrollIntoViewIfNeeded();
			await until(async () => (await tab.text(part)).includes(MARKUP));
		}
		expect(await tab.page.locator("main img, main td b").count()).toBe(0);
	});

	test("an action asks, does nothing with a wrong password, and acts with the right one", async () => {
		const { page } = tab;
		const [host] = rig.network.hosts;
		const hostname = host?.hostname ?? "";
		await page.getByRole("button", { name: `Block ${hostname}` }).click();
		expect(await page.locator("#dialog-field-host").inputValue()).toBe(hostname);
		expect(await tab.text("#dialog-text")).toContain("no message of it passes");
		await page.locator("#dialog-password").fill("not the password");
		await page.locator("#dialog-confirm").click();
		await until(async () => (await tab.text("#dialog-outcome")).includes("password is wrong"));
		expect((await rig.relay.admin("pds/policies")).json).toMatchObject({ hosts: [] });
		expect(serious(await tab.axe())).toEqual([]);
		await page.locator("#dialog-password").fill(PASSWORD);
		await page.locator("#dialog-confirm").click();
		await until(async () => (await tab.text("#dialog-outcome")) === "Done.");
		await until(async () => (await rig.relay.hostStatus(hostname)) === "banned");
		await page.locator("#dialog-cancel").click();
		await until(async () => (await tab.text("#audit")).includes(hostname));
		await until(async () => (await page.getByRole("button", { name: `Unblock ${hostname}` }).count()) === 1);
	});

	test("all of that can be done by the keyboard alone", async () => {
		const { page } = tab;
		const { keyboard } = page;
		const account = rig.network.accounts[1];
		await page.goto(`${origin}/`);
		const isFocused = (selector: string): Promise<boolean> =>
			page.evaluate<boolean>(`document.activeElement.matches(${JSON.stringify(selector)})`);
		const tabTo = async (selector: string): Promise<void> => {
			for (let presses = 0; !(await isFocused(selector)); presses++) {
				if (presses > TABS_MAX) throw new Error(`${selector} can't be reached`);
				await keyboard.press("Tab");
			}
		};
		await tabTo(".skip");
		await tabTo('nav a[href="#hosts"]');
		await keyboard.press("Enter");
		await tabTo("#host-search");
		await tabTo("#hosts th a");
		await page.locator('nav a[href="#actions"]').focus();
		await keyboard.press("Enter");
		await tabTo('#actions [data-action="takeDown"]');
		await keyboard.press("Enter");
		await until(() => isFocused("#dialog-field-did"));
		await keyboard.press("Escape");
		await until(() => isFocused('#actions [data-action="takeDown"]'));
		await keyboard.press("Enter");
		await until(() => isFocused("#dialog-field-did"));
		await keyboard.type(account?.did ?? "");
		await keyboard.press("Tab");
		await keyboard.type(PASSWORD);
		await keyboard.press("Enter");
		await until(async () => (await tab.text("#dialog-outcome")) === "Done.");
		// The listing comes from the index, which is a moment behind.
		const takenDown = async (): Promise<unknown> =>
			((await rig.relay.admin("repo/takedowns")).json as { dids: string[] }).dids;
		await until(async () => Bun.deepEquals(await takenDown(), [account?.did]));
		await until(() => isFocused("#dialog-cancel"));
		await keyboard.press("Enter");
		await until(async () => (await page.locator("dialog[open]").count()) === 0);
	});

	test("axe finds nothing serious, in the light, in the dark and on a phone, where nothing is wider than the screen", async () => {
		expect(serious(await tab.axe())).toEqual([]);
		await tab.page.emulateMedia({ colorScheme: "dark" });
		expect(serious(await tab.axe(["color-contrast"]))).toEqual([]);
		await tab.page.setViewportSize({ width: 360, height: 740 });
		await tab.page.goto(`${origin}/?${new URLSearchParams({ why: rig.network.accounts[1]?.did ?? "" })}`);
		await until(async () => (await tab.page.locator("[data-chart] canvas").count()) === CHARTS);
		expect(serious(await tab.axe())).toEqual([]);
		expect(await tab.page.evaluate<number>("document.documentElement.scrollWidth")).toBe(360);
	});

	test("the public page has neither addresses nor actions, and follows the relay too", async () => {
		const shown = await Tab.open(browser);
		await shown.page.goto(`${publicOrigin}/`);
		const seq = await shown.text(SEQ);
		await until(async () => (await shown.text(SEQ)) !== seq);
		await shown.page.locator("#consumers").scrollIntoViewIfNeeded();
		await until(async () => (await shown.page.locator("#consumers tbody tr").count()) === 2);
		expect(await shown.text("#consumers")).not.toMatch(/127\.0\.0\.1|::1|<img/);
		expect(await shown.page.locator("[data-action], dialog, #audit, input[type=password]").count()).toBe(0);
		expect([await shown.violations(), shown.complaints]).toEqual([[], []]);
		await shown.close();
	});

	test("a page of another origin reads XRPC and the firehose, and nothing of the dashboard or the admin API", async () => {
		const elsewhere = Bun.serve({
			port: 0,
			fetch: () =>
				new Response("<!doctype html><title>elsewhere</title>", { headers: { "Content-Type": "text/html" } }),
		});
		const other = await Tab.open(browser);
		await other.page.goto(`http://localhost:${elsewhere.port}/`);
		const run = <Result>(body: string): Promise<Result> => other.page.evaluate<Result>(`(async () => { ${body} })()`);
		expect(
			await run<string[]>(
				`const answer = await fetch("${publicOrigin}/xrpc/com.atproto.sync.listRepos?limit=3");
				 return (await answer.json()).repos.map(({ did }) => did);`,
			),
		).toHaveLength(3);
		expect(
			await run<number>(
				`const socket = new WebSocket("${rig.relay.firehoseOrigin}/xrpc/com.atproto.sync.subscribeRepos?cursor=0");
				 socket.binaryType = "arraybuffer";
				 return new Promise((resolve) => { socket.onmessage = ({ data }) => { resolve(data.byteLength); socket.close(); }; });`,
			),
		).toBeGreaterThan(50);
		const refused = (url: string, method: string): Promise<string> =>
			run<string>(
				`try { return "read: " + (await (await fetch("${url}", { method: "${method}", headers: { Authorization: "Basic eA==" } })).text()); }
				 catch { return "refused"; }`,
			);
		for (const [url, method] of [
			[`${origin}/`, "GET"],
			[`${origin}/dashboard/consumers`, "GET"],
			[`${origin}/dashboard/live`, "GET"],
			[`${origin}/admin/pds/list`, "GET"],
			[`${origin}/admin/pds/block?host=pds.example.com`, "POST"],
			[`${publicOrigin}/admin/pds/list`, "GET"],
		] as const)
			expect([url, await refused(url, method)]).toEqual([url, "refused"]);
		await other.close();
		await elsewhere.stop(true);
	});

	test("nothing was asked for elsewhere, nothing was kept from running, and nothing failed", async () => {
		expect([...new Set(tab.requested.map((url) => new URL(url).origin))]).toEqual([origin]);
		expect(await tab.violations()).toEqual([]);
		// The browser reports each wrong password.
		expect(tab.complaints.filter((text) => !text.includes("status of 401"))).toEqual([]);
	});
});
