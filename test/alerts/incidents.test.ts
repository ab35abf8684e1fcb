import { describe, expect, test } from "bun:test";
import { INCIDENTS_MAX, NO_INCIDENTS, next, SUBJECTS_NAMED_MAX } from "../../src/alerts/incidents.ts";
import {
	ALERT_KIND_NAMES,
	ALERT_KINDS,
	type AlertKind,
	type Observation,
	type Severity,
} from "../../src/alerts/kinds.ts";
import type { Notice } from "../../src/alerts/notice.ts";
import { Rng } from "../../src/sim/rng.ts";

const REPEAT_MS = 3_600_000;
const STEP_MS = 15_000;

/** How a thing may look, well first. */
const SIGHTS: readonly (() => Severity | null | undefined)[] = [
	() => undefined,
	() => undefined,
	() => null,
	() => "warning",
	() => "warning",
	() => "critical",
];

/** What an operator knows of one thing, told by plain rules over its whole history. */
class Model {
	#onSinceMs: number | null = null;
	#told: { severity: Severity; atMs: number } | null = null;

	/** @param seen undefined if the thing is well. Returns what must be told now. */
	look(kind: AlertKind, seen: Severity | null | undefined, nowMs: number): Notice["event"] | null {
		if (seen === null || seen === undefined) this.#onSinceMs = null;
		else this.#onSinceMs ??= nowMs;
		const told = this.#told;
		if (told === null) {
			if (this.#onSinceMs === null || seen === null || seen === undefined) return null;
			if (nowMs - this.#onSinceMs < ALERT_KINDS[kind].afterMs) return null;
			this.#told = { severity: seen, atMs: nowMs };
			return "fired";
		}
		if (seen === undefined) {
			this.#told = null;
			return "resolved";
		}
		if (seen === "critical" && told.severity === "warning") {
			this.#told = { severity: "critical", atMs: nowMs };
			return "fired";
		}
		if (nowMs - told.atMs < REPEAT_MS) return null;
		told.atMs = nowMs;
		return "reminder";
	}
}

function observation(kind: AlertKind, subject: string, severity: Severity | null): Observation {
	return { kind, subject, severity, text: `${subject} is odd` };
}

describe("incidents", () => {
	test("are told once, reminded of now and then, and resolved once: as a model says, over random histories", () => {
		const rng = new Rng("incidents");
		const events = new Map<string, number>();
		for (let round = 0; round < 60; round++) {
			const things = Array.from({ length: 1 + rng.int(8) }, (_, at) => ({
				kind: rng.pick(ALERT_KIND_NAMES),
				subject: `thing-${at}`,
				model: new Model(),
				seen: undefined as Severity | null | undefined,
			}));
			let state = NO_INCIDENTS;
			let nowMs = 1_800_000_000_000;
			const ids = new Set<string>();
			for (let look = 0; look < 120; look++) {
				nowMs += rng.pick([STEP_MS, STEP_MS, STEP_MS, 10 * 60_000, REPEAT_MS]);
				const looked = new Set(ALERT_KIND_NAMES.filter(() => rng.int(10) > 0));
				for (const thing of things) if (rng.int(4) === 0) thing.seen = rng.pick(SIGHTS)();
				const visible = things.filter(({ kind }) => looked.has(kind));
				const observations = visible.flatMap(({ kind, subject, seen }) =>
					seen === undefined ? [] : [observation(kind, subject, seen)],
				);
				const expected = visible.flatMap(({ kind, subject, seen, model }) => {
					const event = model.look(kind, seen, nowMs);
					return event === null ? [] : [`${event} ${kind} ${subject}`];
				});
				const after = next(state, { looked, observations }, nowMs, REPEAT_MS);
				state = after.state;
				const told = after.notices.flatMap(({ event, kind, incidents }) =>
					incidents.map(({ subject }) => `${event} ${kind} ${subject}`),
				);
				expect(told.sort()).toEqual(expected.sort());
				for (const { id, event } of after.notices) {
					expect(ids.has(id)).toBe(false);
					ids.add(id);
					events.set(event, (events.get(event) ?? 0) + 1);
				}
			}
		}
		for (const event of ["fired", "reminder", "resolved"]) expect(events.get(event)).toBeGreaterThan(20);
	});

	test("of one kind are one notice, which names the first of them and counts all", () => {
		const count = INCIDENTS_MAX + 10;
		const observations = Array.from({ length: count }, (_, at) => observation("host-quota", `host-${at}`, "warning"));
		const looked = new Set(ALERT_KIND_NAMES);
		const { state, notices } = next(NO_INCIDENTS, { looked, observations }, 1, REPEAT_MS);
		expect(notices).toHaveLength(1);
		expect(notices[0]).toMatchObject({ event: "fired", kind: "host-quota", count: INCIDENTS_MAX });
		expect(notices[0]?.incidents).toHaveLength(SUBJECTS_NAMED_MAX);
		expect(state.incidents.size).toBe(INCIDENTS_MAX);
		expect(next(state, { looked, observations: [] }, 2, REPEAT_MS).notices).toMatchObject([{ count: INCIDENTS_MAX }]);
	});

	test("hold up no reminder when the clock is set back", () => {
		const look = { looked: new Set(ALERT_KIND_NAMES), observations: [observation("log-gap", "log", "critical")] };
		const first = next(NO_INCIDENTS, look, 10 * REPEAT_MS, REPEAT_MS);
		const back = next(first.state, look, REPEAT_MS, REPEAT_MS);
		expect([first.notices.length, back.notices.length]).toEqual([1, 0]);
		expect(next(back.state, look, 2 * REPEAT_MS, REPEAT_MS).notices).toMatchObject([{ event: "reminder" }]);
	});
});
