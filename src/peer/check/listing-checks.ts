import { expectParameterError } from "./answers.ts";
import { type CheckedRelay, HOSTS, listedOr, REPOS } from "./checked-relay.ts";
import { checkSinglePages, type Listing, type ListingKind } from "./listing.ts";
import type { Check } from "./rule.ts";
import { FailCheck, SkipCheck } from "./verdict.ts";

const LIMITS_REFUSED = ["0", "1001", "many"] as const;

function pagesOf<Row>(method: string, listing: (relay: CheckedRelay) => Promise<Listing<Row>>): Check {
	return {
		severity: "must",
		expected: `the pages of \`${method}\` list each row once and have at most \`limit\` rows; the last one has no cursor`,
		source: `lexicon: ${method}; rulebook 5`,
		async run(relay) {
			const { rows, pages, isComplete, fault } = await listedOr(listing(relay));
			if (fault !== null) throw new FailCheck(fault);
			return `${rows.length} rows, pages: ${pages}${isComplete ? ", to the end" : "; the end was not read"}`;
		},
	};
}

function singlesOf<Row>(
	method: string,
	kind: ListingKind<Row>,
	listing: (relay: CheckedRelay) => Promise<Listing<Row>>,
): Check {
	return {
		severity: "must",
		expected: `\`${method}\` with \`limit=1\` gives a row a page, and a cursor as long as rows follow`,
		source: `lexicon: ${method}; rulebook 5`,
		async run(relay) {
			const { rows } = await listedOr(listing(relay));
			if (rows.length < 2) throw new SkipCheck("fewer than two rows are listed");
			return `${await checkSinglePages(relay.client, kind, rows)} pages of one row`;
		},
	};
}

function limitsOf({ path }: { path: string }, method: string): Check {
	return {
		severity: "must",
		expected: `\`${method}\` answers 400 \`InvalidRequest\` or \`BadRequest\` to a \`limit\` below 1, above 1,000, or that is no number`,
		source: `lexicon: ${method}; rulebook 5`,
		async run({ client }) {
			for (const limit of LIMITS_REFUSED) expectParameterError(await client.get(path, { limit }));
			return `requests refused: ${LIMITS_REFUSED.length}`;
		},
	};
}

const hosts = (relay: CheckedRelay) => relay.hosts();
const repos = (relay: CheckedRelay) => relay.repos();

export const LISTING_CHECKS = {
	"list-hosts": {
		severity: "must",
		expected:
			"`listHosts` gives rows with `hostname`, and `seq`, `accountCount` and a known `status` if they are there",
		source: "lexicon: listHosts; rulebook 5",
		run: async (relay) => `${(await relay.hosts()).rows.length} hosts`,
	},
	"list-hosts-pages": pagesOf("listHosts", hosts),
	"list-hosts-single": singlesOf("listHosts", HOSTS, hosts),
	"list-hosts-limits": limitsOf(HOSTS, "listHosts"),
	"list-repos": {
		severity: "must",
		expected: "`listRepos` gives rows with a `did`, the CID of the commit as `head`, and a `rev`",
		source: "lexicon: listRepos; rulebook 5",
		run: async (relay) => `${(await relay.repos()).rows.length} repos`,
	},
	"list-repos-pages": pagesOf("listRepos", repos),
	"list-repos-single": singlesOf("listRepos", REPOS, repos),
	"list-repos-limits": limitsOf(REPOS, "listRepos"),
} as const satisfies Record<string, Check>;
