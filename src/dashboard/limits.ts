import type { MiddlewareHandler } from "hono";
import type { ClientEnv } from "../http/base.ts";
import { errorResponse } from "../http/response.ts";
import { networkOf } from "../net/network.ts";
import { RateLimit } from "../runtime/rate-limit.ts";

/** A client that was idle may make requests for so many seconds at once. */
const BURST_S = 5;
/** Addresses that are remembered, at some 100 bytes each. */
const ADDRESSES_MAX = 10_000;
/** Requests of all strangers together that one thread answers, in a second and at once. Each has a table sorted on the control thread. */
const ALL_PER_S = 40;
const ALL_BURST = 200;

/** How often strangers may ask for parts of the dashboard. */
export interface DashboardLimits {
	ofClient: RateLimit;
	ofAll: RateLimit;
}

/** @param perClientPerS requests of one address in a second; five times as many may come at once */
export function publicLimits(perClientPerS: number, nowMs = (): number => performance.now()): DashboardLimits {
	return {
		ofClient: new RateLimit({ perS: perClientPerS, burst: BURST_S * perClientPerS, keysMax: ADDRESSES_MAX, nowMs }),
		ofAll: new RateLimit({ perS: ALL_PER_S, burst: ALL_BURST, keysMax: 1, nowMs }),
	};
}

/** Refuses what is above the limits, with 429. Files of the page cost nothing, so only their sender's limit counts. */
export function limitRequests({ ofClient, ofAll }: DashboardLimits): MiddlewareHandler<ClientEnv> {
	return async ({ req, env }, next) => {
		const client = networkOf(env.ip);
		const isFile = req.path.includes(".");
		const waitMs = Math.max(ofClient.waitMs(client), isFile ? 0 : ofAll.waitMs("all"));
		if (waitMs > 0)
			return errorResponse(429, "RateLimitExceeded", "too many requests for the dashboard: try again in a moment", {
				"Retry-After": String(Math.ceil(waitMs / 1000)),
			});
		ofClient.charge(client);
		if (!isFile) ofAll.charge("all");
		return next();
	};
}
