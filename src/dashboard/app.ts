// dashboard/: a page that shows how the relay is, and what it is made of. It changes nothing by itself: actions are the admin API's.

import { type Context, Hono, type MiddlewareHandler } from "hono";
import { html } from "hono/html";
import { HTTPException } from "hono/http-exception";
import type { Control, ControlResult, Requester } from "../control/api.ts";
import type { ClientEnv } from "../http/base.ts";
import { failureResponse } from "../http/failure.ts";
import { isOwnName } from "../http/own-name.ts";
import { readQuery } from "../http/parameters.ts";
import { errorResponse, shortened, XrpcError } from "../http/response.ts";
import type { Counters } from "../observe/counters.ts";
import { INTEGER_MAX } from "../protocol/limits.ts";
import { SERVER_NAME } from "../version.ts";
import { addAssets } from "./assets.ts";
import type { Html } from "./fragment.ts";
import { Fragments } from "./fragments.ts";
import { type DashboardLimits, limitRequests } from "./limits.ts";
import type { LiveStatus } from "./live.ts";
import { dashboardPage } from "./page.ts";
import {
	ACTION_PARAMETERS,
	CONSUMER_PARAMETERS,
	consumerQueryOf,
	HOST_PARAMETERS,
	hostQueryOf,
	LIVE_PARAMETERS,
	PAGE_PARAMETERS,
	PAGE_ROWS,
	WHY_PARAMETERS,
} from "./query.ts";
import { REJECTIONS_MAX } from "./tables.ts";
import {
	actionsFragment,
	consumersFragment,
	hostsFragment,
	rejectionsFragment,
	type TableView,
} from "./tables-view.ts";
import { durationText, timeText } from "./texts.ts";
import { type AskWhy, whyFragment } from "./why-view.ts";

export interface DashboardOptions {
	/** `operator`: with addresses, the audit log and actions. `public`: only what anybody may see. */
	audience: "operator" | "public";
	control: Pick<Control, "liveText" | "hostTable" | "consumerTable" | "recentRejections" | "actions">;
	/** Answers `/api/why`, by its path and query. */
	why(target: string, ip: string): Promise<Response>;
	/** Whether the admin API is on, at the same origin. */
	hasAdmin: boolean;
	/** Limits the requests of strangers. */
	limits?: DashboardLimits;
	counters: Counters;
	/** Monotonic milliseconds. */
	nowMs?: () => number;
}

const SECURITY_HEADERS: Readonly<Record<string, string>> = {
	Server: SERVER_NAME,
	"Content-Security-Policy":
		"default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'",
	"X-Content-Type-Options": "nosniff",
	"X-Frame-Options": "DENY",
	"Referrer-Policy": "no-referrer",
	"Cross-Origin-Resource-Policy": "same-origin",
	"Cross-Origin-Opener-Policy": "same-origin",
};

/**
 * Makes the app of the dashboard. Its answers have no CORS headers: a page of another origin can't read them, even in the browser of an
 * operator whom the internal port answers without a password.
 */
export function createDashboardApp(options: DashboardOptions): Hono<ClientEnv> {
	const app = new Hono<ClientEnv>();
	app.use(async (context, next) => {
		await next();
		for (const [name, value] of Object.entries(SECURITY_HEADERS)) context.header(name, value);
		for (const name of ["Access-Control-Allow-Origin", "Access-Control-Expose-Headers"])
			context.res.headers.delete(name);
		if (!context.res.headers.has("Cache-Control")) context.header("Cache-Control", "no-store");
	});
	if (options.audience === "operator") app.use(refuseOtherNames);
	if (options.limits !== undefined) app.use(limitRequests(options.limits));
	app.onError((error) => {
		if (error instanceof XrpcError) return error.toResponse();
		if (error instanceof HTTPException) return error.getResponse();
		return failureResponse(error, options.counters);
	});
	app.notFound((context) => errorResponse(404, "NotFound", `there is nothing at ${shortened(context.req.path)}`));
	const parts = new DashboardParts(options);
	app.get("/", async (context) => context.html(await parts.page(context)));
	app.get("/dashboard/live", async (context) => {
		const { since } = readQuery(LIVE_PARAMETERS, context);
		const { text } = granted(await options.control.liveText(since, parts.requester(context)));
		return context.body(text, 200, { "Content-Type": "application/json" });
	});
	app.get("/dashboard/why", async (context) => context.html(await parts.why(context)));
	const fragments = new Fragments(options.nowMs ?? (() => performance.now()));
	const addTable = (name: (typeof TABLES)[number]): void => {
		app.get(`/dashboard/${name}`, async (context) => {
			const { search } = new URL(context.req.url);
			return context.html(await fragments.text(`${name}${search}`, () => parts[name](context)));
		});
	};
	for (const name of TABLES) if (name !== "audit" || options.audience === "operator") addTable(name);
	addAssets(app);
	return app;
}

