import { availableParallelism } from "node:os";
import { nearest } from "./config/nearest.ts";
import { localOrigin } from "./config/setting.ts";
import { type Config, ConfigError, loadConfig, settingsHelp } from "./config/settings.ts";
import { hostsCommand } from "./hosts/sources/command.ts";
import { askHealth } from "./http/health-request.ts";
import { indexCommand } from "./index/copy/command.ts";
import { InspectError, inspectLogFile } from "./log/access.ts";
import { logOf, setUpLog } from "./observe/log.ts";
import { adminPasswordsOf } from "./relay/admin-passwords.ts";
import { Relay } from "./relay/relay.ts";
import { StartStopped } from "./relay/stoppable-start.ts";
import { LineOutput } from "./runtime/line-output.ts";
import { type Failure, failureOf } from "./runtime/thread.ts";
import { VERSION } from "./version.ts";
import { whyCommand } from "./why/command.ts";

const USAGE = `standpipe ${VERSION}: an AT Protocol relay

  standpipe [serve] [flags]   run the relay
  standpipe health [flags]    ask the relay on this machine how it is: exit code 0 if it is well,
                              else 1 and what is wrong. Give it the relay's own settings
  standpipe log inspect FILE  print the contents of a segment of the log, line by line, also
                              while a relay writes to it; with --json, one object per line
  standpipe index copy --from URL --to URL
                              copy the index to an empty database, from SQLite to PostgreSQL or
                              back, while no relay runs; with --json, one object per line
  standpipe hosts pull URL    add the hosts that the relay at URL lists to the running relay; also
                              hosts add --file FILE|URL, hosts add HOST, and hosts list, by the
                              admin API of the relay on this machine, or of --relay URL; with
                              --json, one object per line
  standpipe why DID|HANDLE|HOST
                              why messages of an account or a host do not pass: exit code 0 if
                              they do, 1 if something holds them, 2 if the relay does not know;
                              asks the relay on this machine, or --relay URL; with --json, the
                              answer as one line
  standpipe --help            show this and every setting
  standpipe --version

Each setting can be given as a flag or as an environment variable. If both are given, the flag counts.

${settingsHelp()}`;

/** What a mistyped command may have meant. */
const COMMANDS = ["serve", "health", "log", "index", "hosts", "why", "--help", "--version"];

/** Exit codes: 0 done, 1 the relay failed, 2 it was told to do something that it can't. */
async function main(args: string[]): Promise<void> {
	if (args.includes("--help") || args.includes("-h")) {
		process.stdout.write(USAGE);
		return;
	}
	if (args.includes("--version")) {
		process.stdout.write(`${VERSION}\n`);
		return;
	}
	const [command = "serve", ...rest] = args[0]?.startsWith("-") === false ? args : ["serve", ...args];
	if (command === "log") {
		readLog(rest);
		return;
	}
	if (command === "health") {
		await tellHealth(readConfig(rest).config);
		return;
	}
	if (command === "index") await useIndex(rest);
	if (command === "hosts") await useHosts(rest);
	if (command === "why") await askWhy(rest);
	if (command !== "serve") {
		const near = nearest(command, COMMANDS);
		const hint = near === null ? "" : `did you mean "${near}"? `;
		process.stderr.write(
			`there is no command ${JSON.stringify(command.slice(0, 64))}; ${hint}--help lists commands and settings\n`,
		);
		process.exit(2);
	}
	await serve(readConfig(rest));
}

/** The commands that read the log's files. */
function readLog([command, ...args]: string[]): void {
	const files = args.filter((arg) => arg !== "--json");
	const [path] = files;
	if (command !== "inspect" || path === undefined || files.length > 1 || path.startsWith("--")) {
		process.stderr.write("usage: standpipe log inspect FILE [--json]\n");
		process.exit(2);
	}
	const output = new LineOutput();
	try {
		inspectLogFile(path, args.includes("--json") ? "json" : "text", (line) => output.line(line));
		output.flush();
	} catch (error) {
		if (!(error instanceof InspectError)) throw error;
		output.flush();
		process.stderr.write(`${error.message}\n`);
		process.exit(1);
	}
}

