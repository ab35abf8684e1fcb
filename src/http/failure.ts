import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { counter } from "../observe/metric.ts";
import { isFatal, reportFailure } from "../runtime/boundary.ts";
import { LogLimiter } from "../runtime/log-limiter.ts";
import { errorResponse } from "./response.ts";

const httpFailures = counter(
	"http_failures_total",
	"HTTP requests that failed by a fault of the relay, answered with 500 or 503",
	"If it grows, look in the log lines for the error: 503 means that the index is away or too many reads wait.",
);

const LINE_INTERVAL_MS = 60_000;
const RETRY_AFTER_S = 30;

const limiter = new LogLimiter({ intervalMs: LINE_INTERVAL_MS, keysMax: 1 });

/**
 * The answer to a request that failed by a fault of ours. The failure is counted, and reported at most once a minute. The
 * caller is not told what is wrong. An index that can't be read does not end the process here: only its writer can tell whether
 * that will pass.
 */
export function failureResponse(error: unknown, counters: Counters): Response {
	counters.add(httpFailures);
	if (!isFatal(error)) {
		reportFailure("an HTTP request", error);
		return errorResponse(500, "InternalServerError", "the relay failed to answer this request");
	}
	const omitted = limiter.take("");
	const reason = error instanceof Error ? error.message : String(error);
	if (omitted !== null) logOf("http").warning("the index can't be read for a request: {reason}", { reason, omitted });
	return errorResponse(503, "ServiceUnavailable", "the relay's index does not answer, try again later", {
		"Retry-After": String(RETRY_AFTER_S),
	});
}
