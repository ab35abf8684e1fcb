import type { Hono } from "hono";
import * as v from "valibot";
import type { Control } from "../control/api.ts";
import type { ConsumerReport } from "../control/consumers.ts";
import { FAILING_HOSTS_MAX } from "../control/failures.ts";
import type { HostDetail } from "../control/host-details.ts";
import { INTEGER_MAX } from "../protocol/limits.ts";
import type { ClientEnv } from "./base.ts";
import { answer, requester } from "./crawl.ts";
import { hostnameParameter, pageCursorParameter, readQuery } from "./parameters.ts";
import { errorResponse } from "./response.ts";

/** Rows of a listing that is an array, as of the reference relay. Its tools ask for one page only. */
const ROWS_MAX = 10_000;
const LIMIT_RULE = `\`limit\` must be an integer from 1 to ${ROWS_MAX}`;
const ROWS_QUERY = v.object({
	limit: v.pipe(
		v.optional(v.string(), String(ROWS_MAX)),
		v.regex(/^\d{1,5}$/, LIMIT_RULE),
		v.transform(Number),
		v.minValue(1, LIMIT_RULE),
		v.maxValue(ROWS_MAX, LIMIT_RULE),
	),
	/** The id of the last row of the page before. */
	cursor: pageCursorParameter,
});
const HOST_QUERY = v.object({ host: hostnameParameter }, "`host` is required");
const FAILURES_RULE = `\`limit\` must be an integer from 1 to ${FAILING_HOSTS_MAX}`;
const FAILURES_QUERY = v.object({
	host: v.optional(hostnameParameter),
	limit: v.pipe(
		v.optional(v.string(), "20"),
		v.regex(/^\d{1,3}$/, FAILURES_RULE),
		v.transform(Number),
		v.minValue(1, FAILURES_RULE),
		v.maxValue(FAILING_HOSTS_MAX, FAILURES_RULE),
	),
	/** How many hosts the pages before had. */
	cursor: pageCursorParameter,
});
const ID_RULE = "`id` must be one that `/admin/consumers/list` gave";
const CONSUMER_QUERY = v.object(
	{
		id: v.pipe(
			v.string(ID_RULE),
			v.regex(/^\d{1,16}$/, ID_RULE),
			v.transform(Number),
			v.minValue(1, ID_RULE),
			v.maxValue(INTEGER_MAX, ID_RULE),
		),
	},
	ID_RULE,
);

/** The part of the admin API that shows hosts and consumers. */
export function addReportRoutes(app: Hono<ClientEnv>, control: Control): void {
	app.get("/admin/pds/list", async (context) => {
		const { limit, cursor } = readQuery(ROWS_QUERY, context);
		const result = await control.hostDetails(cursor, limit, requester(context, true));
		return answer(context, result, ({ hosts }) => hosts.map(listedHost));
	});
	app.get("/admin/pds/host", async (context) => {
		const { host } = readQuery(HOST_QUERY, context);
		const result = await control.hostDetail(host, requester(context, true));
		return answer(context, result, ({ host: detail, delays }) => ({ ...detail, delays }));
	});
	app.get("/admin/pds/failures", async (context) => {
		const { host, limit, cursor } = readQuery(FAILURES_QUERY, context);
		const by = requester(context, true);
		if (host !== undefined)
			return answer(context, await control.hostFailures(host, by), ({ sinceMs, failures }) => ({
				sinceMs,
				...failures,
			}));
		const result = await control.failingHosts(cursor, limit, by);
		return answer(context, result, ({ sinceMs, total, hosts }) => ({
			...{ sinceMs, total, hosts },
			cursor: cursor + hosts.length < total && hosts.length > 0 ? String(cursor + hosts.length) : undefined,
		}));
	});
	app.get("/admin/consumers/list", async (context) => {
		const { limit, cursor } = readQuery(ROWS_QUERY, context);
		const result = await control.consumers(cursor, limit, requester(context, true));
		return answer(context, result, ({ consumers }) => consumers.map(listedConsumer));
	});
	app.post("/admin/consumers/drop", async (context) => {
		const { id } = readQuery(CONSUMER_QUERY, context);
		return answer(context, await control.dropConsumer(id, requester(context, true)));
	});
	app.post("/admin/alerts/accountLimitSent", () =>
		errorResponse(
			501,
			"MethodNotImplemented",
			"this relay sends alerts of account limits itself, by RELAY_ALERT_WEBHOOK, and keeps no state of those that others have sent",
		),
	);
}

/** A host in the fields of the reference relay, and after them those that it does not have. */
function listedHost(detail: HostDetail): object {
	const { id, hostname, insecure, status, cursor, connection, accountCount, accountLimit, limits, usage } = detail;
	const { firstSeenMs, connected, lastError, nextAttemptMs } = connection;
	const { used } = usage;
	return {
		ID: id,
		CreatedAt: timeOf(firstSeenMs),
		Host: hostname,
		SSL: !insecure,
		// The reference relay has -1 for a host that has never sent a message.
		Cursor: cursor ?? -1,
		Registered: status === "active",
		Blocked: status === "banned",
		CrawlRateLimit: 0,
		RepoCount: accountCount,
		RepoLimit: accountLimit ?? -1,
		HasActiveConnection: connected,
		EventsSeenSinceStartup: usage.messages,
		PerSecondEventRate: rateOf(limits?.perS, 1, used?.second),
		PerHourEventRate: rateOf(limits?.perHour, 3_600, used?.hour),
		PerDayEventRate: rateOf(limits?.perDay, 86_400, used?.day),
		UserCount: accountCount,
		AccountLimitAlertsSilenced: false,
		AccountLimitAlertState: "",
		Status: status,
		StatusDetail: detail.detail,
		LastError: lastError === null ? null : { ...lastError, at: timeOf(lastError.atMs) },
		NextAttemptAt: timeOf(nextAttemptMs),
	};
}

/** -1 for no limit. The reference relay's server and its dashboard have different names for the window. */
function rateOf(limit: number | undefined, windowS: number, used: number | undefined): object {
	return { Max: limit ?? -1, Window: windowS, WindowSeconds: windowS, Count: used ?? null };
}

function listedConsumer(consumer: ConsumerReport): object {
	const { id, ip, userAgent, framesSent, connectedAtMs, lag, framesPerS, stream, bytesSent, bufferedBytes } = consumer;
	return {
		id,
		remote_addr: ip,
		user_agent: userAgent,
		events_consumed: framesSent,
		connected_at: timeOf(connectedAtMs),
		stream,
		lag,
		events_per_second: framesPerS,
		bytes_sent: bytesSent,
		buffered_bytes: bufferedBytes,
	};
}

function timeOf(ms: number | null): string | null {
	return ms === null ? null : new Date(ms).toISOString();
}
