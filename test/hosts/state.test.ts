import { describe, expect, test } from "bun:test";
import { HOST_FAULTS, type HostFault } from "../../src/hosts/fault.ts";
import {
	ASKED_INTERVAL_MS,
	connectionOf,
	DELAY_MS_MAX,
	detailOf,
	type HostEffect,
	type HostFact,
	type HostPhase,
	type HostState,
	initialState,
	LASTING_MS,
	LASTING_WITH_PROGRESS_MS,
	next,
	statusOf,
} from "../../src/hosts/state.ts";
import { isSameConnection, NEVER_CONNECTED } from "../../src/log/record/host-connection.ts";
import type { HostStatus } from "../../src/protocol/host-status.ts";
import { Rng } from "../../src/sim/rng.ts";

const START_MS = 1_800_000_000_000;
const HOUR_MS = 3_600_000;
const FAULTS = Object.keys(HOST_FAULTS) as HostFault[];
const PHASES = ["new", "waiting", "queued", "dialling", "connected", "barred", "stopped"] as const;

function endedBy(fault: HostFault, progress = false): HostFact {
	return { type: "ended", fault, text: `a case of ${fault}`, progress };
}

const FACTS = {
	start: { type: "start" },
	"asked by a stranger": { type: "asked", by: "stranger" },
	"asked by an operator": { type: "asked", by: "operator" },
	due: { type: "due" },
	turn: { type: "turn" },
	opened: { type: "opened" },
	"ended by a fault": endedBy("refused"),
	"ended as a relay": endedBy("relay-loop"),
	moved: { type: "moved" },
	heard: { type: "heard", agoMs: 0 },
	goodDay: { type: "goodDay", day: 20_000 },
	throttled: { type: "throttled", why: "too much" },
	released: { type: "released" },
	networkBack: { type: "networkBack", sinceMs: 0 },
	banned: { type: "banned", why: "spam" },
	allowed: { type: "allowed" },
	stop: { type: "stop" },
} as const satisfies Record<string, HostFact>;
type FactName = keyof typeof FACTS;

/** Follows a host through facts, one a second. */
function after(
	facts: readonly HostFact[],
	known = NEVER_CONNECTED,
	stepMs = 1_000,
): { state: HostState; nowMs: number } {
	let nowMs = START_MS;
	let state = initialState(known, 7);
	for (const fact of facts) {
		state = next(state, fact, nowMs).state;
		nowMs += stepMs;
	}
	return { state, nowMs };
}

const { start, due, turn, opened } = FACTS;
const OPENED = [start, turn, opened];
const REFUSED = [start, turn, endedBy("refused")];

/** A host in each phase. It has been connected before, where that can be. */
const IN_PHASE: Record<HostPhase, readonly HostFact[]> = {
	new: [],
	waiting: [...OPENED, endedBy("dropped")],
	queued: [start],
	dialling: [start, turn],
	connected: OPENED,
	barred: [...OPENED, FACTS.banned],
	stopped: [start, FACTS.stop],
};

/** What each fact makes of a host in each phase. What is not named stays as it is. */
const EXPECTED: Record<HostPhase, Partial<Record<FactName, HostPhase>>> = {
	new: {
		start: "queued",
		"asked by a stranger": "queued",
		"asked by an operator": "queued",
		banned: "barred",
		stop: "stopped",
	},
	waiting: {
		"asked by a stranger": "queued",
		"asked by an operator": "queued",
		due: "queued",
		moved: "queued",
		networkBack: "queued",
		banned: "barred",
		stop: "stopped",
	},
	queued: { turn: "dialling", banned: "barred", stop: "stopped" },
	dialling: {
		opened: "connected",
		"ended by a fault": "waiting",
		"ended as a relay": "barred",
		banned: "barred",
		stop: "stopped",
	},
	connected: { "ended by a fault": "waiting", "ended as a relay": "barred", banned: "barred", stop: "stopped" },
	barred: { allowed: "queued", stop: "stopped" },
	stopped: {},
};

/** What leaving and entering a phase asks for. */
const LEAVING: Record<HostPhase, HostEffect["type"][]> = {
	new: [],
	waiting: ["unwait"],
	queued: ["unqueue"],
	dialling: ["release"],
	connected: [],
	barred: [],
	stopped: [],
};
const ENTERING: Record<HostPhase, HostEffect["type"][]> = {
	new: [],
	waiting: ["wait"],
	queued: ["queue"],
	dialling: ["dial"],
	connected: [],
	barred: [],
	stopped: [],
};

