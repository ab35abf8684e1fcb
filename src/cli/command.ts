// cli/: the command line: which commands there are, what they take, and what they exit with. What they do is in other rooms.

import { availableParallelism } from "node:os";
import { type Config, ConfigError, loadConfig, secretsOf } from "../config/settings.ts";
import { Unavailable } from "../disk/fault.ts";
import { StoreBroken } from "../index/store-fault.ts";
import { hideSecrets } from "../observe/masking.ts";
import type { ReportOutput } from "../runtime/line-output.ts";

/** What a command ended with. A program may rely on it. */
export const EXIT = { done: 0, failed: 1, misused: 2 } as const;

/** The command was given wrongly. The message says how. */
export class Misuse extends Error {
	override readonly name = "Misuse";
}

/** The command was given rightly, and failed of something outside of this program. The message says of what. */
export class Failed extends Error {
	override readonly name = "Failed";
}

/** What a command has of the process around it. */
export interface CommandContext {
	output: ReportOutput;
	/** Writes a line about what went wrong. */
	complain: (text: string) => void;
	env: Readonly<Record<string, string | undefined>>;
	/** Sets the code to exit with, if it is not 0; null if the process goes on after the command. */
	exitWith: (code: number | null) => void;
}

/**
 * The relay's settings, and warnings of what looks like a mistake in them.
 * @param args flags of settings
 * @throws Misuse with every fault
 */
export function settingsOf({ env }: CommandContext, args: readonly string[]): { config: Config; warnings: string[] } {
	try {
		const loaded = loadConfig(args, env, { cores: availableParallelism() });
		hideSecrets(secretsOf(loaded.config));
		return loaded;
	} catch (error) {
		throw error instanceof ConfigError ? new Misuse(error.message) : error;
	}
}

/** What can be wrong with a database, the disk, or the way to them. Everything else is a fault of this program. */
export function isForeseen(error: unknown): boolean {
	const isOfSystem = error instanceof Error && "syscall" in error;
	return error instanceof StoreBroken || error instanceof Unavailable || isOfSystem;
}
