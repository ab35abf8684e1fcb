import { ALERT_KINDS, type AlertKind, type Observation, type Severity } from "./kinds.ts";
import type { Notice, NoticeEvent } from "./notice.ts";

/** Things that may be wrong at once. Further ones are not told until some of these have ended. */
export const INCIDENTS_MAX = 5_000;
/** Of the things that one notice is about, so many are named. */
export const SUBJECTS_NAMED_MAX = 20;

/** Something that is wrong, or looks as if it were. Times are Unix ms. */
export interface Incident {
	kind: AlertKind;
	subject: string;
	sinceMs: number;
	severity: Severity;
	text: string;
	/** When the operator was last told of it; null if it has not lasted long enough. */
	toldAtMs: number | null;
}

/** What is known of all incidents. */
export interface IncidentsState {
	/** By kind and subject. */
	readonly incidents: ReadonlyMap<string, Incident>;
	/** Number of notices so far: a part of their ids. */
	readonly notices: number;
}

export const NO_INCIDENTS: IncidentsState = { incidents: new Map(), notices: 0 };

/** What was seen at one moment. */
export interface Look {
	/** The kinds that were looked for. What is known of the others stays as it is. */
	looked: ReadonlySet<AlertKind>;
	/** Of these kinds. What is not named is well. */
	observations: readonly Observation[];
}

/** An incident and what is to be told of it. */
type Told = readonly [NoticeEvent, Incident];

/**
 * The next state, and what to tell the operator: an incident when it has lasted long enough, again if it gets worse, a reminder
 * after each `repeatMs`, and when it is over. Pure: the same arguments always give the same answer. Incidents of one kind of which the same is to be told are one notice.
 */
export function next(
	state: IncidentsState,
	{ looked, observations }: Look,
	nowMs: number,
	repeatMs: number,
): { state: IncidentsState; notices: Notice[] } {
	const incidents = new Map(state.incidents);
	const told: Told[] = [];
	const seen = new Set<string>();
	for (const observation of observations) {
		const key = keyOf(observation);
		seen.add(key);
		const after = step(incidents.get(key), observation, nowMs, repeatMs);
		if (after === null) incidents.delete(key);
		else if (incidents.has(key) || incidents.size < INCIDENTS_MAX) {
			incidents.set(key, after.incident);
			if (after.event !== null) told.push([after.event, after.incident]);
		}
	}
	for (const [key, incident] of incidents) {
		if (seen.has(key) || !looked.has(incident.kind)) continue;
		incidents.delete(key);
		if (incident.toldAtMs !== null) told.push(["resolved", incident]);
	}
	const notices = noticesOf(told, nowMs, state.notices);
	return { state: { incidents, notices: state.notices + notices.length }, notices };
}

/** What becomes of an incident, if there is one; null if there is none after this observation. */
function step(
	before: Incident | undefined,
	{ kind, subject, severity, text }: Observation,
	nowMs: number,
	repeatMs: number,
): { incident: Incident; event: NoticeEvent | null } | null {
	if (before === undefined && severity === null) return null;
	const incident = before ?? { kind, subject, sinceMs: nowMs, severity: severity ?? "warning", text, toldAtMs: null };
	const { toldAtMs } = incident;
	if (toldAtMs === null) {
		// It has to last without a break.
		if (severity === null) return null;
		const isDue = nowMs - incident.sinceMs >= ALERT_KINDS[kind].afterMs;
		const now = { ...incident, severity, text };
		return isDue ? { incident: { ...now, toldAtMs: nowMs }, event: "fired" } : { incident: now, event: null };
	}
	const isWorse = severity === "critical" && incident.severity === "warning";
	if (isWorse) return { incident: { ...incident, severity, text, toldAtMs: nowMs }, event: "fired" };
	// A clock that was set back must not hold reminders up for long.
	const isReminded = nowMs - toldAtMs >= repeatMs || nowMs < toldAtMs;
	if (!isReminded) return { incident: { ...incident, text }, event: null };
	return { incident: { ...incident, text, toldAtMs: nowMs }, event: nowMs < toldAtMs ? null : "reminder" };
}

function keyOf({ kind, subject }: Observation): string {
	return `${kind} ${subject}`;
}

function noticesOf(told: readonly Told[], nowMs: number, before: number): Notice[] {
	const groups = Map.groupBy(told, ([event, { kind }]) => `${event} ${kind}`);
	return [...groups.values()].flatMap((group, at) => {
		const [first] = group;
		if (first === undefined) return [];
		const [event, { kind }] = first;
		const incidents = group.map(([, incident]) => incident);
		const named = incidents.slice(0, SUBJECTS_NAMED_MAX);
		return {
			// Of one relay, no other notice has it: the number counts on over restarts, and the time if its file is lost.
			id: `${nowMs.toString(36)}-${before + at + 1}`,
			event,
			kind,
			severity: incidents.some(({ severity }) => severity === "critical") ? "critical" : "warning",
			atMs: nowMs,
			count: incidents.length,
			incidents: named.map(({ subject, sinceMs, severity, text }) => ({ subject, sinceMs, severity, text })),
		};
	});
}