describe("every fact in every phase", () => {
	const cases = PHASES.flatMap((phase) => (Object.keys(FACTS) as FactName[]).map((fact) => [phase, fact] as const));

	test.each(cases)("%s, %s", (phase, name) => {
		const { state, nowMs } = after(IN_PHASE[phase]);
		expect(state.phase).toBe(phase);
		const { state: then, effects } = next(state, FACTS[name], nowMs);
		const expected = EXPECTED[phase][name] ?? phase;
		expect(then.phase).toBe(expected);
		const types: string[] = effects.map(({ type }) => type).filter((type) => type !== "record");
		if (expected === phase) {
			const isPutInFront = phase === "queued" && name.startsWith("asked");
			expect(types).toEqual(isPutInFront ? ["queue"] : []);
			return;
		}
		// Whoever gives a host its turn has taken it out of the queue.
		const leaving = name === "turn" ? [] : LEAVING[phase];
		const isOver = expected === "barred" || expected === "stopped";
		const hangUp: HostEffect["type"][] = isOver && (phase === "dialling" || phase === "connected") ? ["hangUp"] : [];
		expect(types).toEqual([...leaving, ...hangUp, ...ENTERING[expected]]);
	});

	test("the end of a connection is noted, also if it is a ban", () => {
		for (const fact of [FACTS.banned, FACTS["ended by a fault"], FACTS["ended as a relay"]]) {
			const { state, nowMs } = after(OPENED);
			expect([state.connectedAtMs, state.disconnectedAtMs]).toEqual([START_MS + 2_000, null]);
			const { state: then } = next(state, fact, nowMs + 5);
			expect([then.connectedAtMs, then.disconnectedAtMs]).toEqual([START_MS + 2_000, nowMs + 5]);
			expect(next(then, fact, nowMs + 9).state.disconnectedAtMs).toBe(nowMs + 5);
		}
	});

	test("a good day counts once, and is remembered, in every phase but the last", () => {
		for (const phase of PHASES) {
			let { state, nowMs } = after(IN_PHASE[phase]);
			for (const day of [20_000, 20_000, 20_001, 20_001, 20_003]) {
				state = next(state, { type: "goodDay", day }, nowMs).state;
				// The relay starts anew.
				if (phase === "new") state = initialState(connectionOf(state), 1);
			}
			expect([state.goodDays, state.lastGoodDay]).toEqual(phase === "stopped" ? [0, null] : [3, 20_003]);
		}
	});

	test("a relay that an operator asks for is dialled again, and a banned host is not", () => {
		const relay = after([start, turn, endedBy("relay-loop")]);
		expect(next(relay.state, FACTS["asked by a stranger"], relay.nowMs).state).toBe(relay.state);
		expect(next(relay.state, FACTS["asked by an operator"], relay.nowMs).state.phase).toBe("queued");
		expect(next(relay.state, FACTS.allowed, relay.nowMs).state).toBe(relay.state);
	});
});

/** Does what the machine asks for, as the host manager does. */
class Driver {
	state: HostState;
	nowMs = START_MS;
	timerMs: number | null = null;
	isQueued = false;
	isDialling = false;
	isConnected = false;
	slots = 0;
	recorded = NEVER_CONNECTED;
	recordedStatus: HostStatus;

	constructor(seed: number) {
		this.state = initialState(NEVER_CONNECTED, seed);
		this.recordedStatus = statusOf(this.state);
	}

	tell(fact: HostFact): void {
		if (fact.type === "turn" && this.isQueued) {
			this.isQueued = false;
			this.slots++;
		}
		if (fact.type === "due") this.timerMs = null;
		if (fact.type === "opened" && this.isDialling) this.isConnected = true;
		if (fact.type === "ended") this.isDialling = this.isConnected = false;
		const { state, effects } = next(this.state, fact, this.nowMs);
		this.state = state;
		for (const effect of effects) this.#do(effect);
	}

