import type { Context } from "hono";
import { VERSION } from "../version.ts";
import { errorResponse } from "./response.ts";

/** The index is read at most once in this time, however many ask: the read happens on the thread that serves consumers. */
const LOOK_INTERVAL_MS = 1_000;

/**
 * Answers the public port's health requests.
 * @param look reads the index; rejects if it does not answer
 */
export function createHealth(look: () => Promise<unknown>, nowMs: () => number = () => performance.now()) {
	let lookedAtMs = Number.NEGATIVE_INFINITY;
	let looked: Promise<boolean> = Promise.resolve(true);
	return async (context: Context): Promise<Response> => {
		if (nowMs() - lookedAtMs >= LOOK_INTERVAL_MS) {
			lookedAtMs = nowMs();
			looked = look().then(
				() => true,
				() => false,
			);
		}
		return (await looked)
			? context.json({ status: "ok", version: VERSION })
			: errorResponse(503, "Unhealthy", "the index does not answer");
	};
}
