import { type ChildProcess, spawn } from "node:child_process";
import { createInterface } from "node:readline";
import { until } from "./until.ts";

const LOG_LINES_MAX = 500;
const STOP_GRACE_MS = 60_000;
const BOOT_DEADLINE_MS = 240_000;

export interface ChildOptions {
	name: string;
	command: readonly string[];
	env?: Readonly<Record<string, string>>;
	/** Called with every line that the child writes to its standard output. */
	onLine?: (line: string) => void;
}

/** A process of the test's network. It does not outlive the test, however the test ends. */
export class Child {
	readonly name: string;
	/** Resolves when the process is gone. */
	readonly exited: Promise<void>;
	readonly #process: ChildProcess;
	readonly #lastLines: string[] = [];
	#isGone = false;

	constructor({ name, command, env = {}, onLine }: ChildOptions) {
		const [program, ...args] = command;
		if (program === undefined) throw new RangeError(`${name} has no command`);
		this.name = name;
		this.#process = spawn(program, args, { env: { ...process.env, ...env }, stdio: ["ignore", "pipe", "pipe"] });
		const leash = leashOn(this.#process);
		this.exited = new Promise((resolve) => {
			const gone = (): void => {
				this.#isGone = true;
				leash?.kill("SIGKILL");
				resolve();
			};
			this.#process.once("exit", gone);
			this.#process.once("error", (error) => {
				this.#keep(error.message);
				gone();
			});
		});
		this.#readLines(this.#process.stdout, (line) => {
			this.#keep(line);
			onLine?.(line);
		});
		this.#readLines(this.#process.stderr, (line) => this.#keep(line));
	}

	get isGone(): boolean {
		return this.#isGone;
	}

	/** The last lines that the process wrote, for the message of a failure. */
	get log(): string {
		return this.#lastLines.join("\n");
	}

	/** Kills the process with SIGKILL, as in a crash, and waits until it is gone. */
	async kill(): Promise<void> {
		this.#process.kill("SIGKILL");
		await this.exited;
	}

	/** Stops the process, as if swapped out or in a debugger, until `thaw`. */
	freeze(): void {
		this.#process.kill("SIGSTOP");
	}

	thaw(): void {
		this.#process.kill("SIGCONT");
	}

	/** Asks the process to end, and kills it if it does not. */
	async stop(): Promise<void> {
		this.#process.kill("SIGTERM");
		const timer = setTimeout(() => this.#process.kill("SIGKILL"), STOP_GRACE_MS);
		await this.exited;
		clearTimeout(timer);
	}

	#readLines(stream: NodeJS.ReadableStream | null, onLine: (line: string) => void): void {
		if (stream !== null) createInterface({ input: stream }).on("line", onLine);
	}

	#keep(line: string): void {
		this.#lastLines.push(line.slice(0, 2000));
		if (this.#lastLines.length > LOG_LINES_MAX) this.#lastLines.shift();
	}
}

/** Waits until a process is ready. @throws Error if it ends instead */
export async function isReady(child: Child, ready: () => boolean): Promise<void> {
	await until(
		`${child.name} to be ready`,
		BOOT_DEADLINE_MS,
		() => ready() || child.isGone,
		() => child.log,
	);
	if (child.isGone) throw new Error(`${child.name} ended as it started:\n${child.log}`);
}

/**
 * A shell that kills the process when the shell's standard input ends. The system closes that input when the test's process is gone,
 * even if the test had no time to clean up, as after `bun test --bail`.
 */
function leashOn({ pid }: ChildProcess): ChildProcess | null {
	if (pid === undefined) return null;
	return spawn("sh", ["-c", `read -r line; kill -9 ${pid}`], { stdio: ["pipe", "ignore", "ignore"] });
}
