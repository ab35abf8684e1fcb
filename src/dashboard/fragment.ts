import { html } from "hono/html";
import type { HtmlEscapedString } from "hono/utils/html";
import type { TablePage } from "../control/dashboard.ts";
import { PAGE_ROWS } from "./query.ts";
import { countText } from "./texts.ts";

/** A part of the page. `html` escapes every value in it that is not one itself. */
export type Html = HtmlEscapedString | Promise<HtmlEscapedString>;

/** A column of a table. */
export interface Column<Sort extends string> {
	label: string;
	/** By what a click sorts; null if the column can't be sorted by. */
	sort: Sort | null;
	/** Whether the first click shows the greatest first. */
	greatestFirst?: boolean;
	/** A column of numbers. */
	isNumber?: boolean;
}

/** How a table is sorted now, and the address that sorts it otherwise. */
export interface Sorting<Sort extends string> {
	sort: Sort;
	descending: boolean;
	href(sort: Sort, descending: boolean): string;
}

/** The head of a table. A column that is sorted by says so to a screen reader too. */
export function tableHead<Sort extends string>(columns: readonly Column<Sort>[], sorting: Sorting<Sort>): Html {
	return html`<thead><tr>${columns.map((column) => headCell(column, sorting))}</tr></thead>`;
}

function headCell<Sort extends string>(
	{ label, sort, greatestFirst = false, isNumber = false }: Column<Sort>,
	{ sort: sortedBy, descending, href }: Sorting<Sort>,
): Html {
	const kind = isNumber ? "number" : "text";
	if (sort === null) return html`<th scope="col" class="${kind}">${label}</th>`;
	if (sort !== sortedBy)
		return html`<th scope="col" class="${kind}"><a href="${href(sort, greatestFirst)}">${label}</a></th>`;
	const direction = descending ? "descending" : "ascending";
	const arrow = descending ? "↓" : "↑";
	return html`<th scope="col" class="${kind}" aria-sort="${direction}"><a href="${href(sort, !descending)}">${label}<span aria-hidden="true"> ${arrow}</span></a></th>`;
}

/** A table in a frame of its own, which scrolls if the screen is narrow. */
export function framedTable(label: string, head: Html, rows: readonly Html[], columns: number, none: string): Html {
	const body = rows.length > 0 ? rows : [html`<tr><td colspan="${columns}" class="none">${none}</td></tr>`];
	return html`<div class="frame" role="region" aria-label="${label}" tabindex="0"><table>${head}<tbody>${body}</tbody></table></div>`;
}

/** Which rows are shown, with links to the pages before and after. */
export function pager(
	what: string,
	{ rows, matching, known }: TablePage<unknown>,
	offset: number,
	href: (offset: number) => string,
): Html {
	const shown = rows.length === 0 ? "0" : `${countText(offset + 1)} to ${countText(offset + rows.length)}`;
	const of = matching === known ? countText(known) : `${countText(matching)} found among ${countText(known)}`;
	const before = offset > 0 ? html`<a href="${href(Math.max(offset - PAGE_ROWS, 0))}">← Before</a>` : "";
	const after = offset + rows.length < matching ? html`<a href="${href(offset + PAGE_ROWS)}">Next →</a>` : "";
	return html`<p class="pager"><span>${shown} of ${of} ${what}</span> ${before} ${after}</p>`;
}

/** A time as people read it, with the exact one for those who point at it. @param text how it is shown */
export function time(atMs: number, text: string): Html {
	const date = new Date(atMs);
	if (Number.isNaN(date.getTime())) return html`–`;
	const iso = date.toISOString();
	return html`<time datetime="${iso}" title="${iso}">${text}</time>`;
}