	#do(effect: HostEffect): void {
		switch (effect.type) {
			case "wait":
				this.timerMs = effect.untilMs;
				break;
			case "unwait":
				this.timerMs = null;
				break;
			case "queue":
				this.isQueued = true;
				break;
			case "unqueue":
				this.isQueued = false;
				break;
			case "dial":
				this.isDialling = true;
				break;
			case "release":
				this.slots--;
				this.isDialling = false;
				break;
			case "hangUp":
				this.isDialling = this.isConnected = false;
				break;
			case "record":
				this.recorded = connectionOf(this.state);
				this.recordedStatus = statusOf(this.state);
				break;
		}
	}

	/** What can happen to the host now, beside what can always happen. */
	possible(rng: Rng): HostFact {
		if (this.timerMs !== null && rng.int(2) === 0) {
			this.nowMs = Math.max(this.nowMs, this.timerMs);
			return due;
		}
		if (this.isQueued && rng.int(2) === 0) return turn;
		if (this.isConnected || (this.isDialling && rng.int(3) === 0)) {
			if (rng.int(9) === 0) return { type: "goodDay", day: Math.floor(this.nowMs / (24 * HOUR_MS)) };
			if (rng.int(4) > 0) return { type: "heard", agoMs: rng.int(1000) };
			return endedBy(rng.pick(FAULTS), rng.int(2) === 0);
		}
		if (this.isDialling) return opened;
		return rng.pick<HostFact>([
			start,
			{ type: "asked", by: rng.pick(["operator", "stranger"]) },
			{ type: "throttled", why: "too much" },
			FACTS.released,
			FACTS.moved,
			{ type: "networkBack", sinceMs: this.nowMs - rng.int(HOUR_MS) },
			...(rng.int(10) === 0 ? [FACTS.banned] : []),
			FACTS.allowed,
		]);
	}
}

/** The status that a host must have, said in another way than the machine says it. */
function expectedStatus({ state, isConnected }: Driver): HostStatus {
	if (state.ban !== null) return "banned";
	if (isConnected) return state.throttled === null ? "active" : "throttled";
	const { lastError, connectedAtMs } = state;
	if (lastError === null || (connectedAtMs !== null && lastError.atMs < connectedAtMs)) return "idle";
	if (lastError.fault === "relay-loop") return "banned";
	return lastError.fault === "future-cursor" || lastError.fault === "moved" ? "idle" : "offline";
}

describe("whatever happens", () => {
	test.each(Array.from({ length: 60 }, (_, seed) => seed))("a dial is always to come (%d)", (seed) => {
		const rng = new Rng(`host machine ${seed}`);
		const driver = new Driver(rng.uint32());
		driver.tell(start);
		for (let turns = 0; turns < 2_000; turns++) {
			driver.nowMs += rng.int(3) === 0 ? rng.int(2 * HOUR_MS) : rng.int(2_000);
			const isOdd = rng.int(20) === 0;
			driver.tell(
				isOdd ? rng.pick(Object.values(FACTS).filter(({ type }) => mayComeAnyTime(type))) : driver.possible(rng),
			);
			const { state, nowMs } = driver;
			const { phase } = state;
			// Exactly what the phase says is going on, and nothing else.
			expect([driver.timerMs !== null, driver.isQueued, driver.isDialling, driver.isConnected]).toEqual([
				phase === "waiting",
				phase === "queued",
				phase === "dialling",
				phase === "connected",
			]);
			expect(driver.slots).toBe(phase === "dialling" ? 1 : 0);
			expect(driver.timerMs).toBe(state.nextAttemptMs);
			if (driver.timerMs !== null) expect(driver.timerMs).toBeLessThanOrEqual(nowMs + DELAY_MS_MAX);
			if (phase === "barred") expect(statusOf(state)).toBe("banned");
			expect(statusOf(state)).toBe(expectedStatus(driver));
			expect(driver.recordedStatus).toBe(statusOf(state));
			// The log has everything but the time of the last message, which it has to the hour, and a turn to dial.
			if (phase !== "queued" && phase !== "dialling") {
				const { lastEventMs } = driver.recorded;
				expect(isSameConnection({ ...connectionOf(state), lastEventMs }, driver.recorded)).toBe(true);
				expect(Math.floor((lastEventMs ?? 0) / HOUR_MS)).toBe(Math.floor((state.lastEventMs ?? 0) / HOUR_MS));
			}
		}
	});

	/** Facts that come from outside, in any phase. The others follow an effect. */
	function mayComeAnyTime(type: HostFact["type"]): boolean {
		return !["due", "turn", "opened", "ended", "stop", "banned"].includes(type);
	}
});

