import type { Config, SettingName } from "../config/settings.ts";

/** What a thread needs to trace messages. */
export interface TraceContext {
	/** The share of messages that are traced, from 0 to 1. */
	ratio: number;
	/** Ring for the notes that this thread takes of them. */
	notes: SharedArrayBuffer;
}

/**
 * What every worker is started with, in a form that can be sent to its thread. `Used` names the settings that the worker uses
 * beside those that all workers use. The control thread sends all settings, a test only these.
 */
export interface WorkerContext<Used extends SettingName = never> {
	config: Pick<Config, "logLevel" | "logFormat" | "persistDir" | "databaseUrl" | Used>;
	/** Shared memory of the log: how far it goes, the index of the active segment, and how far named readers are. */
	log: { position: SharedArrayBuffer; activeSegment: SharedArrayBuffer; marks: SharedArrayBuffer };
	/** Absent if messages are not traced. */
	trace?: TraceContext | undefined;
}
