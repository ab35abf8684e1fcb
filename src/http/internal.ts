import type { Hono } from "hono";
import { type Counters, readCounters } from "../observe/counters.ts";
import { residentMemory } from "../observe/resident-memory.ts";
import { VERSION } from "../version.ts";
import { type ClientEnv, createBaseApp } from "./base.ts";
import { createMetrics, type LogPosition } from "./metrics.ts";
import { errorResponse } from "./response.ts";

export interface InternalAppOptions {
	/** Made by `createCounterBuffer`. */
	counters: SharedArrayBuffer;
	/** The row of the thread that serves. */
	own: Counters;
	log: () => LogPosition;
	/** What is wrong with the relay, in words, or null where nothing is. */
	health: () => string | null;
	rssBytes?: () => number;
	/** Open descriptors of the process, and how many it may have; 0 where the system doesn't tell. */
	openFiles?: () => { open: number; max: number };
}

/** What the control thread serves for the operator's probes and graphs. It has no auth: keep its port to yourself. */
export function createInternalApp(options: InternalAppOptions): Hono<ClientEnv> {
	const { counters, own, log, health, rssBytes = residentMemory(), openFiles = () => ({ open: 0, max: 0 }) } = options;
	const snapshot = () => ({ ...readCounters(counters), log: log(), rssBytes: rssBytes(), openFiles: openFiles() });
	const metrics = createMetrics();
	const app = createBaseApp(own);
	app.get("/_health", (context) => {
		const fault = health();
		return fault === null ? context.json({ status: "ok", version: VERSION }) : errorResponse(503, "Unhealthy", fault);
	});
	app.get("/metrics", async (context) =>
		context.body(await metrics.render(snapshot()), 200, { "Content-Type": metrics.contentType }),
	);
	app.get("/_stats", (context) => context.json(snapshot()));
	return app;
}
