import * as v from "valibot";
import {
	CONSUMER_SORTS,
	type ConsumerSort,
	HOST_SORTS,
	type HostQuery,
	type HostSort,
	type PageQuery,
} from "../control/dashboard.ts";
import { INTEGER_MAX } from "../protocol/limits.ts";

/** Rows of a page of each table. */
export const PAGE_ROWS = 50;
const PAGE_MAX = 10_000;
/** A part of a host's name. */
const SEARCH_CHARS_MAX = 253;
/** A DID, a handle or a host. */
const SUBJECT_CHARS_MAX = 2_048;

export const HOST_STATUSES = ["active", "idle", "offline", "throttled", "banned"] as const;

function page(name: string) {
	const rule = `\`${name}\` must be a page's number, from 1`;
	return v.pipe(
		v.optional(v.string(), "1"),
		v.regex(/^[1-9]\d{0,4}$/, rule),
		v.transform(Number),
		v.maxValue(PAGE_MAX, rule),
	);
}

/** The name of a column, with a minus before it for the greatest first. */
function order<const Names extends readonly string[]>(name: string, names: Names, byDefault: string) {
	const rule = `\`${name}\` must be one of ${names.join(", ")}, with or without a minus before it`;
	const isName = (text: string): text is Names[number] => names.some((one) => one === text);
	return v.pipe(
		v.optional(v.string(), byDefault),
		v.transform((text) => ({ sort: text.replace(/^-/, ""), descending: text.startsWith("-") })),
		v.check(({ sort }) => isName(sort), rule),
		v.transform(({ sort, descending }) => ({ sort: sort as Names[number], descending })),
	);
}

const HOST_FIELDS = {
	q: v.optional(v.pipe(v.string(), v.maxLength(SEARCH_CHARS_MAX, "`q` is too long"), v.trim()), ""),
	state: v.optional(v.picklist(["", ...HOST_STATUSES], "`state` must be a host's state"), ""),
	sort: order("sort", HOST_SORTS, "-rate"),
	page: page("page"),
};
const CONSUMER_FIELDS = {
	csort: order("csort", CONSUMER_SORTS, "-lag"),
	cpage: page("cpage"),
};
const BEFORE_RULE = "`before` must be a line's number";
const ACTION_FIELDS = {
	before: v.pipe(
		v.optional(v.string(), ""),
		v.regex(/^\d{0,16}$/, BEFORE_RULE),
		v.transform((text) => (text === "" ? INTEGER_MAX : Number(text))),
		v.maxValue(INTEGER_MAX, BEFORE_RULE),
	),
};
const WHY_FIELDS = {
	why: v.optional(v.pipe(v.string(), v.maxLength(SUBJECT_CHARS_MAX, "`why` is too long"), v.trim()), ""),
};

/** What a fragment of the page is asked for by. The page as a whole takes all of it. */
export const HOST_PARAMETERS = v.object(HOST_FIELDS);
export const CONSUMER_PARAMETERS = v.object(CONSUMER_FIELDS);
export const ACTION_PARAMETERS = v.object(ACTION_FIELDS);
export const WHY_PARAMETERS = v.object(WHY_FIELDS);
export const PAGE_PARAMETERS = v.object({ ...HOST_FIELDS, ...CONSUMER_FIELDS, ...ACTION_FIELDS, ...WHY_FIELDS });
const SINCE_RULE = "`since` must be a time in Unix ms";
export const LIVE_PARAMETERS = v.object({
	since: v.pipe(v.optional(v.string(), "0"), v.regex(/^\d{1,16}$/, SINCE_RULE), v.transform(Number)),
});

type HostParameters = v.InferOutput<typeof HOST_PARAMETERS>;
type ConsumerParameters = v.InferOutput<typeof CONSUMER_PARAMETERS>;

export function hostQueryOf({ q, state, sort, page }: HostParameters): HostQuery {
	return { search: q, status: state === "" ? null : state, ...sort, offset: (page - 1) * PAGE_ROWS, limit: PAGE_ROWS };
}

export function consumerQueryOf({ csort, cpage }: ConsumerParameters): PageQuery<ConsumerSort> {
	return { ...csort, offset: (cpage - 1) * PAGE_ROWS, limit: PAGE_ROWS };
}

/** The parameters that lead to a page of hosts. */
export function hostParameters({ search, status, sort, descending, offset }: HostQuery): URLSearchParams {
	return new URLSearchParams({
		...(search === "" ? {} : { q: search }),
		...(status === null ? {} : { state: status }),
		sort: orderText(sort, descending),
		page: String(Math.floor(offset / PAGE_ROWS) + 1),
	});
}

export function consumerParameters({ sort, descending, offset }: PageQuery<ConsumerSort>): URLSearchParams {
	return new URLSearchParams({ csort: orderText(sort, descending), cpage: String(Math.floor(offset / PAGE_ROWS) + 1) });
}

export function orderText(sort: HostSort | ConsumerSort, descending: boolean): string {
	return `${descending ? "-" : ""}${sort}`;
}