/** The delays between failures in a row, in ms. */
function delays(count: number, fault: HostFault, seed: number): number[] {
	let state = next(initialState(NEVER_CONNECTED, seed), start, START_MS).state;
	let nowMs = START_MS;
	return Array.from({ length: count }, () => {
		const failed = next(next(state, turn, nowMs).state, endedBy(fault), nowMs).state;
		const delayMs = (failed.nextAttemptMs ?? Number.NaN) - nowMs;
		nowMs += delayMs;
		state = next(failed, due, nowMs).state;
		return delayMs;
	});
}

describe("retries", () => {
	const backsOff = FAULTS.filter((fault) => HOST_FAULTS[fault].retry === "backoff");

	test.each(backsOff)(
		"after %s never end, and come after a delay that doubles up to an hour, less up to its half",
		(fault) => {
			for (let seed = 0; seed < 50; seed++) {
				for (const [at, delayMs] of delays(200, fault, seed * 7_919).entries()) {
					const wholeMs = Math.min(HOUR_MS, 1_000 * 2 ** at);
					expect(delayMs).toBeGreaterThanOrEqual(wholeMs / 2);
					expect(delayMs).toBeLessThanOrEqual(wholeMs);
				}
			}
		},
	);

	test("of hosts that failed together are spread evenly", () => {
		const rng = new Rng("spread");
		const tenths = new Array<number>(10).fill(0);
		for (let host = 0; host < 3_000; host++) {
			const [, , , delayMs = 0] = delays(4, "unreachable", rng.uint32());
			const tenth = Math.min(9, Math.floor((delayMs - 4_000) / 400));
			tenths[tenth] = (tenths[tenth] ?? 0) + 1;
		}
		for (const count of tenths) {
			expect(count).toBeGreaterThan(200);
			expect(count).toBeLessThan(400);
		}
	});

	test("after FutureCursor come after half an hour", () => {
		expect(delays(10, "future-cursor", 1)).toEqual(new Array<number>(10).fill(HOUR_MS / 2));
	});

	test("to go on from another place come within a second, however often", () => {
		for (const delayMs of delays(50, "moved", 1)) expect(delayMs).toBeLessThanOrEqual(1_000);
	});

	/** How many failures a host has after it failed five times, was connected for a time, and the connection ended. */
	function failuresAfter(heldMs: number, progress: boolean): number {
		const { state, nowMs } = after([start, ...Array.from({ length: 5 }, () => [turn, endedBy("refused"), due]).flat()]);
		const connected = next(next(state, turn, nowMs).state, opened, nowMs).state;
		return next(connected, endedBy("dropped", progress), nowMs + heldMs).state.failures;
	}

	test("begin anew after a connection that lasted, and not after one that was dropped at once", () => {
		expect(failuresAfter(0, true)).toBe(6);
		expect(failuresAfter(LASTING_WITH_PROGRESS_MS - 1, true)).toBe(6);
		expect(failuresAfter(LASTING_WITH_PROGRESS_MS, true)).toBe(1);
		// A host that is quiet is no failure.
		expect(failuresAfter(LASTING_MS - 1, false)).toBe(6);
		expect(failuresAfter(LASTING_MS, false)).toBe(1);
	});
});

describe("somebody asks for a host", () => {
	test("at most once a minute if it is a stranger, as often as they like if it is an operator", () => {
		const { state, nowMs } = after(REFUSED);
		const ask = (from: HostState, by: "operator" | "stranger", atMs: number): HostState =>
			next(from, { type: "asked", by }, atMs).state;
		const failed = (from: HostState, atMs: number): HostState =>
			next(next(from, turn, atMs).state, endedBy("refused"), atMs).state;
		const asked = failed(ask(state, "stranger", nowMs), nowMs);
		expect(ask(asked, "stranger", nowMs + ASKED_INTERVAL_MS - 1).phase).toBe("waiting");
		expect(ask(asked, "stranger", nowMs + ASKED_INTERVAL_MS).phase).toBe("queued");
		expect(ask(asked, "operator", nowMs + 1).phase).toBe("queued");
	});

	test("puts it before others, and begins its delays anew, but leaves it offline until it is reached", () => {
		const facts = [start, ...Array.from({ length: 12 }, () => [turn, endedBy("refused"), due]).flat()];
		const { state, nowMs } = after([...facts.slice(0, -1)]);
		const { state: asked, effects } = next(state, FACTS["asked by a stranger"], nowMs);
		expect(effects).toEqual([{ type: "unwait" }, { type: "queue", isUrgent: true }]);
		expect([asked.failures, statusOf(asked)]).toEqual([1, "offline"]);
	});
});

