import type { Config } from "../config/settings.ts";

const TRACES_PATH = "/v1/traces";

/** Where traces are sent to; null if messages are not traced. */
export function tracesUrl({
	tracesEndpoint,
	telemetryEndpoint,
}: Pick<Config, "tracesEndpoint" | "telemetryEndpoint">): string | null {
	if (tracesEndpoint !== null || telemetryEndpoint === null) return tracesEndpoint;
	const url = new URL(telemetryEndpoint);
	url.pathname = url.pathname.replace(/\/+$/, "") + TRACES_PATH;
	return url.href;
}
