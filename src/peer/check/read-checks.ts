import * as v from "valibot";
import { isTid } from "../../protocol/syntax.ts";
import { ERRORS_SOURCE, errorName, expectError, expectParameterError, okBody } from "./answers.ts";
import { COMMIT_CID, HOST } from "./checked-relay.ts";
import { type Answer, SYNC_PATH } from "./client.ts";
import type { Check } from "./rule.ts";
import { FailCheck } from "./verdict.ts";

/** Names that nobody can have: the first is reserved, the other is not the hash of any operation. */
const NO_HOST = "no-such-host.invalid";
const NO_DID = "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa";
/** The names for an account that is known and not active, of the lexicon and of implementations. */
const INACTIVE_ERRORS = [
	"RepoTakendown",
	"RepoSuspended",
	"RepoDeactivated",
	"RepoDeleted",
	"RepoInactive",
	"RepoNotSynchronized",
	"RepoNotFound",
] as const;

const REPO_STATUS = v.object({
	did: v.string(),
	active: v.boolean(),
	status: v.optional(v.string()),
	rev: v.optional(v.pipe(v.string(), v.check(isTid, "not a TID"))),
});
const LATEST_COMMIT = v.object({
	cid: v.pipe(v.string(), v.regex(COMMIT_CID, "not the CID of a commit")),
	rev: v.pipe(v.string(), v.check(isTid, "not a TID")),
});

/** A read of one subject that the relay may not know. */
function unknownIs(method: string, parameter: Readonly<Record<string, string>>, name: string): Check {
	const [subject = ""] = Object.keys(parameter);
	return {
		severity: "must",
		expected: `\`${method}\` answers \`${name}\` for a ${subject} that the relay does not know`,
		source: `lexicon: ${method}; rulebook 5`,
		async run({ client }) {
			expectError(await client.get(`${SYNC_PATH}${method}`, parameter), [name]);
			return name;
		},
	};
}

/** Requests without the parameter, and with malformed ones. */
function refuses(method: string, name: string, malformed: readonly string[]): Check {
	return {
		severity: "must",
		expected: `\`${method}\` answers 400 \`InvalidRequest\` or \`BadRequest\` without \`${name}\`${malformed.length === 0 ? "" : ", and if it is malformed"}`,
		source: ERRORS_SOURCE,
		async run({ client }) {
			const all = [{}, ...malformed.map((value) => ({ [name]: value }))];
			for (const parameters of all) expectParameterError(await client.get(`${SYNC_PATH}${method}`, parameters));
			return `requests refused: ${all.length}`;
		},
	};
}

export const READ_CHECKS = {
	"host-status": {
		severity: "must",
		expected: "`getHostStatus` gives a listed host under its name",
		source: "lexicon: getHostStatus; rulebook 5",
		async run(relay) {
			const { hostname } = await relay.anyHost();
			const host = okBody(HOST, await relay.client.get(`${SYNC_PATH}getHostStatus`, { hostname }));
			if (host.hostname !== hostname) throw new FailCheck(`${host.hostname}, not ${hostname}`);
			return `${hostname} ${host.status ?? ""}`;
		},
	},
	"host-status-unknown": unknownIs("getHostStatus", { hostname: NO_HOST }, "HostNotFound"),
	"host-status-parameters": refuses("getHostStatus", "hostname", []),
	"repo-status": {
		severity: "must",
		expected: "`getRepoStatus` gives a listed repo under its DID, active",
		source: "lexicon: getRepoStatus; rulebook 5",
		async run(relay) {
			const { did } = await relay.activeRepo();
			const status = okBody(REPO_STATUS, await relay.client.get(`${SYNC_PATH}getRepoStatus`, { did }));
			if (status.did !== did) throw new FailCheck(`${status.did}, not ${did}`);
			if (!status.active && status.status === undefined) throw new FailCheck(`${did} is inactive without a status`);
			return `${did} ${status.status ?? "active"}`;
		},
	},
	"repo-status-unknown": unknownIs("getRepoStatus", { did: NO_DID }, "RepoNotFound"),
	"repo-status-parameters": refuses("getRepoStatus", "did", ["nobody"]),
	"latest-commit": {
		severity: "must",
		expected: "`getLatestCommit` gives the CID and rev of a listed repo's commit, not older than the list has",
		source: "lexicon: getLatestCommit; rulebook 5",
		async run(relay) {
			const { did, rev } = await relay.activeRepo();
			const commit = okBody(LATEST_COMMIT, await relay.client.get(`${SYNC_PATH}getLatestCommit`, { did }));
			if (commit.rev < rev) throw new FailCheck(`rev ${commit.rev}, although ${rev} is listed`);
			return `${did} at ${commit.rev}`;
		},
	},
	"latest-commit-unknown": unknownIs("getLatestCommit", { did: NO_DID }, "RepoNotFound"),
	"latest-commit-parameters": refuses("getLatestCommit", "did", ["nobody"]),
	"latest-commit-inactive": inactive("getLatestCommit", "must"),
	"get-repo": {
		severity: "must",
		expected: "`getRepo` redirects to the account's PDS with the same query, or gives a CAR",
		source: "lexicon: getRepo; rulebook 5",
		async run(relay) {
			const { did } = await relay.activeRepo();
			return checkRepo(did, await relay.client.get(`${SYNC_PATH}getRepo`, { did }));
		},
	},
	"get-repo-unknown": unknownIs("getRepo", { did: NO_DID }, "RepoNotFound"),
	"get-repo-parameters": refuses("getRepo", "did", ["nobody"]),
	"get-repo-inactive": inactive("getRepo", "should"),
} as const satisfies Record<string, Check>;

function inactive(method: string, severity: Check["severity"]): Check {
	return {
		severity,
		expected: `\`${method}\` refuses a repo that is not active, with the name of the reason`,
		source: `lexicon: ${method}; rulebook 5`,
		async run(relay) {
			const did = await relay.inactiveDid();
			const answer = await relay.client.get(`${SYNC_PATH}${method}`, { did });
			expectError(answer, INACTIVE_ERRORS);
			return errorName(answer);
		},
	};
}

function checkRepo(did: string, { asked, status, headers }: Answer): string {
	const type = headers.get("content-type") ?? "";
	if (status === 200 && type.startsWith("application/vnd.ipld.car")) return "a CAR";
	if (status !== 302 && status !== 307) throw new FailCheck(`${asked}: HTTP ${status}, no redirect`);
	const location = URL.parse(headers.get("location") ?? "");
	if (location?.pathname !== `${SYNC_PATH}getRepo` || location.searchParams.get("did") !== did)
		throw new FailCheck(`${asked}: the redirect leads to ${headers.get("location")}`);
	return `to ${location.host}`;
}
