import type { Handler, Hono } from "hono";
import * as v from "valibot";
import { EVENTS_MAX } from "../config/setting.ts";
import type { Control } from "../control/api.ts";
import { HOSTS_PER_CHANGE_MAX, type HostPolicyChange, type LocalStatusName } from "../control/policy.ts";
import { DID_CHARS_MAX, HOSTNAME_CHARS_MAX, INTEGER_MAX } from "../protocol/limits.ts";
import type { ClientEnv } from "./base.ts";
import { answer, refusalResponse, requester } from "./crawl.ts";
import { hostnameParameter, limitParameter, pageCursorParameter, readBody, readQuery } from "./parameters.ts";

/** Accounts in a page of takedowns, as of the reference relay. */
const TAKEDOWNS_PAGE = 500;

const DID_BODY = v.object(
	{ did: v.string("`did` must be a string") },
	"the body must be an object with a string `did`",
);
const DID_QUERY = v.object(
	{ did: v.pipe(v.string(), v.maxLength(DID_CHARS_MAX, "`did` is too long")) },
	"`did` is required",
);
const TAKEDOWNS_QUERY = v.object({
	cursor: v.optional(
		v.pipe(v.string(), v.maxLength(DID_CHARS_MAX, "`cursor` must be one that this listing gave out")),
		"",
	),
});

const DOMAIN_RULE = "the body must be an object with a string `Domain`";
const DOMAIN_TEXT = v.pipe(v.string(DOMAIN_RULE), v.maxLength(HOSTNAME_CHARS_MAX + 8, "`Domain` is too long"));
/** The reference relay reads field names in any case. */
const DOMAIN_BODY = v.union(
	[
		v.pipe(
			v.object({ Domain: DOMAIN_TEXT }),
			v.transform(({ Domain }) => Domain),
		),
		v.pipe(
			v.object({ domain: DOMAIN_TEXT }),
			v.transform(({ domain }) => domain),
		),
	],
	DOMAIN_RULE,
);

const HOST_QUERY = v.object({ host: hostnameParameter }, "`host` is required");
const KILL_QUERY = v.object(
	{
		host: hostnameParameter,
		block: v.pipe(
			v.optional(v.picklist(["true", "false"], "`block` must be true or false"), "false"),
			v.transform((text) => text === "true"),
		),
	},
	"`host` is required",
);
const ENABLED_RULE = "`enabled` must be true or false";
const ENABLED_QUERY = v.object(
	{
		enabled: v.pipe(
			v.picklist(["true", "false"], ENABLED_RULE),
			v.transform((text) => text === "true"),
		),
	},
	ENABLED_RULE,
);
const PER_DAY_RULE = "`limit` must be an integer from 0 to 1000000";
const PER_DAY_QUERY = v.object(
	{ limit: v.pipe(v.string(PER_DAY_RULE), v.regex(/^\d{1,7}$/, PER_DAY_RULE), v.transform(Number)) },
	PER_DAY_RULE,
);

/** A limit; null for the relay's general rule. */
function countOrNull(name: string) {
	const rule = `\`${name}\` must be an integer from 0 to 2^53-1`;
	return v.nullable(v.pipe(v.number(rule), v.integer(rule), v.minValue(0, rule), v.maxValue(INTEGER_MAX, rule)));
}

function eventCount(name: string) {
	const rule = `\`${name}\` must be an integer from 1 to ${EVENTS_MAX}`;
	return v.pipe(v.number(rule), v.integer(rule), v.minValue(1, rule), v.maxValue(EVENTS_MAX, rule));
}

/** Room for `HOSTS_PER_CHANGE_MAX` names of any length. */
const LIMITS_BODY_BYTES_MAX = 400_000;
const LIMITS_BODY = v.object(
	{
		host: v.optional(hostnameParameter),
		hosts: v.optional(
			v.pipe(
				v.array(hostnameParameter, "`hosts` must be an array of hostnames"),
				v.maxLength(HOSTS_PER_CHANGE_MAX, `\`hosts\` must have at most ${HOSTS_PER_CHANGE_MAX} names`),
			),
		),
		repo_limit: v.optional(countOrNull("repo_limit")),
		event_limits: v.optional(
			v.nullable(
				v.object(
					{ per_second: eventCount("per_second"), per_hour: eventCount("per_hour"), per_day: eventCount("per_day") },
					"`event_limits` must be null, or have `per_second`, `per_hour` and `per_day`",
				),
			),
		),
		strictness: v.optional(
			v.nullable(v.picklist(["enforce", "observe"], "`strictness` must be `enforce`, `observe` or null")),
		),
		ratchet: v.optional(v.boolean("`ratchet` must be true or false")),
		account_limit_alerts_silenced: v.optional(v.boolean("`account_limit_alerts_silenced` must be true or false")),
	},
	"the body must be an object with a string `host`",
);

