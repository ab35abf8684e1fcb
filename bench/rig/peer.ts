import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { SimAccount } from "../../src/sim/account.ts";
import { freePort } from "../../src/sim/relay-process.ts";

const START_MS_MAX = 60_000;
const STOP_MS_MAX = 30_000;
const POLL_MS = 1;

/** An account of which a peer must know. */
export interface PeerAccount {
	account: SimAccount;
	/** `localhost:PORT` of its host. */
	hostname: string;
}

/** The surroundings of one run of a peer. */
export interface PeerPlace {
	/** A folder of its own, empty at first. It is also the working directory. */
	dir: string;
	apiPort: number;
	internalPort: number;
	plcUrl: string;
	accounts: readonly PeerAccount[];
	/** Of the hosts, each as `localhost:PORT`. */
	hostnames: readonly string[];
}

/** A relay to be measured: how it is started, configured, and asked to follow hosts. */
export interface Peer {
	/** Program and arguments that serve. */
	command: readonly string[];
	/** The public port, if no setting changes it. */
	apiPort?: number;
	env(place: PeerPlace): Record<string, string>;
	/**
	 * Puts what it needs into its folder before the start. `run` starts the peer there, waits until it is ready, and stops it.
	 */
	prepare?(place: PeerPlace, run: () => Promise<void>): Promise<void>;
	/** Asks it to follow a host. Called again while it has not connected. */
	follow?(origin: string, hostname: string): Promise<void>;
}

/** A peer as a child process. */
export class PeerProcess {
	readonly #peer: Peer;
	readonly #place: PeerPlace;
	#child: Bun.Subprocess | null = null;

	private constructor(peer: Peer, place: PeerPlace) {
		this.#peer = peer;
		this.#place = place;
	}

	/** Makes the folder and its contents. `start` starts the process. */
	static async create(peer: Peer, network: Pick<PeerPlace, "plcUrl" | "accounts" | "hostnames">): Promise<PeerProcess> {
		const place = {
			...network,
			dir: await mkdtemp(join(tmpdir(), "standpipe-versus-")),
			apiPort: peer.apiPort ?? freePort(),
			internalPort: freePort(),
		};
		const process = new PeerProcess(peer, place);
		try {
			await peer.prepare?.(place, async () => {
				await process.start();
				await process.stop();
			});
		} catch (error) {
			await process.stop();
			await process.remove();
			throw error;
		}
		return process;
	}

	/** Where consumers connect. */
	get firehoseOrigin(): string {
		return `ws://127.0.0.1:${this.#place.apiPort}`;
	}

	/** @throws {Error} before `start` */
	get pid(): number {
		if (this.#child === null) throw new Error("the relay was not started");
		return this.#child.pid;
	}

	/**
	 * Starts the process and waits until its public port answers a request, whatever the answer.
	 * @returns ms from the process's start to the answer
	 * @throws {Error} if another program has the port, if it ends, or if it doesn't answer within a minute
	 */
	async start(): Promise<number> {
		// A fixed port may be in use, and then the other program would be measured.
		if (await this.#answers()) throw new Error(`another program answers at port ${this.#place.apiPort}`);
		const [program = "", ...args] = this.#peer.command;
		const log = Bun.file(join(this.#place.dir, "output.log"));
		const startMs = performance.now();
		const child = Bun.spawn([program, ...args], {
			cwd: this.#place.dir,
			stdio: ["ignore", log, log],
			env: { ...process.env, ...this.#peer.env(this.#place) },
		});
		this.#child = child;
		while (!(await this.#answers())) {
			const ended = child.exitCode ?? child.signalCode;
			if (ended !== null) {
				throw new Error(
					`the relay ended with ${ended} at its start; it said: ${(await log.text()).slice(-500) || "nothing"}`,
				);
			}
			if (performance.now() - startMs > START_MS_MAX) {
				throw new Error(`the relay doesn't answer after ${START_MS_MAX} ms`);
			}
			await Bun.sleep(POLL_MS);
		}
		return performance.now() - startMs;
	}

	async #answers(): Promise<boolean> {
		try {
			await fetch(`http://127.0.0.1:${this.#place.apiPort}/_health`);
			return true;
		} catch {
			return false;
		}
	}

	/** Asks it to follow a host, if this peer is asked for that at all. */
	async follow(hostname: string): Promise<void> {
		await this.#peer.follow?.(`http://127.0.0.1:${this.#place.apiPort}`, hostname);
	}

	/** Sends SIGTERM and waits for the process to end; kills it if that takes too long. */
	async stop(): Promise<void> {
		const child = this.#child;
		if (child === null) return;
		child.kill("SIGTERM");
		const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS_MAX);
		await child.exited;
		clearTimeout(timer);
	}

	/** Removes its folder. */
	async remove(): Promise<void> {
		await rm(this.#place.dir, { recursive: true, force: true });
	}
}
