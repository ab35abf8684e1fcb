import type { Webhook } from "../config/webhook.ts";
import { VERSION } from "../version.ts";
import { ALERT_KINDS, type AlertKind, type Severity } from "./kinds.ts";

/** `fired` again if it gets worse. */
export const NOTICE_EVENTS = ["fired", "reminder", "resolved"] as const;

export type NoticeEvent = (typeof NOTICE_EVENTS)[number];

/** One message to the operator. Times are Unix ms. */
export interface Notice {
	/** Receivers that get it twice know it by that. */
	id: string;
	event: NoticeEvent;
	kind: AlertKind;
	severity: Severity;
	atMs: number;
	/** Of how many things this is to be told. */
	count: number;
	/** The first of them. */
	incidents: readonly NoticeIncident[];
}

export interface NoticeIncident {
	subject: string;
	sinceMs: number;
	severity: Severity;
	text: string;
}

/** The body of a request. @param source which relay says it: the name of its machine */
export function bodyOf(notice: Notice, format: Webhook["format"], source: string): string {
	return JSON.stringify(format === "slack" ? slackOf(notice, source) : jsonOf(notice, source));
}

function jsonOf({ id, event, kind, severity, atMs, count, incidents }: Notice, source: string): object {
	const { title, advice } = ALERT_KINDS[kind];
	return {
		...{ id, event, kind, severity, title, advice, count },
		at: isoOf(atMs),
		source,
		version: VERSION,
		incidents: incidents.map(({ sinceMs, ...incident }) => ({ ...incident, since: isoOf(sinceMs) })),
	};
}

const WORDS: Readonly<Record<NoticeEvent, string>> = { fired: "", reminder: "Still: ", resolved: "Over: " };

/** As Slack's incoming webhooks take it, and those of Mattermost, Rocket.Chat and Discord (with `/slack` after its URL). */
function slackOf({ id, event, kind, severity, count, incidents }: Notice, source: string): object {
	const { title, advice } = ALERT_KINDS[kind];
	const sign = event === "resolved" ? ":white_check_mark:" : severity === "critical" ? ":rotating_light:" : ":warning:";
	const more = count - incidents.length;
	const lines = [
		`${sign} *${WORDS[event]}${escaped(title)}* (${escaped(source)})`,
		...incidents.map(({ text, sinceMs }) => `• ${escaped(text)}, since ${isoOf(sinceMs)}`),
		...(more > 0 ? [`and ${more} more`] : []),
		...(event === "resolved" ? [] : [escaped(advice)]),
		`_${id}_`,
	];
	return { text: lines.join("\n") };
}

/** The three characters that mean something in Slack's text. */
function escaped(text: string): string {
	return text.replaceAll("&", "&amp;").replaceAll("<", "&lt;").replaceAll(">", "&gt;");
}

function isoOf(unixMs: number): string {
	return new Date(unixMs).toISOString();
}
