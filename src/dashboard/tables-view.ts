import { html } from "hono/html";
import type {
	ConsumerRow,
	ConsumerSort,
	HostQuery,
	HostRow,
	HostSort,
	PageQuery,
	TablePage,
} from "../control/dashboard.ts";
import type { LastRejection } from "../control/why.ts";
import type { StoredAction } from "../index/store.ts";
import { REJECTION_REASONS } from "../protocol/reasons.ts";
import { type Column, framedTable, type Html, pager, tableHead, time } from "./fragment.ts";
import { consumerParameters, hostParameters, PAGE_ROWS } from "./query.ts";
import { bytesText, countText, durationText, rateText, relativeText } from "./texts.ts";

/** How a table is shown. */
export interface TableView {
	/** Unix ms. */
	nowMs: number;
	/** Whether there are buttons for what an admin may do. */
	hasActions: boolean;
}

const HOST_COLUMNS: readonly Column<HostSort>[] = [
	{ label: "Host", sort: "name" },
	{ label: "State", sort: "state", greatestFirst: true },
	{ label: "Events", sort: "rate", greatestFirst: true, isNumber: true },
	{ label: "Accounts of limit", sort: "accounts", greatestFirst: true, isNumber: true },
	{ label: "Delay", sort: "delay", greatestFirst: true, isNumber: true },
	{ label: "Next attempt", sort: "next" },
	{ label: "Reason", sort: null },
];

/** The hosts that match a query. */
export function hostsFragment(page: TablePage<HostRow>, query: HostQuery, view: TableView): Html {
	const href = (changes: Partial<HostQuery>): string => `?${hostParameters({ ...query, ...changes })}#hosts`;
	const columns = view.hasActions ? [...HOST_COLUMNS, { label: "Actions", sort: null }] : HOST_COLUMNS;
	const head = tableHead(columns, {
		...query,
		href: (sort, descending) => href({ sort, descending, offset: 0 }),
	});
	const rows = page.rows.map((row) => hostRow(row, view));
	const none = page.known === 0 ? "No host is known yet." : "No host matches.";
	return html`${framedTable("Hosts", head, rows, columns.length, none)}
${pager("hosts", page, query.offset, (offset) => href({ offset }))}`;
}

function hostRow(row: HostRow, { nowMs, hasActions }: TableView): Html {
	const { hostname, status, reason, nextAttemptMs, perS, accounts, waiting, accountLimit, delayedMs } = row;
	const waits = waiting > 0 ? html` <span class="warning">+${countText(waiting)} wait</span>` : "";
	const next = nextAttemptMs === null ? "–" : time(nextAttemptMs, relativeText(nextAttemptMs, nowMs));
	return html`<tr>
<th scope="row"><a href="?${new URLSearchParams({ why: hostname })}#why">${hostname}</a></th>
<td><span class="badge ${status}">${status}</span></td>
<td class="number">${perS === null ? "–" : rateText(perS)}</td>
<td class="number">${countText(accounts)} / ${accountLimit === null ? "any" : countText(accountLimit)}${waits}</td>
<td class="number">${delayedMs === null ? "–" : durationText(delayedMs)}</td>
<td>${next}</td>
<td class="long">${reason}</td>
${hasActions ? hostActions(hostname, status === "banned") : ""}</tr>`;
}

function hostActions(hostname: string, isBanned: boolean): Html {
	const actions = isBanned ? ["unblock", "limits"] : ["requestCrawl", "block", "limits", "resetCursor"];
	const labels: Readonly<Record<string, string>> = {
		requestCrawl: "Crawl",
		block: "Block",
		unblock: "Unblock",
		limits: "Limits",
		resetCursor: "Cursor",
	};
	const buttons = actions.map(
		(action) =>
			html`<button type="button" data-action="${action}" data-subject="${hostname}" aria-label="${labels[action]} ${hostname}">${labels[action]}</button>`,
	);
	return html`<td class="actions">${buttons}</td>`;
}

const CONSUMER_COLUMNS: readonly Column<ConsumerSort>[] = [
	{ label: "Lag", sort: "lag", greatestFirst: true, isNumber: true },
	{ label: "Rate", sort: "rate", greatestFirst: true, isNumber: true },
	{ label: "Sent", sort: "sent", greatestFirst: true, isNumber: true },
	{ label: "Connected for", sort: "connected", isNumber: true },
	{ label: "Stream", sort: null },
];

