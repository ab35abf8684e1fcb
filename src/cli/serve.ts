import type { Command } from "commander";
import { type Config, secretsOf } from "../config/settings.ts";
import { logOf, setUpLog } from "../observe/log.ts";
import { Relay } from "../relay/relay.ts";
import { StartStopped } from "../relay/stoppable-start.ts";
import { type Failure, failureOf } from "../runtime/thread.ts";
import { type CommandContext, settingsOf } from "./command.ts";
import { settingsCommand } from "./settings-command.ts";

/** The command `serve`, which runs the relay. It ends the process itself. */
export function serveCommand(context: CommandContext): Command {
	return settingsCommand("serve", "run the relay").action(async (flags: string[]) => {
		await serve(settingsOf(context, flags));
		context.exitWith(null);
	});
}

async function serve({ config, warnings }: { config: Config; warnings: string[] }): Promise<void> {
	setUpLog({ level: config.logLevel, format: config.logFormat, secrets: secretsOf(config) });
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

/** Ends the process for a fault of the control thread. */
export function failControl(error: unknown): never {
	fail("control", failureOf(error));
}