/** The parts of the page that are tables. */
const TABLES = ["hosts", "consumers", "rejections", "audit"] as const;

/** The internal port asks for no password. */
const refuseOtherNames: MiddlewareHandler = async ({ req }, next) => {
	if (isOwnName(req.header("Host"))) return next();
	const rule = "open the dashboard by an IP address, as localhost, or by a name that only your own network has";
	return errorResponse(421, "MisdirectedRequest", rule);
};

/** Makes the page's parts for a request. */
class DashboardParts {
	readonly #options: DashboardOptions;

	constructor(options: DashboardOptions) {
		this.#options = options;
	}

	requester({ env }: Context<ClientEnv>): Requester {
		return { admin: this.#isPrivate, ip: env.ip };
	}

	get #isPrivate(): boolean {
		return this.#options.audience === "operator";
	}

	get #view(): TableView {
		return { nowMs: Date.now(), hasActions: this.#isPrivate && this.#options.hasAdmin };
	}

	async page(context: Context<ClientEnv>): Promise<Html> {
		const { control, hasAdmin } = this.#options;
		const parameters = readQuery(PAGE_PARAMETERS, context);
		const { text } = granted(await control.liveText(INTEGER_MAX, this.requester(context)));
		// The text is this relay's own.
		const { status } = JSON.parse(text) as { status: LiveStatus };
		const orWhyNot = (part: Promise<Html>): Promise<Html> => part.catch(whyNot);
		const [why, hosts, consumers, rejections, audit] = await Promise.all([
			orWhyNot(this.why(context)),
			orWhyNot(this.hosts(context)),
			orWhyNot(this.consumers(context)),
			orWhyNot(this.rejections(context)),
			this.#isPrivate ? orWhyNot(this.audit(context)) : null,
		]);
		return dashboardPage({
			isPrivate: this.#isPrivate,
			hasAdmin,
			status,
			since: `${timeText(status.sinceMs)} UTC, for ${durationText(status.atMs - status.sinceMs)}`,
			hostQuery: hostQueryOf(parameters),
			subject: parameters.why,
			...{ why, hosts, consumers, rejections, audit },
		});
	}

	why(context: Context<ClientEnv>): Promise<Html> {
		const { why: subject } = readQuery(WHY_PARAMETERS, context);
		const ask: AskWhy = (target) => this.#options.why(target, context.env.ip);
		return whyFragment(subject, ask);
	}

	async hosts(context: Context<ClientEnv>): Promise<Html> {
		const query = hostQueryOf(readQuery(HOST_PARAMETERS, context));
		const { page } = granted(await this.#options.control.hostTable(query, this.requester(context)));
		return hostsFragment(page, query, this.#view);
	}

	async consumers(context: Context<ClientEnv>): Promise<Html> {
		const query = consumerQueryOf(readQuery(CONSUMER_PARAMETERS, context));
		const { page } = granted(await this.#options.control.consumerTable(query, this.requester(context)));
		return consumersFragment(page, query, this.#view);
	}

	async rejections(context: Context<ClientEnv>): Promise<Html> {
		const by = this.requester(context);
		const { rejections } = granted(await this.#options.control.recentRejections(REJECTIONS_MAX, by));
		return rejectionsFragment(rejections, this.#view);
	}

	async audit(context: Context<ClientEnv>): Promise<Html> {
		const { before } = readQuery(ACTION_PARAMETERS, context);
		const { actions } = granted(await this.#options.control.actions(before, PAGE_ROWS, this.requester(context)));
		return actionsFragment(actions, before === INTEGER_MAX, this.#view);
	}
}

/** @throws XrpcError with the refusal */
function granted<Value>(result: ControlResult<Value>): { ok: true } & Value {
	if (result.ok) return result;
	const { status, error, message } = result;
	throw new XrpcError(status, error, message);
}

/** What stands in a part's place if the relay refuses to tell it, as during a start. Other errors pass. */
function whyNot(error: unknown): Html {
	if (!(error instanceof XrpcError)) throw error;
	return html`<p class="none">Not now: ${error.message}</p>`;
}
