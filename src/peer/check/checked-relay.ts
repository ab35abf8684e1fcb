import * as v from "valibot";
import { HOSTNAME_CHARS_MAX, STATUS_CHARS_MAX } from "../../protocol/limits.ts";
import { isDid, isTid } from "../../protocol/syntax.ts";
import { Client, type ClientOptions, SYNC_PATH } from "./client.ts";
import { type Listing, type ListingKind, type ListingLimits, readListing } from "./listing.ts";
import { FailCheck, SkipCheck } from "./verdict.ts";
import type { StreamRecord } from "./watch.ts";
import { watchStream } from "./watch.ts";

/** The statuses of the lexicon. */
const HOST_STATUSES = ["active", "idle", "offline", "throttled", "banned"] as const;
/** A CID of a commit: base32, CIDv1, dag-cbor, sha-256. */
export const COMMIT_CID = /^bafyrei[a-z2-7]{52}$/;

export const HOST = v.object({
	hostname: v.pipe(v.string(), v.nonEmpty(), v.maxLength(HOSTNAME_CHARS_MAX + 6)),
	seq: v.optional(v.pipe(v.number(), v.integer())),
	accountCount: v.optional(v.pipe(v.number(), v.integer(), v.minValue(0))),
	status: v.optional(v.picklist(HOST_STATUSES)),
});
export type Host = v.InferOutput<typeof HOST>;

const REPO = v.object({
	did: v.pipe(v.string(), v.check(isDid, "not a DID")),
	head: v.pipe(v.string(), v.regex(COMMIT_CID, "not the CID of a commit")),
	rev: v.pipe(v.string(), v.check(isTid, "not a TID")),
	active: v.optional(v.boolean()),
	// All rows of all pages are kept.
	status: v.optional(v.pipe(v.string(), v.maxLength(STATUS_CHARS_MAX))),
});
export type Repo = v.InferOutput<typeof REPO>;

export const HOSTS: ListingKind<Host> = {
	path: `${SYNC_PATH}listHosts`,
	page: v.pipe(
		v.object({ cursor: v.optional(v.string()), hosts: v.array(HOST) }),
		v.transform(({ cursor, hosts }) => ({ cursor, rows: hosts })),
	),
	keyOf: ({ hostname }) => hostname,
};
export const REPOS: ListingKind<Repo> = {
	path: `${SYNC_PATH}listRepos`,
	page: v.pipe(
		v.object({ cursor: v.optional(v.string()), repos: v.array(REPO) }),
		v.transform(({ cursor, repos }) => ({ cursor, rows: repos })),
	),
	keyOf: ({ did }) => did,
};

export interface CheckOptions extends ClientOptions, ListingLimits {
	/** How long the firehose is watched at most. */
	streamMs: number;
	/** An account that is known not to be active there; null to look for one in the listing. */
	inactiveDid: string | null;
}

/** The relay that is checked, and what was already seen of it, so that several checks can judge it. */
export class CheckedRelay {
	readonly client: Client;
	readonly options: CheckOptions;
	#hosts: Promise<Listing<Host>> | null = null;
	#repos: Promise<Listing<Repo>> | null = null;
	#stream: Promise<StreamRecord> | null = null;

	constructor(options: CheckOptions) {
		this.options = options;
		this.client = new Client(options);
	}

	/** @throws FailCheck if the listing can't be read */
	hosts(): Promise<Listing<Host>> {
		this.#hosts ??= readListing(this.client, HOSTS, this.options);
		return this.#hosts;
	}

	/** @throws FailCheck if the listing can't be read */
	repos(): Promise<Listing<Repo>> {
		this.#repos ??= readListing(this.client, REPOS, this.options);
		return this.#repos;
	}

	/** What came from the firehose. */
	stream(): Promise<StreamRecord> {
		this.#stream ??= watchStream(this.options);
		return this.#stream;
	}

	/** A host that is listed. @throws SkipCheck if there is none */
	async anyHost(): Promise<Host> {
		const [host] = (await listedOr(this.hosts())).rows;
		if (host === undefined) throw new SkipCheck("no host is listed");
		return host;
	}

	/** A repo that is listed as active. @throws SkipCheck if there is none */
	async activeRepo(): Promise<Repo> {
		const repo = (await listedOr(this.repos())).rows.find(({ active }) => active !== false);
		if (repo === undefined) throw new SkipCheck("no active repo is listed");
		return repo;
	}

	/** An account that is not active. @throws SkipCheck if none is known */
	async inactiveDid(): Promise<string> {
		const { inactiveDid } = this.options;
		if (inactiveDid !== null) return inactiveDid;
		const repo = (await listedOr(this.repos())).rows.find(({ active }) => active === false);
		if (repo === undefined) throw new SkipCheck("no inactive repo is listed");
		return repo.did;
	}
}

/** Other checks judge the listing itself. @throws SkipCheck if it can't be read */
export async function listedOr<Row>(listing: Promise<Listing<Row>>): Promise<Listing<Row>> {
	try {
		return await listing;
	} catch (error) {
		throw error instanceof FailCheck ? new SkipCheck("the listing can't be read") : error;
	}
}