/** The consumers. Who they are is shown if the rows say it. */
export function consumersFragment(
	page: TablePage<ConsumerRow>,
	query: PageQuery<ConsumerSort>,
	{ nowMs, hasActions }: TableView,
): Html {
	const isPrivate = hasActions || page.rows.some(({ ip }) => ip !== null);
	const href = (changes: Partial<PageQuery<ConsumerSort>>): string =>
		`?${consumerParameters({ ...query, ...changes })}#consumers`;
	const columns = [
		{ label: isPrivate ? "Address" : "Consumer", sort: null },
		...CONSUMER_COLUMNS,
		...(isPrivate ? [{ label: "Program", sort: null }] : []),
		...(hasActions ? [{ label: "Actions", sort: null }] : []),
	];
	const head = tableHead<ConsumerSort>(columns, {
		...query,
		href: (sort, descending) => href({ sort, descending, offset: 0 }),
	});
	const rows = page.rows.map((row) => consumerRow(row, isPrivate, hasActions, nowMs));
	return html`${framedTable("Consumers", head, rows, columns.length, "No consumer is connected.")}
${pager("consumers", page, query.offset, (offset) => href({ offset }))}`;
}

function consumerRow(row: ConsumerRow, isPrivate: boolean, hasActions: boolean, nowMs: number): Html {
	const { id, ip, userAgent, lag, framesPerS, bytesSent, connectedAtMs, stream } = row;
	return html`<tr>
<th scope="row">${ip ?? `no. ${id}`}</th>
<td class="number">${lag === null ? "–" : countText(lag)}</td>
<td class="number">${framesPerS === null ? "–" : rateText(framesPerS)}</td>
<td class="number">${bytesText(bytesSent)}</td>
<td class="number">${time(connectedAtMs, durationText(nowMs - connectedAtMs))}</td>
<td>${stream}</td>
${isPrivate ? html`<td class="long">${userAgent ?? ""}</td>` : ""}
${hasActions ? html`<td class="actions"><button type="button" data-action="dropConsumer" data-subject="${id}" aria-label="Drop consumer ${ip ?? id}">Drop</button></td>` : ""}</tr>`;
}

const NO_SORTING = { sort: "", descending: false, href: () => "" };

/** The last rejections. */
export function rejectionsFragment(rejections: readonly LastRejection[], { nowMs, hasActions }: TableView): Html {
	const labels = ["When", "Reason", "Host", "Account", "Message", "What was wrong", ...(hasActions ? ["Actions"] : [])];
	const head = tableHead(
		labels.map((label) => ({ label, sort: null })),
		NO_SORTING,
	);
	const rows = rejections.map((rejection) => rejectionRow(rejection, nowMs, hasActions));
	return framedTable("Recent rejections", head, rows, labels.length, "No message was rejected lately.");
}

function rejectionRow(rejection: LastRejection, nowMs: number, hasActions: boolean): Html {
	const { hostname, did, type, reason, detail, atMs, passedSince } = rejection;
	const account = did === null ? "–" : html`<a href="?${new URLSearchParams({ why: did })}#why">${did}</a>`;
	const takedown =
		did === null
			? ""
			: html`<button type="button" data-action="takeDown" data-subject="${did}" aria-label="Take down ${did}">Take down</button>`;
	return html`<tr>
<td>${time(atMs, relativeText(atMs, nowMs))}</td>
<td><abbr title="${REJECTION_REASONS[reason].meaning}">${reason}</abbr>${passedSince ? html` <span class="badge active">passes again</span>` : ""}</td>
<td><a href="?${new URLSearchParams({ why: hostname })}#why">${hostname}</a></td>
<td class="did">${account}</td>
<td>${type === null ? "–" : `#${type}`}</td>
<td class="long">${detail}</td>
${hasActions ? html`<td class="actions">${takedown}</td>` : ""}</tr>`;
}

/** Lines of the audit log. @param before the lsn before which they are; null for the latest */
export function actionsFragment(actions: readonly StoredAction[], isLatest: boolean, { nowMs }: TableView): Html {
	const labels = ["When", "Action", "Subject", "After", "Before", "By"];
	const head = tableHead(
		labels.map((label) => ({ label, sort: null })),
		NO_SORTING,
	);
	const rows = actions.map(
		({ atMs, by, action, subject, before, after }) => html`<tr>
<td>${time(atMs, relativeText(atMs, nowMs))}</td><td>${action}</td><td class="long">${subject}</td>
<td class="long">${after}</td><td class="long">${before}</td><td>${by}</td></tr>`,
	);
	const last = actions.length < PAGE_ROWS ? undefined : actions.at(-1);
	const latest = isLatest ? "" : html`<a href="?#audit">← Latest</a>`;
	const earlier = last === undefined ? "" : html`<a href="?before=${last.lsn}#audit">Earlier →</a>`;
	return html`${framedTable("Audit log", head, rows, labels.length, "No admin has done anything yet.")}
<p class="pager">${latest} ${earlier}</p>`;
}