const SETTINGS_BODY = v.object(
	{
		disableRequestCrawl: v.optional(v.nullable(v.boolean("`disableRequestCrawl` must be true, false or null"))),
		newHostsPerDayMax: v.optional(countOrNull("newHostsPerDayMax")),
		accountLimit: v.optional(countOrNull("accountLimit")),
	},
	"the body must be an object with settings",
);

const ACTIONS_QUERY = v.object({ limit: limitParameter(100), cursor: pageCursorParameter });
const HOSTS_QUERY = v.object({ limit: limitParameter(200), cursor: v.optional(v.string(), "") });

/** The part of the admin API by which an operator sets policies: accounts, hosts, domains, settings; and the audit log. */
export function addPolicyRoutes(app: Hono<ClientEnv>, control: Control): void {
	addAccountRoutes(app, control);
	addDomainRoutes(app, control);
	addHostRoutes(app, control);
	addSettingRoutes(app, control);
	app.get("/admin/actions", async (context) => {
		const { limit, cursor } = readQuery(ACTIONS_QUERY, context);
		const result = await control.actions(cursor === 0 ? INTEGER_MAX : cursor, limit, requester(context, true));
		return answer(context, result, ({ actions }) => ({
			actions,
			cursor: nextOf(actions, limit, ({ lsn }) => String(lsn)),
		}));
	});
}

function addAccountRoutes(app: Hono<ClientEnv>, control: Control): void {
	const set =
		(status: LocalStatusName | null): Handler<ClientEnv> =>
		async (context) => {
			const { did } = await readBody(DID_BODY, context);
			return answer(context, await control.setAccountStatus(did, status, requester(context, true)));
		};
	app.post("/admin/repo/takeDown", set("takendown"));
	app.post("/admin/repo/suspend", set("suspended"));
	app.post("/admin/repo/reverseTakedown", set(null));
	app.get("/admin/repo/wait", async (context) => {
		const { did } = readQuery(DID_QUERY, context);
		const result = await control.accountWait(did, requester(context, true));
		return answer(context, result, ({ wait }) => ({ wait }));
	});
	app.get("/admin/repo/takedowns", async (context) => {
		const { cursor } = readQuery(TAKEDOWNS_QUERY, context);
		const result = await control.accountStatuses(cursor, TAKEDOWNS_PAGE, requester(context, true));
		return answer(context, result, ({ accounts }) => ({
			dids: accounts.map(({ did }) => did),
			accounts,
			cursor: nextOf(accounts, TAKEDOWNS_PAGE, ({ did }) => did),
		}));
	});
}

function addDomainRoutes(app: Hono<ClientEnv>, control: Control): void {
	app.get("/admin/subs/listDomainBans", async (context) => {
		const result = await control.domainBans(requester(context, true));
		return answer(context, result, ({ domains }) => ({ banned_domains: domains.map(({ domain }) => domain) }));
	});
	app.post("/admin/subs/banDomain", async (context) => {
		const domain = await readBody(DOMAIN_BODY, context);
		return answer(context, await control.banDomain(domain, requester(context, true)));
	});
	app.post("/admin/subs/unbanDomain", async (context) => {
		const domain = await readBody(DOMAIN_BODY, context);
		return answer(context, await control.unbanDomain(domain, requester(context, true)));
	});
}

