// What `make image-test` checks. The name keeps it out of `make test`, since building the image takes minutes.

import { afterAll, afterEach, beforeAll, describe, expect, test } from "bun:test";
import { mkdtempSync, readdirSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { SimConsumer } from "../../src/sim/consumer.ts";
import { SimNetwork } from "../../src/sim/network.ts";
import { freePort } from "../../src/sim/relay-process.ts";
import { until } from "../relay/rig.ts";
import { PostgresServer } from "../sim/postgres.ts";
import { findPostgres, type PostgresPrograms } from "../sim/postgres-programs.ts";
import { Container, type ContainerOptions } from "./container.ts";
import { type Image, readImage } from "./image.ts";
import { defaultSeccomp } from "./seccomp.ts";

const BUILT = resolve(import.meta.dir, "..", "..", ".tools", "image");
const ADMIN_PASSWORD = "only-for-the-check";
const COMMITS = 300;

const found = readImage(BUILT);
if (typeof found === "string") console.warn(`the image is not checked: ${found}`);
const image = found as Image;
const hasSeccomp = defaultSeccomp() !== null;
if (!hasSeccomp) console.warn("the image is run without a seccomp profile: this machine has none");

describe.skipIf(typeof found === "string")("the image", () => {
	const folder = mkdtempSync(join(tmpdir(), "standpipe-image-data-"));
	const network = new SimNetwork({ seed: "image", hosts: 2, accounts: 6 });
	const containers: Container[] = [];

	beforeAll(() => network.start());
	afterEach(() => Promise.all(containers.splice(0).map((one) => one.remove())));
	afterAll(async () => {
		await network.stop();
		rmSync(folder, { recursive: true });
	});

	function run(data: string, env: Record<string, string> = {}, options: Partial<ContainerOptions> = {}) {
		const [api, internal] = [freePort(), freePort()];
		const container = new Container({
			image,
			dataFolder: join(folder, data),
			env: {
				RELAY_API_BIND: `127.0.0.1:${api}`,
				RELAY_METRICS_LISTEN: `127.0.0.1:${internal}`,
				RELAY_PLC_HOST: network.plc.url,
				RELAY_ALLOW_INSECURE_HOSTS: "true",
				RELAY_ADMIN_PASSWORD: ADMIN_PASSWORD,
				RELAY_DRAIN_TIMEOUT: "120s",
				...env,
			},
			...options,
		});
		containers.push(container);
		const status = (port: number, path: string): Promise<number> =>
			fetch(`http://127.0.0.1:${port}${path}`).then(
				(response) => response.status,
				() => 0,
			);
		return {
			container,
			consumer: new SimConsumer(`ws://127.0.0.1:${api}`),
			isReady: async () => (await status(internal, "/_readyz")) === 200,
			health: () => Promise.all([status(api, "/_health"), status(internal, "/_readyz"), status(internal, "/metrics")]),
			metric: async (name: string): Promise<number> => {
				const text = await (await fetch(`http://127.0.0.1:${internal}/metrics`)).text();
				return Number(new RegExp(`^standpipe_${name} (\\d+)$`, "m").exec(text)?.[1]);
			},
			crawl: (hostname: string) =>
				fetch(`http://127.0.0.1:${api}/admin/pds/requestCrawl`, {
					method: "POST",
					headers: { "content-type": "application/json", authorization: `Basic ${btoa(`admin:${ADMIN_PASSWORD}`)}` },
					body: JSON.stringify({ hostname }),
				}).then((response) => response.status),
		};
	}

	/** Resolves when the container's relay serves. Fails if it ends instead. */
	async function serving({ container, isReady }: ReturnType<typeof run>): Promise<void> {
		await until(async () => {
			if (container.hasEnded) throw new Error(await container.output);
			return isReady();
		});
	}

	test("says how it is run: by a user who is not root, with a volume, a health check and a stop signal", () => {
		const { config } = image;
		expect(config.User).toMatch(/^[1-9]\d*:[1-9]\d*$/);
		expect(config.Volumes).toEqual({ "/data": {} });
		expect(config.ExposedPorts).toEqual({ "2470/tcp": {} });
		expect([...config.Entrypoint, ...config.Cmd]).toEqual(["standpipe", "serve"]);
		expect(config.Healthcheck.Test).toEqual(["CMD", "standpipe", "health"]);
		expect(config.StopSignal).toBe("SIGTERM");
		// The state of a relay that is told nothing is in the volume.
		expect(config.WorkingDir).toBe("/");
	});

	test("has the binary and nothing that it was built with or from", () => {
		const inRoot = (path: string) => readdirSync(join(image.root, path));
		expect(inRoot("usr/local/bin")).toEqual(["standpipe"]);
		for (const path of ["tmp", "data", "usr/local/lib", "usr/src"]) expect([path, inRoot(path)]).toEqual([path, []]);
		for (const name of ["standpipe", "node_modules"]) expect(inRoot("")).not.toContain(name);
		for (const name of ["gcc", "cc", "cargo", "node", "bun"]) expect(inRoot("usr/bin")).not.toContain(name);
	});

	test("verifies by the native engine and serves all messages, keeps them over a stop, and drains when it is stopped", async () => {
		const first = run("served", { RELAY_VERIFY_ENGINE: "native" });
		await serving(first);
		expect(await first.health()).toEqual([200, 200, 200]);
		const [, ...check] = image.config.Healthcheck.Test;
		expect(await first.container.exec(check)).toEqual({ code: 0, out: "ok\n" });

		await first.consumer.connect();
		for (const { hostname } of network.hosts) expect(await first.crawl(hostname)).toBe(200);
		await until(() => network.hosts.every((host) => host.connections > 0));
		for (let i = 0; i < COMMITS; i++) {
			const account = network.accounts[i % network.accounts.length];
			if (account !== undefined) network.send(account, await account.commit([]));
		}
		await first.consumer.until(() => first.consumer.received === network.sent.length);
		expect(await first.metric("engines_portable")).toBe(0);
		expect(await first.metric("engines_native")).toBeGreaterThan(0);

		const [uid = 0] = image.config.User.split(":").map(Number);
		for (const path of ["log", "index.sqlite"]) expect(statSync(join(folder, "served", path)).uid).toBe(uid);

		expect(await first.container.stop(image.config.StopSignal)).toBe(0);
		expect(await first.container.output).toContain("all is stored");
		expect(first.consumer.closes.map(({ code }) => code)).toEqual([1001]);

		const second = run("served");
		await serving(second);
		await second.consumer.connect(0);
		await second.consumer.until(() => second.consumer.received >= first.consumer.received);
		expect(second.consumer.events.map(({ seq, rev }) => [seq, rev])).toEqual(
			first.consumer.events.map(({ seq, rev }) => [seq, rev]),
		);
	});

	test("runs without any privilege, and can write to its volume and /tmp only", async () => {
		const one = run("confined");
		await serving(one);
		const { out: status } = await one.container.exec(["cat", "/proc/1/status"]);
		for (const set of ["Prm", "Eff", "Bnd", "Amb"]) expect(status).toMatch(new RegExp(`^Cap${set}:\\s0+$`, "m"));
		expect(status).toMatch(/^NoNewPrivs:\s1$/m);
		expect(status).toMatch(hasSeccomp ? /^Seccomp:\s2$/m : /^Seccomp:\s0$/m);
		for (const [path, code] of Object.entries({ "/data": 0, "/tmp": 0, "/": 1, "/usr/local/bin": 1, "/var/tmp": 1 }))
			expect([path, (await one.container.exec(["mktemp", "--quiet", "-p", path])).code]).toEqual([path, code]);
	});

	const programs = findPostgres();
	const needs = typeof programs === "string" ? ` (skipped: ${programs})` : "";
	test.skipIf(typeof programs === "string")(`keeps its index in PostgreSQL if it is told to${needs}`, async () => {
		const server = await PostgresServer.start(programs as PostgresPrograms);
		try {
			const database = await server.newDatabase();
			const one = run("postgres", { DATABASE_URL: database.url });
			await serving(one);
			expect(await one.health()).toEqual([200, 200, 200]);
			for (const { hostname } of network.hosts) expect(await one.crawl(hostname)).toBe(200);
			await until(async () => (await server.sqlIn(database, "SELECT count(*) FROM host"))[0] === "2");
			expect(readdirSync(join(folder, "postgres"))).toEqual(["log"]);
			expect(await one.container.stop(image.config.StopSignal)).toBe(0);
		} finally {
			await server.stop();
		}
	});

	test("fails its health check if the relay does not answer", async () => {
		const one = run("sick");
		await serving(one);
		const [, ...check] = image.config.Healthcheck.Test;
		const { code, out } = await one.container.exec([...check, "--metrics-listen", `127.0.0.1:${freePort()}`]);
		expect(code).toBe(1);
		expect(out).toContain("does not answer");
	});

	test("without an executable /tmp verifies by the portable engine, or refuses to start if the native one is asked for", async () => {
		const fallen = run("fallen", {}, { isTmpExecutable: false });
		await serving(fallen);
		expect(await fallen.metric("engines_native")).toBe(0);
		expect(await fallen.metric("engines_portable")).toBeGreaterThan(0);

		const refused = run("refused", { RELAY_VERIFY_ENGINE: "native" }, { isTmpExecutable: false });
		expect(await refused.container.exited).toBe(1);
		expect(await refused.container.output).toContain("RELAY_VERIFY_ENGINE");
	});
});