/** For the health checks of containers, whose images have no other program that could ask. */
async function tellHealth({ metricsListen }: Config): Promise<void> {
	const fault = await askHealth(metricsListen);
	process.stdout.write(`${fault ?? "ok"}\n`);
	process.exit(fault === null ? 0 : 1);
}

/** The commands that work on the index while no relay runs. */
async function useIndex(args: string[]): Promise<never> {
	process.exit(await indexCommand(args, reportOutput(), complain));
}

/** The commands that work with a running relay, by its admin API. */
async function useHosts(args: string[]): Promise<never> {
	const { config } = readConfig([]);
	const [password = null] = await adminPasswordsOf(config);
	const defaults = { relay: localOrigin(config.apiBind), password };
	process.exit(await hostsCommand(args, defaults, reportOutput(), complain));
}

/** Asks this or another relay why messages do not pass. */
async function askWhy(args: string[]): Promise<never> {
	const ownRelay = (): string => localOrigin(readConfig([]).config.apiBind);
	process.exit(await whyCommand(args, reportOutput(), complain, ownRelay));
}

function reportOutput() {
	const output = new LineOutput();
	return {
		line(text: string): void {
			output.line(text);
			output.flush();
		},
		status: (text: string) => output.status(text),
		isTerminal: process.stdout.isTTY,
	};
}

function complain(text: string): void {
	process.stderr.write(`${text}\n`);
}

function readConfig(args: string[]): { config: Config; warnings: string[] } {
	try {
		return loadConfig(args, process.env, { cores: availableParallelism() });
	} catch (error) {
		if (!(error instanceof ConfigError)) throw error;
		process.stderr.write(`${error.message}\n`);
		process.exit(2);
	}
}

async function serve({ config, warnings }: { config: Config; warnings: string[] }): Promise<void> {
	setUpLog(config.logLevel);
	const log = logOf("relay");
	for (const warning of warnings) log.warning(warning);
	const stopping = new AbortController();
	const started = Relay.start(config, { onFailure: fail, stop: stopping.signal });
	const stop = (signal: string): void => {
		if (stopping.signal.aborted) {
			log.warning("{signal} again: the process ends at once", { signal });
			process.exit(1);
		}
		stopping.abort();
		drain(started, signal, config.drainTimeoutMs).catch(failControl);
	};
	for (const signal of ["SIGTERM", "SIGINT"]) process.on(signal, () => stop(signal));
	await started.catch(unlessStopped);
}

/**
 * Drains the relay and ends the process with code 0, or with code 1 if that takes too long. A start that is under way is
 * given up, unless it has begun to follow hosts: then it is finished first.
 */
async function drain(started: Promise<Relay>, signal: string, timeoutMs: number): Promise<never> {
	const log = logOf("relay");
	const beganAtMs = performance.now();
	const takenMs = (): number => Math.round(performance.now() - beganAtMs);
	log.info("{signal}: draining", { signal });
	setTimeout(() => {
		log.error("the drain is given up after {takenMs} ms: RELAY_DRAIN_TIMEOUT has passed", { takenMs: takenMs() });
		process.exit(1);
	}, timeoutMs).unref();
	const relay = await started.catch(unlessStopped);
	await relay?.drain();
	log.info("drained in {takenMs} ms: all is stored", { takenMs: takenMs() });
	process.exit(0);
}

/** Passes on why a start has failed, unless it was only stopped. */
function unlessStopped(error: unknown): null {
	if (error instanceof StartStopped) return null;
	throw error;
}

/**
 * Ends the process at once, with an error line. For a thread that died, a fault of ours, or settings that can't work here. The
 * supervisor starts the relay again (invariant 8).
 */
function fail(thread: string, { message, stack, isStart }: Failure): never {
	const log = logOf("relay");
	if (isStart) log.error("standpipe can't start: {fault}", { fault: message });
	else log.error("standpipe ends, since the thread {thread} failed: {fault}", { thread, fault: message, stack });
	process.exit(1);
}

function failControl(error: unknown): never {
	fail("control", failureOf(error));
}

setUpLog("info");
for (const event of ["uncaughtException", "unhandledRejection"]) process.on(event, failControl);
await main(process.argv.slice(2)).catch(failControl);
