import type { Context } from "hono";
import { HEALTH_CHECKS, type Health, type HealthCheck } from "../control/health.ts";
import { VERSION } from "../version.ts";
import { errorResponse, shortened } from "./response.ts";

/** Answers a probe of whether the process lives, whatever else is wrong. */
export function answerAlive(context: Context): Response {
	return context.json({ status: "ok", version: VERSION });
}

/**
 * Makes the handler of probes that ask whether anything is wrong. `?exclude=log&exclude=index` leaves checks out, as the probes of
 * Kubernetes' own programs do.
 *
 * @param refresh brings up to date what nobody tells by itself
 */
export function healthHandler(health: Health, refresh = (): void => undefined): (context: Context) => Response {
	return (context) => {
		const excluded = (context.req.queries("exclude") ?? []).flatMap((names) => names.split(","));
		const unknown = excluded.find((name) => !isCheck(name));
		if (unknown !== undefined) {
			const message = `there is no check ${shortened(unknown)}: there are ${HEALTH_CHECKS.join(", ")}`;
			return errorResponse(400, "InvalidRequest", message);
		}
		refresh();
		const fault = health.fault(excluded.filter(isCheck));
		return fault === null ? answerAlive(context) : errorResponse(503, "Unhealthy", fault);
	};
}

function isCheck(name: string): name is HealthCheck {
	return HEALTH_CHECKS.some((check) => check === name);
}
