import { toString as cidToString, decode } from "@atcute/cid";
import type { Context, Hono } from "hono";
import * as v from "valibot";
import type { Account, Host, IndexReader } from "../index/store.ts";
import type { Counters } from "../observe/counters.ts";
import { isDid } from "../protocol/syntax.ts";
import { effectiveStatus } from "./account-status.ts";
import { type ClientEnv, createBaseApp } from "./base.ts";
import { crawlHandler, type RequestCrawl } from "./crawl.ts";
import { readPage } from "./listing.ts";
import { hostnameParameter, limitParameter, pageCursorParameter, readQuery } from "./parameters.ts";
import { errorResponse, shortened, XrpcError } from "./response.ts";
import { VERSION } from "./version.ts";

export interface XrpcAppOptions {
	index: IndexReader;
	requestCrawl: RequestCrawl;
	counters: Counters;
}

const SYNC = "/xrpc/com.atproto.sync.";
const GET_REPO_PATH = `${SYNC}getRepo`;

const LIST_HOSTS_QUERY = v.object({ limit: limitParameter(200), cursor: pageCursorParameter });
const LIST_REPOS_QUERY = v.object({ limit: limitParameter(500), cursor: pageCursorParameter });
const HOST_QUERY = v.object({ hostname: hostnameParameter }, "`hostname` is required");
const DID_QUERY = v.object(
	{
		did: v.pipe(v.string(), v.check(isDid, "`did` must be a DID, such as did:plc:ewvi7nxzyoun6zhxrhs64oiz")),
	},
	"`did` is required",
);

/** Error names for accounts that are not active; whatever else a status says is `RepoInactive` [L, I]. */
const INACTIVE_ERRORS: ReadonlyMap<string | undefined, string> = new Map([
	["takendown", "RepoTakendown"],
	["suspended", "RepoSuspended"],
	["deactivated", "RepoDeactivated"],
	["deleted", "RepoDeleted"],
]);

const LANDING = `standpipe ${VERSION}: an AT Protocol relay (https://atproto.com)

The firehose is a WebSocket at /xrpc/com.atproto.sync.subscribeRepos
`;

/** The public HTTP API of rulebook 5, but for subscribeRepos, and the landing page. */
export function createXrpcApp({ index, requestCrawl, counters }: XrpcAppOptions): Hono<ClientEnv> {
	const app = createBaseApp(counters);
	app.get("/", (context) => context.text(LANDING, 200, { "Content-Type": "text/plain; charset=utf-8" }));
	app.get("/_health", (context) => health(context, index));
	app.get("/xrpc/_health", (context) => health(context, index));
	for (const method of ["requestCrawl", "notifyOfUpdate"]) {
		app.post(`${SYNC}${method}`, crawlHandler(requestCrawl, false));
	}
	app.get(`${SYNC}listHosts`, (context) => listHosts(context, index));
	app.get(`${SYNC}getHostStatus`, (context) => getHostStatus(context, index));
	app.get(`${SYNC}listRepos`, (context) => listRepos(context, index));
	app.get(`${SYNC}getRepoStatus`, (context) => getRepoStatus(context, index));
	app.get(`${SYNC}getLatestCommit`, (context) => getLatestCommit(context, index));
	app.get(GET_REPO_PATH, (context) => getRepo(context, index));
	refuseOthers(app);
	return app;
}

/** Answers XRPC calls that no route before took: of a method we have, by the wrong verb, or of one that we don't. */
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

async function health(context: Context, index: IndexReader): Promise<Response> {
	try {
		await index.checkpoint();
	} catch {
		return errorResponse(503, "Unhealthy", "the index does not answer");
	}
	return context.json({ status: "ok", version: VERSION });
}

async function listHosts(context: Context, index: IndexReader): Promise<Response> {
	const { limit, cursor: afterId } = readQuery(LIST_HOSTS_QUERY, context);
	const { rows, cursor } = await readPage(
		(after, count) => index.hosts(after, count),
		// A host that never sent a message may be no PDS at all.
		(host) => host.cursor !== null,
		afterId,
		limit,
	);
	return context.json({ cursor, hosts: rows.map(describeHost) });
}

async function getHostStatus(context: Context, index: IndexReader): Promise<Response> {
	const { hostname } = readQuery(HOST_QUERY, context);
	const host = await index.hostByName(hostname.toLowerCase());
	if (host === null) throw new XrpcError(404, "HostNotFound", "this relay does not know the host");
	return context.json(describeHost(host));
}

function describeHost({ hostname, cursor, accountCount, status }: Host) {
	return { hostname, seq: cursor ?? undefined, accountCount, status };
}

async function listRepos(context: Context, index: IndexReader): Promise<Response> {
	const { limit, cursor: afterId } = readQuery(LIST_REPOS_QUERY, context);
	const { rows, cursor } = await readPage(
		(after, count) => index.repos(after, count),
		(account) => effectiveStatus(account).active,
		afterId,
		limit,
	);
	const repos = rows.map((account) => ({
		did: account.did,
		head: headOf(account)?.cid,
		rev: account.rev,
		...effectiveStatus(account),
	}));
	return context.json({ cursor, repos });
}

async function getRepoStatus(context: Context, index: IndexReader): Promise<Response> {
	const account = await findAccount(context, index);
	const status = effectiveStatus(account);
	return context.json({ did: account.did, ...status, rev: status.active ? headOf(account)?.rev : undefined });
}

async function getLatestCommit(context: Context, index: IndexReader): Promise<Response> {
	const account = await findAccount(context, index);
	refuseInactive(account);
	const head = headOf(account);
	if (head === null) throw new XrpcError(404, "RepoNotSynchronized", "no commit of this account was seen yet");
	return context.json(head);
}

/** A relay keeps no repos: it sends the caller to the PDS, query and all. */
async function getRepo(context: Context, index: IndexReader): Promise<Response> {
	const account = await findAccount(context, index);
	refuseInactive(account);
	const identity = await index.identity(account.did);
	const origin = identity?.pds ?? (await hostOrigin(account.host, index));
	if (origin === null) throw new XrpcError(404, "RepoNotFound", "the account's PDS is not known");
	const target = new URL(GET_REPO_PATH, origin);
	target.search = new URL(context.req.url).search;
	return context.redirect(target.href, 302);
}

async function hostOrigin(hostId: number, index: IndexReader): Promise<string | null> {
	const [host] = await index.hosts(hostId - 1, 1);
	if (host?.id !== hostId) return null;
	return `${host.insecure ? "http" : "https"}://${host.hostname}`;
}

async function findAccount(context: Context, index: IndexReader): Promise<Account> {
	const { did } = readQuery(DID_QUERY, context);
	const account = await index.account(did);
	if (account === null) throw new XrpcError(404, "RepoNotFound", "this relay does not know the account");
	return account;
}

function refuseInactive(account: Account): void {
	const { active, status } = effectiveStatus(account);
	if (active) return;
	const error = INACTIVE_ERRORS.get(status) ?? "RepoInactive";
	throw new XrpcError(403, error, `the account is not active${status === undefined ? "" : `: ${status}`}`);
}

function headOf({ commit, rev }: Account): { cid: string; rev: string } | null {
	return commit === null || rev === null ? null : { cid: cidToString(decode(commit)), rev };
}