function addHostRoutes(app: Hono<ClientEnv>, control: Control): void {
	const change =
		(isBanned: boolean): Handler<ClientEnv> =>
		async (context) => {
			const { host } = readQuery(HOST_QUERY, context);
			return answer(context, await control.changeHosts([host], { isBanned }, requester(context, true)));
		};
	app.post("/admin/pds/block", change(true));
	app.post("/admin/pds/unblock", change(false));
	app.get("/admin/pds/quota", async (context) => {
		const { host } = readQuery(HOST_QUERY, context);
		return answer(context, await control.hostQuota(host, requester(context, true)), ({ quota }) => quota);
	});
	app.post("/admin/pds/recount", async (context) => {
		const { host } = readQuery(HOST_QUERY, context);
		const result = await control.recountAccounts(host, requester(context, true));
		return answer(context, result, ({ quota, before }) => ({ ...quota, before }));
	});
	app.post("/admin/pds/changeLimits", async (context) => {
		const body = await readBody(LIMITS_BODY, context, LIMITS_BODY_BYTES_MAX);
		const hosts = [...(body.host === undefined ? [] : [body.host]), ...(body.hosts ?? [])];
		const wanted = changeOf(body);
		const rule = missing(hosts, wanted);
		if (rule !== null) return refusalResponse({ ok: false, status: 400, error: "InvalidRequest", message: rule });
		return answer(context, await control.changeHosts(hosts, wanted, requester(context, true)));
	});
	app.get("/admin/pds/policies", async (context) => {
		const { limit, cursor } = readQuery(HOSTS_QUERY, context);
		const result = await control.hostPolicies(cursor, limit, requester(context, true));
		return answer(context, result, ({ hosts }) => ({
			hosts: hosts.map(({ hostname, policy }) => ({ hostname, ...policy })),
			cursor: nextOf(hosts, limit, ({ hostname }) => hostname),
		}));
	});
	app.post("/admin/subs/killUpstream", async (context) => {
		const { host, block } = readQuery(KILL_QUERY, context);
		const by = requester(context, true);
		const result = await control.dropHost(host, by);
		if (!result.ok || !block) return answer(context, result);
		return answer(context, await control.changeHosts([host], { isBanned: true }, by));
	});
	app.get("/admin/subs/getUpstreamConns", async (context) => {
		const result = await control.connectedHosts(requester(context, true));
		return answer(context, result, ({ hostnames }) => hostnames);
	});
}

function addSettingRoutes(app: Hono<ClientEnv>, control: Control): void {
	app.get("/admin/subs/getEnabled", async (context) => {
		const result = await control.settings(requester(context, true));
		return answer(context, result, ({ settings }) => ({ enabled: !settings.disableRequestCrawl }));
	});
	app.post("/admin/subs/setEnabled", async (context) => {
		const { enabled } = readQuery(ENABLED_QUERY, context);
		const changes = { disableRequestCrawl: !enabled };
		return answer(context, await control.changeSettings(changes, requester(context, true)));
	});
	app.get("/admin/subs/perDayLimit", async (context) => {
		const result = await control.settings(requester(context, true));
		return answer(context, result, ({ settings }) => ({ limit: settings.newHostsPerDayMax }));
	});
	app.post("/admin/subs/setPerDayLimit", async (context) => {
		const { limit } = readQuery(PER_DAY_QUERY, context);
		return answer(context, await control.changeSettings({ newHostsPerDayMax: limit }, requester(context, true)));
	});
	app.get("/admin/settings", async (context) => {
		const result = await control.settings(requester(context, true));
		return answer(context, result, ({ settings }) => settings);
	});
	app.post("/admin/settings", async (context) => {
		const { disableRequestCrawl, newHostsPerDayMax, accountLimit } = await readBody(SETTINGS_BODY, context);
		const changes = {
			...(disableRequestCrawl === undefined ? {} : { disableRequestCrawl }),
			...(newHostsPerDayMax === undefined ? {} : { newHostsPerDayMax }),
			...(accountLimit === undefined ? {} : { accountLimit }),
		};
		return answer(context, await control.changeSettings(changes, requester(context, true)));
	});
}

function changeOf({
	repo_limit,
	event_limits,
	strictness,
	ratchet,
}: v.InferOutput<typeof LIMITS_BODY>): HostPolicyChange {
	const eventLimits = event_limits && {
		perS: event_limits.per_second,
		perHour: event_limits.per_hour,
		perDay: event_limits.per_day,
	};
	return {
		...(repo_limit === undefined ? {} : { accountLimit: repo_limit }),
		...(eventLimits === undefined ? {} : { eventLimits }),
		...(strictness === undefined ? {} : { strictness }),
		...(ratchet === undefined ? {} : { ratchet }),
	};
}

/** Which rule a change breaks that says too little; null for none. */
function missing(hosts: readonly string[], change: HostPolicyChange): string | null {
	if (hosts.length === 0) return "`host` or `hosts` is required";
	if (Object.keys(change).length > 0) return null;
	return "`repo_limit`, `event_limits` or `strictness` is required: this relay sends no alerts that could be silenced";
}

/** The cursor after a page; undefined after the last one. */
function nextOf<Row>(rows: readonly Row[], limit: number, cursorOf: (row: Row) => string): string | undefined {
	const last = rows.at(-1);
	return last === undefined || rows.length < limit ? undefined : cursorOf(last);
}
