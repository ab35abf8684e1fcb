import { mainSchema as getHostStatusLexicon } from "@atcute/atproto/types/sync/getHostStatus";
import { mainSchema as getLatestCommitLexicon } from "@atcute/atproto/types/sync/getLatestCommit";
import { mainSchema as getRepoLexicon } from "@atcute/atproto/types/sync/getRepo";
import { mainSchema as getRepoStatusLexicon } from "@atcute/atproto/types/sync/getRepoStatus";
import { mainSchema as listHostsLexicon } from "@atcute/atproto/types/sync/listHosts";
import { mainSchema as listReposLexicon } from "@atcute/atproto/types/sync/listRepos";
import { toString as cidToString, decode } from "@atcute/cid";
import type { Context, Hono, MiddlewareHandler } from "hono";
import { effectiveStatus, isKnown, isListed } from "../account/status.ts";
import type { Account, Host, IndexReader } from "../index/store.ts";
import { networkOf } from "../net/network.ts";
import type { Counters } from "../observe/counters.ts";
import { counter } from "../observe/metric.ts";
import type { RateLimit } from "../runtime/rate-limit.ts";
import { type ClientEnv, createBaseApp } from "./base.ts";
import { readParameters } from "./lexicon.ts";
import { readPage } from "./listing.ts";
import { check, hostnameParameter, pageCursorParameter } from "./parameters.ts";
import { errorResponse, XrpcError } from "./response.ts";
import { addWhyRoute, WHY_READS, type WhyOptions } from "./why.ts";

const httpRateLimited = counter(
	"http_rate_limited_total",
	"HTTP requests refused because their address made too many",
	"If wanted clients are refused, raise `RELAY_MAX_READS_PER_IP`; behind a proxy set `RELAY_TRUST_PROXY`.",
);

export interface ReadsAppOptions {
	index: IndexReader;
	counters: Counters;
	/** Limits the requests of each address. */
	rateLimit: RateLimit;
	why: Omit<WhyOptions, "charge">;
}

/** Prefix of the methods' paths. */
export const SYNC = "/xrpc/com.atproto.sync.";
/** The methods that read the index, all by GET. */
export const READ_METHODS = [
	"listHosts",
	"getHostStatus",
	"listRepos",
	"getRepoStatus",
	"getLatestCommit",
	"getRepo",
] as const;

type Read = (context: Context, index: IndexReader) => Promise<Response>;

const READS: Record<(typeof READ_METHODS)[number], Read> = {
	listHosts,
	getHostStatus,
	listRepos,
	getRepoStatus,
	getLatestCommit,
	getRepo,
};

const GET_REPO_PATH = `${SYNC}getRepo`;

/** Error names for accounts that are not active. Any other status gives `RepoInactive` [L, I]. */
const INACTIVE_ERRORS: ReadonlyMap<string | undefined, string> = new Map([
	["takendown", "RepoTakendown"],
	["suspended", "RepoSuspended"],
	["deactivated", "RepoDeactivated"],
	["deleted", "RepoDeleted"],
]);

/** The part of rulebook 5's HTTP API that reads the index. It runs on a thread of its own, so slow reads delay no consumer. */
export function createReadsApp({ index, counters, rateLimit, why }: ReadsAppOptions): Hono<ClientEnv> {
	const app = createBaseApp(counters);
	app.use(limitRate(rateLimit, counters));
	for (const method of READ_METHODS) app.get(`${SYNC}${method}`, (context) => READS[method](context, index));
	addWhyRoute(app, {
		...why,
		charge(client) {
			for (let reads = 1; reads < WHY_READS; reads++) rateLimit.charge(client);
		},
	});
	return app;
}

function limitRate(rateLimit: RateLimit, counters: Counters): MiddlewareHandler<ClientEnv> {
	return async (context, next) => {
		const waitMs = rateLimit.take(networkOf(context.env.ip));
		if (waitMs === 0) return next();
		counters.add(httpRateLimited);
		return errorResponse(429, "RateLimitExceeded", "too many requests from your address", {
			"Retry-After": String(Math.ceil(waitMs / 1000)),
		});
	};
}

async function listHosts(context: Context, index: IndexReader): Promise<Response> {
	const { limit, ...place } = readParameters(listHostsLexicon, context);
	const afterId = afterIdOf(place);
	const { rows, cursor } = await readPage(
		(after, count) => index.hosts(after, count),
		// A host that has never sent a message may not be a PDS.
		(host) => host.cursor !== null,
		afterId,
		limit,
	);
	return context.json({ cursor, hosts: rows.map(describeHost) });
}

async function getHostStatus(context: Context, index: IndexReader): Promise<Response> {
	const { hostname } = readParameters(getHostStatusLexicon, context);
	const host = await index.hostByName(check(hostnameParameter, hostname).toLowerCase());
	if (host === null) throw new XrpcError(404, "HostNotFound", "this relay does not know the host");
	return context.json(describeHost(host));
}

function describeHost({ hostname, cursor, accountCount, status }: Host) {
	return { hostname, seq: cursor ?? undefined, accountCount, status };
}

async function listRepos(context: Context, index: IndexReader): Promise<Response> {
	const { limit, ...place } = readParameters(listReposLexicon, context);
	const afterId = afterIdOf(place);
	const { rows, cursor } = await readPage(
		(after, count) => index.repos(after, count),
		(account) => isListed(account),
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
	const account = await findAccount(readParameters(getRepoStatusLexicon, context), index);
	const status = effectiveStatus(account);
	return context.json({ did: account.did, ...status, rev: status.active ? headOf(account)?.rev : undefined });
}

async function getLatestCommit(context: Context, index: IndexReader): Promise<Response> {
	const account = await findAccount(readParameters(getLatestCommitLexicon, context), index);
	refuseInactive(account);
	const head = headOf(account);
	if (head === null) throw new XrpcError(404, "RepoNotSynchronized", "no commit of this account was seen yet");
	return context.json(head);
}

/** A relay keeps no repos, so it redirects the caller to the PDS, with the same query. */
async function getRepo(context: Context, index: IndexReader): Promise<Response> {
	const account = await findAccount(readParameters(getRepoLexicon, context), index);
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

/** Where a listing begins. */
function afterIdOf({ cursor }: { cursor?: string | undefined }): number {
	return check(pageCursorParameter, cursor);
}

async function findAccount({ did }: { did: string }, index: IndexReader): Promise<Account> {
	const account = await index.account(did);
	if (account === null || !isKnown(account))
		throw new XrpcError(404, "RepoNotFound", "this relay does not know the account");
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
