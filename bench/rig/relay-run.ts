import type { SimAccount } from "../../src/sim/account.ts";
import { SimPlc } from "../../src/sim/plc.ts";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { LoadHost } from "./load-host.ts";

const POLL_MS = 2;
const UNTIL_MS_MAX = 300_000;

/** A relay that follows some hosts. */
export interface RelayRun {
	hosts: LoadHost[];
	relay: RelayProcess;
	/** Time from the start of its process until it was healthy. */
	startMs: number;
}

export interface RelayRunOptions {
	/** Program and arguments that serve. */
	command: string[];
	hosts: number;
	/** They are assigned to the hosts in turn. */
	accounts: readonly SimAccount[];
	/** Further environment variables. */
	env?: Record<string, string>;
}

/**
 * Runs a relay until `use` is done with it.
 *
 * @throws Error if the relay rejected anything, since the load of a bench is valid
 */
export async function withRelay<Result>(
	options: RelayRunOptions,
	use: (run: RelayRun) => Promise<Result>,
): Promise<Result> {
	const hosts = makeHosts(options.hosts);
	const plc = new SimPlc();
	plc.start();
	for (const [at, account] of options.accounts.entries()) {
		const host = hosts[at % hosts.length];
		if (host !== undefined) plc.register(account, host.endpoint);
	}
	const { command, env } = options;
	const relay = await RelayProcess.create({ command, plcUrl: plc.url, env: { RELAY_LOG_LEVEL: "warning", ...env } });
	// Kills the relay if the bench is interrupted, since the relay is in a process group of its own. This listener must run
	// before those that remove the relay's files.
	const kill = (): void => relay.kill();
	process.prependListener("exit", kill);
	try {
		const startedAtMs = performance.now();
		await relay.start();
		const startMs = performance.now() - startedAtMs;
		for (const host of hosts) await relay.requestCrawl(host.hostname);
		await until(() => hosts.every((host) => host.connected));
		const result = await use({ hosts, relay, startMs });
		const { rejected } = await relay.stats();
		const reasons = Object.entries(rejected).filter(([, count]) => count > 0);
		if (reasons.length > 0) throw new Error(`the relay rejected frames of the load: ${JSON.stringify(reasons)}`);
		return result;
	} finally {
		await relay.stop();
		process.off("exit", kill);
		await relay.remove();
		await plc.stop();
		for (const host of hosts) host.stop();
	}
}

/** Runs `rig/copy-relay.ts` on hosts of its own until `use` is done with it. Its one consumer connects to `origin`. */
export async function withCopyRelay<Result>(
	hostCount: number,
	use: (run: { hosts: LoadHost[]; pid: number; origin: string }) => Promise<Result>,
): Promise<Result> {
	const hosts = makeHosts(hostCount);
	const script = new URL("./copy-relay.ts", import.meta.url).pathname;
	const child = Bun.spawn([process.execPath, script, ...hosts.map(({ hostname }) => hostname)], {
		stdout: "pipe",
		stderr: "inherit",
	});
	try {
		const { value } = await child.stdout.getReader().read();
		await until(() => hosts.every((host) => host.connected));
		return await use({ hosts, pid: child.pid, origin: `ws://127.0.0.1:${Number(new TextDecoder().decode(value))}` });
	} finally {
		child.kill();
		for (const host of hosts) host.stop();
	}
}

/** @throws Error if the condition is not true within five minutes, which means that something has died */
export async function until(condition: () => boolean): Promise<void> {
	const giveUpAtMs = performance.now() + UNTIL_MS_MAX;
	while (!condition()) {
		if (performance.now() > giveUpAtMs) throw new Error(`waited in vain for ${condition}`);
		await Bun.sleep(POLL_MS);
	}
}

function makeHosts(count: number): LoadHost[] {
	return Array.from({ length: count }, () => new LoadHost());
}