describe("a restart", () => {
	const restarted = (known: HostState, nowMs: number): HostState =>
		next(initialState(connectionOf(known), 9), start, nowMs).state;

	test("dials a host that was connected at once, whatever had failed before", () => {
		const { state, nowMs } = after([...REFUSED, due, turn, opened]);
		const again = restarted(state, nowMs);
		expect([again.phase, again.failures, statusOf(again)]).toEqual(["queued", 0, "idle"]);
		expect(detailOf(again)).toContain("not dialled yet");
	});

	test("keeps the time of an attempt that was planned, but not beyond the longest delay", () => {
		const facts = [start, ...Array.from({ length: 12 }, () => [turn, endedBy("refused"), due]).flat()];
		const { state, nowMs } = after(facts.slice(0, -1));
		const { nextAttemptMs } = state;
		if (nextAttemptMs === null) throw new Error("no attempt is planned");
		const again = restarted(state, nowMs + 1_000);
		expect([again.phase, again.nextAttemptMs, again.failures, statusOf(again)]).toEqual([
			"waiting",
			nextAttemptMs,
			12,
			"offline",
		]);
		// The clock went back by a year.
		const early = nowMs - 365 * 24 * HOUR_MS;
		expect(restarted(state, early).nextAttemptMs).toBe(early + DELAY_MS_MAX);
		expect(restarted(state, nextAttemptMs).phase).toBe("queued");
	});

	test("leaves a relay alone, and asks one that answered FutureCursor when it is due", () => {
		const relay = after([start, turn, endedBy("relay-loop")]);
		expect(restarted(relay.state, relay.nowMs).phase).toBe("barred");
		const idle = after([...OPENED, endedBy("future-cursor")]);
		const again = restarted(idle.state, idle.nowMs);
		expect([again.phase, again.nextAttemptMs, statusOf(again)]).toEqual(["waiting", idle.state.nextAttemptMs, "idle"]);
	});

	test("goes on with a fault that only another release knows", () => {
		const known = { ...NEVER_CONNECTED, failures: 3, lastError: { fault: "of-later", text: "odd", atMs: START_MS } };
		const again = next(initialState(known, 9), start, START_MS).state;
		expect([again.phase, statusOf(again)]).toEqual(["queued", "offline"]);
	});
});

describe("when the network is back", () => {
	test("hosts that were connected when it went are dialled, and those that were down before are not", () => {
		const failing = [turn, endedBy("unreachable"), due];
		const { state, nowMs } = after([...OPENED, endedBy("dropped"), due, ...failing, ...failing].slice(0, -1));
		const back = (sinceMs: number): HostState => next(state, { type: "networkBack", sinceMs }, nowMs).state;
		expect([back(START_MS).phase, back(START_MS).failures]).toEqual(["queued", 1]);
		expect(back(START_MS + 4_000)).toBe(state);
		const never = after(REFUSED);
		expect(next(never.state, { type: "networkBack", sinceMs: 0 }, never.nowMs).state).toBe(never.state);
	});
});

describe("what is said of a host", () => {
	test.each(FAULTS)("that ended by %s is its text and what can be done", (fault) => {
		const { state } = after([start, turn, endedBy(fault)]);
		expect(detailOf(state)).toBe(`a case of ${fault}; ${HOST_FAULTS[fault].advice}`);
	});

	test("while it is throttled is why", () => {
		const { state } = after([...OPENED, FACTS.throttled]);
		expect([statusOf(state), detailOf(state)]).toEqual(["throttled", "too much"]);
	});

	test("is cut if the host made it long, and can be stored", () => {
		const text = `${"x".repeat(199)}😀`.repeat(20);
		const { state } = after([start, turn, { type: "ended", fault: "dropped", text, progress: false }]);
		const kept = state.lastError?.text ?? "";
		expect(kept).toHaveLength(200);
		expect(kept.isWellFormed()).toBe(true);
	});
});
