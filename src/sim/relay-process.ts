import { closeSync, openSync, rmSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { DelayedHost } from "../control/delays.ts";
import type { RejectionReason } from "../protocol/reasons.ts";
import type { ThreadState } from "../runtime/thread-state.ts";
import { Counted } from "./counted.ts";

export const ADMIN_PASSWORD = "only-for-the-simulation";
const START_MS_MAX = 240_000;
/** How long a drain may take. With the relay's own default, a test's verdict would depend on the speed of the machine. */
const DRAIN_MS_MAX = 120_000;
const STOP_MS_MAX = DRAIN_MS_MAX + 30_000;
/** Fine enough for benches that compare starts, which take about 150 ms. */
const POLL_MS = 5;

/** The answer of the relay's internal port to `/_stats`. */
export interface RelayStats {
	/** Values by their names in /metrics, without `standpipe_`. */
	counters: Counted;
	rejected: Record<RejectionReason, number>;
	lenient: Record<RejectionReason, number>;
	log: { firstSeq: number; lastSeq: number; lastLsn: number; appliedLsn: number };
	rssBytes: number;
	openFiles: { open: number; max: number };
	/** Those of which messages wait because of limits. */
	delayedHosts: DelayedHost[];
	/** By names of threads. */
	threads: Record<string, ThreadState>;
}

export interface RelayProcessOptions {
	/** The program that runs the relay, and its arguments. */
	command: string[];
	plcUrl: string;
	/** Further environment variables. */
	env?: Record<string, string>;
}

/** Ports are chosen below those that systems use for outgoing connections, which could take a port before the relay does. */
const PORT_MIN = 10_000;
const PORT_MAX = 32_000;

const portsGiven = new Set<number>();

/** A port that is free at the time of the call. Each call returns another one. */
export function freePort(): number {
	for (;;) {
		const port = PORT_MIN + Math.floor(Math.random() * (PORT_MAX - PORT_MIN));
		if (portsGiven.has(port) || !isFree(port)) continue;
		portsGiven.add(port);
		return port;
	}
}

function isFree(port: number): boolean {
	try {
		Bun.listen({ hostname: "127.0.0.1", port, socket: { data: () => undefined } }).stop(true);
		return true;
	} catch {
		return false;
	}
}

/** The relay as a child process, with its own ports and files. It can be started again with the files that it left. */
export class RelayProcess {
	readonly #options: RelayProcessOptions;
	readonly #dir: string;
	readonly #apiPort = freePort();
	readonly #internalPort = freePort();
	#child: Bun.Subprocess | null = null;

	private constructor(options: RelayProcessOptions, dir: string) {
		this.#options = { ...options };
		this.#dir = dir;
	}

	/** Makes the folder for its state. Does not start it yet. */
	static async create(options: RelayProcessOptions): Promise<RelayProcess> {
		return new RelayProcess(options, await mkdtemp(join(tmpdir(), "standpipe-")));
	}

	/** Has later starts run another program. */
	use(command: string[]): void {
		this.#options.command = command;
	}

	/** The origin that consumers connect to. */
	get firehoseOrigin(): string {
		return `ws://127.0.0.1:${this.#apiPort}`;
	}

	/** The public port, at 127.0.0.1. */
	get apiPort(): number {
		return this.#apiPort;
	}

	/** The internal port, at 127.0.0.1. */
	get internalPort(): number {
		return this.#internalPort;
	}

	/** @throws {Error} before `start` */
	get pid(): number {
		if (this.#child === null) throw new Error("the relay was not started");
		return this.#child.pid;
	}

	/** The folder of its log's segments. */
	get logDirectory(): string {
		return join(this.#dir, "log");
	}

	/** The file of its index. */
	get indexPath(): string {
		return join(this.#dir, "index.sqlite");
	}

	/** The file that its standard output and error go to. */
	get logPath(): string {
		return join(this.#dir, "relay.log");
	}

	/**
	 * Starts the relay and waits until it is healthy.
	 *
	 * @param changes environment variables for this start only
	 * @throws {Error} if it ends, or isn't healthy within four minutes
	 */
	async start(changes: Record<string, string> = {}): Promise<void> {
		// Both streams and later starts append to the file. Otherwise they would overwrite each other.
		const log = openSync(this.logPath, "a");
		const child = Bun.spawn(this.#options.command, {
			stdin: "ignore",
			stdout: log,
			stderr: log,
			// In its own process group, so that Ctrl-C reaches only us, and the relay ends after the hosts' last messages.
			detached: true,
			env: {
				...process.env,
				RELAY_API_BIND: `127.0.0.1:${this.#apiPort}`,
				RELAY_METRICS_LISTEN: `127.0.0.1:${this.#internalPort}`,
				RELAY_PERSIST_DIR: this.logDirectory,
				DATABASE_URL: `sqlite://${this.indexPath}`,
				RELAY_PLC_HOST: this.#options.plcUrl,
				RELAY_ALLOW_INSECURE_HOSTS: "true",
				RELAY_ADMIN_PASSWORD: ADMIN_PASSWORD,
				// The hosts of a simulation have no limits, unless a test gives them some.
				RELAY_HOST_EVENT_LIMITS: "none",
				RELAY_DEFAULT_ACCOUNT_LIMIT: "1000000",
				RELAY_DRAIN_TIMEOUT: `${DRAIN_MS_MAX}ms`,
				...this.#options.env,
				...changes,
			},
		});
		closeSync(log);
		this.#child = child;
		const giveUpAtMs = Date.now() + START_MS_MAX;
		while (!(await this.#healthy())) {
			if (child.exitCode !== null || child.signalCode !== null) {
				throw new Error(`the relay ended with ${child.signalCode ?? `code ${child.exitCode}`} at its start`);
			}
			if (Date.now() > giveUpAtMs) throw new Error(`the relay is not healthy after ${START_MS_MAX} ms`);
			await Bun.sleep(POLL_MS);
		}
	}

	async #healthy(): Promise<boolean> {
		try {
			return (await fetch(`http://127.0.0.1:${this.#internalPort}/_readyz`)).ok;
		} catch {
			return false;
		}
	}

	/** Resolves with the exit code when the process ends for any reason; null if a signal ended it. */
	async exited(): Promise<number | null> {
		await this.#child?.exited;
		return this.#child?.exitCode ?? null;
	}

	/** What is wrong according to its health answer; null if nothing is. */
	async fault(): Promise<string | null> {
		const response = await fetch(`http://127.0.0.1:${this.#internalPort}/_readyz`);
		return response.ok ? null : ((await response.json()) as { message: string }).message;
	}

	/** @throws {Error} if the relay doesn't answer */
	async stats(): Promise<RelayStats> {
		const response = await fetch(`http://127.0.0.1:${this.#internalPort}/_stats`);
		if (!response.ok) throw new Error(`/_stats answered ${response.status}`);
		const { counters, ...rest } = (await response.json()) as Omit<RelayStats, "counters"> & {
			counters: Counted["all"];
		};
		return { ...rest, counters: new Counted(counters) };
	}

	/** The status of a host that it knows, such as `active`. */
	async hostStatus(hostname: string): Promise<string> {
		const query = new URLSearchParams({ hostname });
		const response = await fetch(`http://127.0.0.1:${this.#apiPort}/xrpc/com.atproto.sync.getHostStatus?${query}`);
		if (!response.ok) throw new Error(`getHostStatus of ${hostname} answered ${response.status}`);
		return ((await response.json()) as { status: string }).status;
	}

	/** The `Authorization` header of the admin. */
	get adminAuthorization(): string {
		return `Basic ${btoa(`admin:${ADMIN_PASSWORD}`)}`;
	}

	/** Makes the relay follow a host, as its admin. */
	requestCrawl(hostname: string): Promise<void> {
		return this.#administer("requestCrawl", { hostname });
	}

	/** Makes the relay follow a known host from its live end, as its admin. */
	resetCursor(hostname: string): Promise<void> {
		return this.#administer("resetCursor", { hostname });
	}

	async #administer(method: string, body: { hostname: string }): Promise<void> {
		const response = await fetch(`http://127.0.0.1:${this.#apiPort}/admin/pds/${method}`, {
			method: "POST",
			headers: { "content-type": "application/json", authorization: this.adminAuthorization },
			body: JSON.stringify(body),
		});
		if (!response.ok)
			throw new Error(`${method} of ${body.hostname} answered ${response.status}: ${await response.text()}`);
	}

	/** Asks the admin API, and resolves with its status and its JSON. With a body it is a POST. */
	async admin(path: string, body?: object): Promise<{ status: number; json: unknown }> {
		const response = await fetch(`http://127.0.0.1:${this.#apiPort}/admin/${path}`, {
			method: body === undefined ? "GET" : "POST",
			headers: { "content-type": "application/json", authorization: this.adminAuthorization },
			...(body === undefined ? {} : { body: JSON.stringify(body) }),
		});
		return { status: response.status, json: await response.json() };
	}

	/** Sends SIGTERM, and does not wait. */
	terminate(): void {
		this.#child?.kill("SIGTERM");
	}

	/** Sends SIGTERM and waits for the end. Returns the exit code; null if it had to be killed. */
	async stop(): Promise<number | null> {
		const child = this.#child;
		if (child === null || child.exitCode !== null) return child?.exitCode ?? null;
		child.kill("SIGTERM");
		const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
		await child.exited;
		clearTimeout(timer);
		return child.exitCode;
	}

	/** Kills the process at once, by SIGKILL. */
	kill(): void {
		this.#child?.kill("SIGKILL");
	}

	/** Removes the index of a relay that does not run. */
	removeIndex(): void {
		for (const suffix of ["", "-wal", "-shm"]) rmSync(`${this.indexPath}${suffix}`, { force: true });
	}

	/** Removes its state and log. */
	async remove(): Promise<void> {
		await rm(this.#dir, { recursive: true, force: true });
	}
}
