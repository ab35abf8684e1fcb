import { expect, onTestFinished, test } from "bun:test";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { FILE_NAME } from "../../src/alerts/store.ts";
import { WebhookServer } from "../alerts/webhook-server.ts";
import { isIndexed, RelayRig, until } from "./rig.ts";

const TOKEN = "T0KEN-of-the-webhook";

test("a host at its account limit is told by webhook: once, over failures of the webhook and a crash, and that it is over", async () => {
	const server = new WebhookServer();
	await server.start();
	onTestFinished(() => server.stop());
	server.plan("error");
	const url = `http://127.0.0.1:${server.port}/hooks/${TOKEN}`;
	const env = { RELAY_DEFAULT_ACCOUNT_LIMIT: "2", RELAY_ALERT_WEBHOOK: url };
	const rig = await RelayRig.start({ seed: "alerts", hosts: 1, accounts: 2 }, env);
	const { network, relay } = rig;
	const [host] = network.hosts;
	if (host === undefined) throw new Error("the network has no host");
	const told = () => server.deliveries.map(({ body }) => body);
	try {
		for (const account of network.accounts) network.send(account, await account.commit());
		await until(() => server.deliveries.length === 1);
		const fired = { event: "fired", kind: "host-quota", severity: "critical", incidents: [{ subject: host.hostname }] };
		expect(told()).toMatchObject([fired]);
		expect(server.requests).toBe(2);
		const file = join(relay.logDirectory, FILE_NAME);
		await until(() => existsSync(file) && JSON.parse(readFileSync(file, "utf8")).waiting.length === 0);
		await until(async () => isIndexed((await rig.stats()).log));
		await rig.crash("nothing");
		expect((await relay.admin("pds/changeLimits", { host: host.hostname, repo_limit: 9 })).status).toBe(200);
		await until(() => server.deliveries.length > 1);
		expect(told()).toMatchObject([fired, { event: "resolved", kind: "host-quota" }]);
		const text = [relay.logPath, file].map((path) => readFileSync(path, "utf8")).join("\n");
		expect(text).toContain("alert");
		expect(text).not.toContain(TOKEN);
	} finally {
		await rig.stop();
	}
}, 300_000);
