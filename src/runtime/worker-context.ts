import type { Config, SettingName } from "../config/settings.ts";

/**
 * What every worker is started with, in a form that can be sent to its thread. `Used` names the settings that the worker uses
 * beside those that all of them do: the control thread sends them all, a test only these.
 */
export interface WorkerContext<Used extends SettingName = never> {
	config: Pick<Config, "logLevel" | "persistDir" | "databaseUrl" | Used>;
	/** Where the sequencer says how far the log goes, where readers find its records, and where they say how far they are. */
	log: { position: SharedArrayBuffer; activeSegment: SharedArrayBuffer; marks: SharedArrayBuffer };
}
