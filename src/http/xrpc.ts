import type { Hono, MiddlewareHandler } from "hono";
import type { Control } from "../control/api.ts";
import type { Health } from "../control/health.ts";
import type { Counters } from "../observe/counters.ts";
import { VERSION } from "../version.ts";
import { type ClientEnv, createBaseApp } from "./base.ts";
import { crawlHandler } from "./crawl.ts";
import { healthHandler } from "./health.ts";
import { READ_METHODS, SYNC } from "./reads.ts";
import { errorResponse, shortened } from "./response.ts";
import { WHY_PATH } from "./why.ts";

export interface XrpcAppOptions {
	/** Answers a read of the index, by its path and query. */
	read: (target: string, ip: string) => Promise<Response>;
	health: Health;
	control: Pick<Control, "requestCrawl">;
	/** Sees each request for a host, and its answer. */
	forward?: MiddlewareHandler<ClientEnv>;
	counters: Counters;
}

const LANDING = `standpipe ${VERSION}: an AT Protocol relay (https://atproto.com)

The firehose is a WebSocket at /xrpc/com.atproto.sync.subscribeRepos
`;

/** The public HTTP API of rulebook 5, except subscribeRepos, and the landing page. */
export function createXrpcApp({ read, health, control, forward, counters }: XrpcAppOptions): Hono<ClientEnv> {
	const app = createBaseApp(counters);
	const answerHealth = healthHandler(health);
	app.get("/", (context) => context.text(LANDING, 200, { "Content-Type": "text/plain; charset=utf-8" }));
	app.get("/_health", answerHealth);
	app.get("/xrpc/_health", answerHealth);
	for (const method of ["requestCrawl", "notifyOfUpdate"]) {
		if (forward !== undefined) app.use(`${SYNC}${method}`, forward);
		app.post(`${SYNC}${method}`, crawlHandler(control, false));
	}
	for (const path of [...READ_METHODS.map((method) => `${SYNC}${method}`), WHY_PATH]) {
		app.get(path, (context) => {
			const { pathname, search } = new URL(context.req.url);
			return read(`${pathname}${search}`, context.env.ip);
		});
	}
	refuseOthers(app);
	return app;
}

/**
 * Answers XRPC calls that no earlier route took: a method that we have, with the wrong verb, or a method that we don't have.
 */
function refuseOthers(app: Hono<ClientEnv>): void {
	const verbs = new Map(app.routes.filter(({ method }) => method !== "ALL").map(({ path, method }) => [path, method]));
	app.all("/xrpc/:method", (context) => {
		const verb = verbs.get(context.req.path);
		if (verb !== undefined) {
			return errorResponse(405, "InvalidRequest", `${context.req.param("method")} takes ${verb} only`, { Allow: verb });
		}
		return errorResponse(
			501,
			"MethodNotImplemented",
			`this relay has no method ${shortened(context.req.param("method"))}`,
		);
	});
}
