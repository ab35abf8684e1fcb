import { html } from "hono/html";
import type { HostQuery } from "../control/dashboard.ts";
import { VERSION } from "../version.ts";
import type { Html } from "./fragment.ts";
import { HOST_STATUSES, orderText } from "./query.ts";
import type { Problem, Status, Tile } from "./status.ts";

/** What the page is made of. */
export interface PageParts {
	/** For the operator: with actions and the audit log. */
	isPrivate: boolean;
	/** Whether the admin API is on. */
	hasAdmin: boolean;
	status: Status;
	/** Since when the relay has its status, in words. */
	since: string;
	hostQuery: HostQuery;
	/** What somebody asks why for; empty if nobody does. */
	subject: string;
	why: Html;
	hosts: Html;
	consumers: Html;
	rejections: Html;
	/** Null for strangers. */
	audit: Html | null;
}

/** The page as a whole. It works without its script; with it, values and tables follow the relay. */
export function dashboardPage(parts: PageParts): Html {
	const { isPrivate, hasAdmin, status, since, hostQuery, subject, why, hosts, consumers, rejections, audit } = parts;
	return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>standpipe: ${status.headline}</title>
<link rel="icon" href="dashboard/icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="dashboard/uplot.css">
<link rel="stylesheet" href="dashboard/style.css">
<script src="dashboard/uplot.js" defer></script>
<script src="dashboard/client.js" defer></script>
</head>
<body>
<a class="skip" href="#status">To the status</a>
<header>
<p class="brand"><img src="dashboard/icon.svg" alt="" width="28" height="28"> standpipe <span class="version">${VERSION}</span></p>
<nav aria-label="Parts of this page">${navigation(isPrivate)}</nav>
</header>
<main>
${statusSection(status, since)}
${chartsSection()}
${section(
	"why",
	"Why",
	html`<form action="" method="get" data-fragment="why">
<label for="why-subject">A DID, a handle or a host</label>
<div class="line"><input id="why-subject" name="why" value="${subject}" maxlength="2048" autocomplete="off" spellcheck="false" placeholder="did:plc:… or pds.example.com"><button>Ask why</button></div>
</form>
<div id="why-content" aria-live="polite">${why}</div>`,
)}
${section("hosts", "Hosts", html`${hostForm(hostQuery)}<div id="hosts-content" data-refresh="hosts">${hosts}</div>`)}
${section("consumers", "Consumers", html`<div id="consumers-content" data-refresh="consumers">${consumers}</div>`)}
${section("rejections", "Recent rejections", html`<p class="hint">The last of each host and reason.</p><div id="rejections-content" data-refresh="rejections">${rejections}</div>`)}
${isPrivate ? section("actions", "Actions", actionsContent(hasAdmin)) : ""}
${audit === null ? "" : section("audit", "Audit log", html`<div id="audit-content" data-refresh="audit">${audit}</div>`)}
</main>
${isPrivate ? dialog() : ""}
</body>
</html>`;
}

function navigation(isPrivate: boolean): Html {
	const parts = [
		"status",
		"charts",
		"why",
		"hosts",
		"consumers",
		"rejections",
		...(isPrivate ? ["actions", "audit"] : []),
	];
	return html`<ul>${parts.map((name) => html`<li><a href="#${name}">${name[0]?.toUpperCase()}${name.slice(1)}</a></li>`)}</ul>`;
}

function section(id: string, title: string, content: Html): Html {
	return html`<section id="${id}" aria-labelledby="${id}-title"><h2 id="${id}-title">${title}</h2>${content}</section>`;
}

function statusSection({ level, headline, problems, tiles }: Status, since: string): Html {
	return html`<section id="status" class="${level}" aria-labelledby="status-title">
<div class="health" role="status"><h1 id="status-title"><span class="dot" aria-hidden="true"></span><span id="headline">${headline}</span></h1>
<p>since <span id="since">${since}</span></p></div>
<p id="stale" role="alert" hidden></p>
<ul id="problems" class="problems">${problems.map(problemItem)}</ul>
<dl class="tiles">${tiles.map(tileItem)}</dl>
</section>`;
}

function problemItem({ text, advice }: Problem): Html {
	return html`<li><strong>${text}</strong> ${advice}</li>`;
}

function tileItem({ name, label, text, note }: Tile): Html {
	return html`<div><dt>${label}</dt><dd data-tile="${name}"><span class="value">${text}</span> <span class="note">${note}</span></dd></div>`;
}

/** The charts of the last minutes, by the names that the script knows. */
const CHARTS: readonly { name: string; title: string }[] = [
	{ name: "events", title: "Events a second" },
	{ name: "latency", title: "Host to consumer, in ms" },
	{ name: "rejections", title: "Rejections a second, by reason" },
	{ name: "memory", title: "Memory, in MiB" },
	{ name: "disk", title: "Disk, in GiB" },
];

function chartsSection(): Html {
	const figures = CHARTS.map(
		({ name, title }) => html`<figure><figcaption>${title}</figcaption>
<div class="chart" data-chart="${name}" role="img" aria-label="${title}"></div></figure>`,
	);
	return section(
		"charts",
		"The last quarter of an hour",
		html`<noscript><p>Charts need the page's script.</p></noscript><div class="charts">${figures}</div>`,
	);
}

