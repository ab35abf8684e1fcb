import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../src/sim/relay-process.ts";
import { sharedPostgres } from "../sim/postgres.ts";
import { storeUnderTest } from "../sim/store-under-test.ts";
import { Child } from "./child.ts";
import { until } from "./until.ts";
import { basicAuth, XrpcFailure } from "./xrpc.ts";

const START_DEADLINE_MS = 240_000;
const CONNECT_DEADLINE_MS = 240_000;
const INDEX_DEADLINE_MS = 240_000;
const ADMIN_PASSWORD = "relay-admin";

/** The part of the internal port's `/_stats` that the test reads. */
export interface RelayStats {
	counters: { hosts_connected: number; plc_mirror_operations_total: number };
	rejected: Record<string, number>;
	log: { lastLsn: number; appliedLsn: number };
}

/** The relay under test: a process that can be killed and started again on the same ports and folders. */
export class Relay {
	/** URL of the public port. */
	readonly origin: string;
	/** URL of the public port for WebSockets. */
	readonly service: string;
	readonly #internalOrigin: string;
	readonly #command: readonly string[];
	readonly #folder: string;
	#settings: Readonly<Record<string, string>>;
	#child: Child;

	private constructor(command: readonly string[], settings: Readonly<Record<string, string>>) {
		const port = freePort();
		const internalPort = freePort();
		this.origin = `http://127.0.0.1:${port}`;
		this.service = `ws://127.0.0.1:${port}`;
		this.#internalOrigin = `http://127.0.0.1:${internalPort}`;
		this.#command = command;
		this.#folder = mkdtempSync(join(tmpdir(), "standpipe-relay-"));
		this.#settings = {
			RELAY_API_BIND: `127.0.0.1:${port}`,
			RELAY_METRICS_LISTEN: `127.0.0.1:${internalPort}`,
			RELAY_PERSIST_DIR: join(this.#folder, "log"),
			DATABASE_URL: `sqlite://${join(this.#folder, "index.sqlite")}`,
			RELAY_ALLOW_INSECURE_HOSTS: "true",
			RELAY_ADMIN_PASSWORD: ADMIN_PASSWORD,
			...settings,
		};
		this.#child = this.#spawn();
	}

	/** Starts a relay without data, on the store that `STANDPIPE_TEST_STORE` names. @param settings environment variables */
	static async start(command: readonly string[], settings: Readonly<Record<string, string>>): Promise<Relay> {
		const isPostgres = storeUnderTest() === "postgres";
		const store = isPostgres ? { DATABASE_URL: (await (await sharedPostgres()).newDatabase()).url } : {};
		const relay = new Relay(command, { ...store, ...settings });
		try {
			await relay.#isHealthy();
		} catch (error) {
			await relay.stop();
			throw error;
		}
		return relay;
	}

	/** Adds hosts as an admin, and waits until the relay follows them. A new host's past is not replayed. */
	async addHosts(hostnames: readonly string[]): Promise<void> {
		const before = (await this.stats()).counters.hosts_connected;
		for (const hostname of hostnames) await this.admin("pds/requestCrawl", { hostname });
		await this.hostsConnected(before + hostnames.length);
	}

	/**
	 * Calls the admin API: with a body by POST, without one by GET. The answer's type is not checked.
	 * @throws XrpcFailure if the answer is not a success
	 */
	async admin<Output>(path: string, body?: unknown): Promise<Output> {
		const headers = { "content-type": "application/json", authorization: basicAuth(ADMIN_PASSWORD) };
		const sent = body === undefined ? {} : { method: "POST", body: JSON.stringify(body) };
		const response = await fetch(`${this.origin}/admin/${path}`, { headers, ...sent });
		if (!response.ok) throw new XrpcFailure(path, response.status, await response.text());
		return (await response.json()) as Output;
	}

	async hostsConnected(count: number): Promise<void> {
		await until(
			`the relay to follow ${count} hosts`,
			CONNECT_DEADLINE_MS,
			async () => (await this.stats()).counters.hosts_connected === count,
			() => this.#child.log,
		);
	}

	/** Waits until the index has applied all of the log. */
	async indexed(): Promise<void> {
		await until("the index to reach the log's end", INDEX_DEADLINE_MS, async () => {
			const { log } = await this.stats();
			return log.appliedLsn === log.lastLsn;
		});
	}

	async stats(): Promise<RelayStats> {
		const response = await fetch(`${this.#internalOrigin}/_stats`);
		return (await response.json()) as RelayStats;
	}

	/** Messages rejected so far, by reason, without the reasons that did not occur. */
	async rejections(): Promise<Record<string, number>> {
		const { rejected } = await this.stats();
		return Object.fromEntries(Object.entries(rejected).filter(([, count]) => count > 0));
	}

	/** The last lines that the relay wrote. */
	get log(): string {
		return this.#child.log;
	}

	/** `kill -9`. */
	async kill(): Promise<void> {
		await this.#child.kill();
	}

	/** Ends it, and leaves its data. */
	async end(): Promise<void> {
		await this.#child.stop();
	}

	/** Starts the relay again with the same data. @param settings that change from now on */
	async restart(settings: Readonly<Record<string, string>> = {}): Promise<void> {
		this.#settings = { ...this.#settings, ...settings };
		this.#child = this.#spawn();
		await this.#isHealthy();
	}

	async stop(): Promise<void> {
		await this.#child.stop();
		rmSync(this.#folder, { recursive: true, force: true });
	}

	#spawn(): Child {
		return new Child({ name: "relay", command: this.#command, env: this.#settings });
	}

	async #isHealthy(): Promise<void> {
		const answers = (url: string): Promise<boolean> =>
			fetch(url).then(
				({ ok }) => ok,
				() => false,
			);
		const isReady = async (): Promise<boolean> =>
			(await answers(`${this.#internalOrigin}/_readyz`)) && (await answers(`${this.origin}/_health`));
		await until(
			"the relay to be healthy",
			START_DEADLINE_MS,
			async () => this.#child.isGone || (await isReady()),
			() => this.#child.log,
		);
		if (this.#child.isGone) throw new Error(`the relay ended as it started:\n${this.#child.log}`);
	}
}
