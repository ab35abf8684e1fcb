import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "bun:test";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RelayRig, until } from "../relay/rig.ts";
import { skipWithout } from "./programs.ts";
import { freePort, PROXIES, type ProxyKind } from "./proxies.ts";

/** An address that a client says it has. */
const MADE_UP = "203.0.113.77";
const PATH = "/xrpc/com.atproto.sync.subscribeRepos";

/** The frames of a firehose, as hex, from the time that this resolves. */
async function listen(url: string, ca: string | null, cursor: number | null = null): Promise<string[]> {
	const frames: string[] = [];
	const headers = { "X-Forwarded-For": MADE_UP };
	const options = ca === null ? {} : { tls: { ca }, headers };
	const socket = new WebSocket(cursor === null ? url : `${url}?cursor=${cursor}`, options);
	socket.binaryType = "arraybuffer";
	socket.onmessage = ({ data }: MessageEvent<ArrayBuffer>) => void frames.push(Buffer.from(data).toString("hex"));
	const { promise, resolve, reject } = Promise.withResolvers<void>();
	socket.onopen = () => resolve();
	socket.onclose = () => reject(new Error("the connection was closed"));
	socket.onerror = () => reject(new Error("no connection"));
	await promise;
	onTestFinished(() => socket.close());
	return frames;
}

let rig: RelayRig;
beforeAll(async () => {
	const env = { RELAY_TRUST_PROXY: "true" };
	rig = await RelayRig.start({ seed: "proxies", hosts: 1, accounts: 3 }, env);
}, 300_000);
afterAll(() => rig.stop());

async function commitAll(): Promise<void> {
	for (const account of rig.network.accounts) rig.network.send(account, await account.commit());
	for (const { did } of rig.network.accounts) await until(() => rig.received(did).length >= rig.expected(did).length);
}

describe.each(Object.entries(PROXIES))("behind %s, by its file in deploy/", (_, kind: ProxyKind) => {
	const skipped = skipWithout(kind.program);

	test.skipIf(skipped !== null)(
		`consumers get the stream live and from a cursor, reads pass, and each client counts by its own address${skipped === null ? "" : ` (${skipped})`}`,
		async () => {
			const folder = mkdtempSync(join(tmpdir(), "standpipe-proxy-"));
			const port = await freePort();
			const relay = new URL(rig.relay.firehoseOrigin).host;
			const { command, env } = kind.prepare({ folder, port, relay });
			const proxy = Bun.spawn(command, { env: { ...process.env, ...env }, stdio: ["ignore", "ignore", "ignore"] });
			onTestFinished(async () => {
				proxy.kill();
				await proxy.exited;
				rmSync(folder, { recursive: true });
			});
			const origin = `https://localhost:${port}`;
			const ask = async (path: string, headers: Record<string, string> = {}) =>
				fetch(`${origin}${path}`, { headers, tls: { ca: kind.authority(folder) } });
			await until(async () => {
				if (proxy.exitCode !== null) throw new Error(`${kind.program} ended by itself with ${proxy.exitCode}`);
				return (await ask("/_health").catch(() => null))?.status === 200;
			});

			const url = `${origin.replace("https", "wss")}${PATH}`;
			const ca = kind.authority(folder);
			const [direct, live] = [await listen(`${rig.relay.firehoseOrigin}${PATH}`, null), await listen(url, ca)];
			await commitAll();
			await until(() => live.length >= rig.network.accounts.length && live.length >= direct.length);
			expect(live).toEqual(direct);
			const replayed = await listen(url, ca, 0);
			await until(() => replayed.length >= live.length && replayed.at(-1) === live.at(-1));
			expect(replayed.slice(-live.length)).toEqual(live);

			const hosts = await ask("/xrpc/com.atproto.sync.listHosts");
			expect(await hosts.json()).toMatchObject({ hosts: [{ hostname: rig.network.hosts[0]?.hostname }] });
			// What a client says of its own address counts for nothing.
			const consumers = await ask("/admin/consumers/list", { Authorization: rig.relay.adminAuthorization });
			const listed = await consumers.text();
			expect(listed).toMatch(/"127\.0\.0\.1|"::1/);
			expect(listed).not.toContain(MADE_UP);
		},
		300_000,
	);
});
