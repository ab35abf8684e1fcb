import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { freePort } from "../../src/sim/relay-process.ts";

const START_MS_MAX = 120_000;
const POLL_MS = 50;

/** The reference relay, `cmd/relay` of indigo, as a child process, with its own ports and files. */
export class IndigoProcess {
	readonly firehoseOrigin: string;
	readonly #env: Record<string, string>;
	readonly #folder = mkdtempSync(join(tmpdir(), "standpipe-indigo-"));
	readonly #program: string;
	#child: Bun.Subprocess | null = null;

	/** @param databaseUrl none for a file of its own */
	constructor(program: string, { plcUrl, databaseUrl }: { plcUrl: string; databaseUrl?: string }) {
		const port = freePort();
		this.firehoseOrigin = `ws://127.0.0.1:${port}`;
		this.#program = program;
		this.#env = {
			PATH: process.env["PATH"] ?? "",
			RELAY_API_BIND: `127.0.0.1:${port}`,
			RELAY_METRICS_LISTEN: `127.0.0.1:${freePort()}`,
			RELAY_PERSIST_DIR: join(this.#folder, "persist"),
			DATABASE_URL: databaseUrl ?? `sqlite://${join(this.#folder, "relay.sqlite")}`,
			RELAY_PLC_HOST: plcUrl,
		};
	}

	get databaseUrl(): string {
		return this.#env["DATABASE_URL"] ?? "";
	}

	/** Resolves when it answers. */
	async start(): Promise<void> {
		const log = Bun.file(join(this.#folder, "output.log"));
		const child = Bun.spawn([this.#program, "serve"], {
			cwd: this.#folder,
			stdio: ["ignore", log, log],
			env: this.#env,
		});
		this.#child = child;
		const giveUpAtMs = Date.now() + START_MS_MAX;
		while (!(await this.#answers())) {
			if (child.exitCode !== null || Date.now() > giveUpAtMs)
				throw new Error(`indigo does not answer: ${(await log.text()).slice(-500)}`);
			await Bun.sleep(POLL_MS);
		}
	}

	async #answers(): Promise<boolean> {
		try {
			return (await fetch(`${this.firehoseOrigin.replace("ws", "http")}/_health`)).ok;
		} catch {
			return false;
		}
	}

	/** Ends it as an operator does, so that it stores its cursors. */
	async stop(): Promise<void> {
		this.#child?.kill("SIGTERM");
		await this.#child?.exited;
	}

	remove(): void {
		rmSync(this.#folder, { recursive: true, force: true });
	}
}
