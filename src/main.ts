import { availableParallelism } from "node:os";
import { type Config, ConfigError, loadConfig, settingsHelp } from "./config.ts";
import { VERSION } from "./http/version.ts";
import { logOf, setUpLog } from "./observe/log.ts";
import { Relay } from "./relay.ts";
import { describeFailure } from "./thread.ts";

const USAGE = `standpipe ${VERSION}: an AT Protocol relay

  standpipe [serve] [flags]   run the relay
  standpipe --help            show this and every setting
  standpipe --version

Each setting is a flag or an environment variable; a flag goes first.

${settingsHelp()}`;

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
	if (command !== "serve") {
		process.stderr.write(`there is no command "${command}"\n\n${USAGE}`);
		process.exit(2);
	}
	await serve(readConfig(rest));
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
	const relay = await Relay.start(config, fail);
	let draining = false;
	const stop = (signal: string): void => {
		if (draining) process.exit(1);
		draining = true;
		log.info("{signal}: draining", { signal });
		setTimeout(() => fail("control", "the drain took too long"), config.drainTimeoutMs).unref();
		relay.drain().then(
			() => process.exit(0),
			(error: unknown) => fail("control", describeFailure(error)),
		);
	};
	for (const event of ["uncaughtException", "unhandledRejection"]) {
		process.on(event, (error: unknown) => fail("control", describeFailure(error)));
	}
	process.on("SIGTERM", () => stop("SIGTERM"));
	process.on("SIGINT", () => stop("SIGINT"));
}

/** A thread died or a fault of ours came up: end at once and loudly, the supervisor starts us anew (invariant 8). */
function fail(thread: string, error: string): never {
	process.stderr.write(`standpipe: ${thread} failed: ${error}\n`);
	process.exit(1);
}

await main(process.argv.slice(2)).catch((error: unknown) => fail("control", describeFailure(error)));