function hostForm({ search, status, sort, descending }: HostQuery): Html {
	const states = HOST_STATUSES.map(
		(name) => html`<option value="${name}" ${name === status ? "selected" : ""}>${name}</option>`,
	);
	return html`<form action="" method="get" data-fragment="hosts" data-live>
<input type="hidden" name="sort" value="${orderText(sort, descending)}">
<div class="line"><label for="host-search">Name</label><input id="host-search" type="search" name="q" value="${search}" maxlength="253" autocomplete="off" spellcheck="false">
<label for="host-state">State</label><select id="host-state" name="state"><option value="">any</option>${states}</select><button>Find</button></div>
</form>`;
}

const FREE_ACTIONS: readonly { action: string; label: string }[] = [
	{ action: "requestCrawl", label: "Follow a host" },
	{ action: "block", label: "Block a host" },
	{ action: "limits", label: "Change limits" },
	{ action: "banDomain", label: "Block a domain" },
	{ action: "unbanDomain", label: "Unblock a domain" },
	{ action: "takeDown", label: "Take an account down" },
	{ action: "reverseTakedown", label: "Undo a takedown" },
	{ action: "resetCursor", label: "Reset a cursor" },
];

function actionsContent(hasAdmin: boolean): Html {
	if (!hasAdmin) return html`<p>The admin API is off, since <code>RELAY_ADMIN_PASSWORD</code> is not set.</p>`;
	const buttons = FREE_ACTIONS.map(
		({ action, label }) => html`<button type="button" data-action="${action}">${label}</button>`,
	);
	return html`<noscript><p>Actions need the page's script.</p></noscript>
<p>Each asks for the admin password before anything is done, and is a line of the audit log.</p>
<p class="buttons">${buttons}</p>`;
}

/** The script fills it in for an action. */
function dialog(): Html {
	return html`<dialog id="dialog" aria-labelledby="dialog-title">
<form id="dialog-form" autocomplete="off">
<h2 id="dialog-title"></h2>
<p id="dialog-text"></p>
<div id="dialog-fields"></div>
<input type="text" name="username" value="admin" autocomplete="username" hidden>
<label for="dialog-password">Admin password</label>
<input id="dialog-password" type="password" autocomplete="current-password" required>
<p id="dialog-outcome" role="alert"></p>
<p class="buttons"><button id="dialog-confirm" type="submit" class="danger"></button><button id="dialog-cancel" type="button">Cancel</button></p>
</form>
</dialog>`;
}
