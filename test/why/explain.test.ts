import { describe, expect, test } from "bun:test";
import { Rng } from "../../src/sim/rng.ts";
import { GATE_NAMES, type GateName, HOST_GATES, ruleOf, WHY_ANSWERS } from "../../src/why/answers.ts";
import { explain } from "../../src/why/explain.ts";
import { ALL_PASS, DID, delays, Facts, IDENTITY, OTHER, PDS, rejection } from "./facts.ts";

/** A situation: at which gate it changes the answer, to which, and what it is made of. */
interface Case {
	gate: GateName;
	answer: string;
	set: (facts: Facts) => void;
}

const ERROR = { text: "connection refused", advice: "see whether the PDS runs", atMs: 1 };

/** It counts only if nothing else explains the wait. */
const STUCK = of("identity", "lookup-waits", (facts) => facts.worker(() => ({ waiting: 2, waitingForMs: 20_000 })));

const CASES: readonly Case[] = [
	of("host-known", "host-unknown", (facts) => {
		facts.view = { ...facts.view, host: null };
	}),
	of("host-known", "account-unseen", (facts) => {
		facts.view = { ...facts.view, hostname: null, host: null, accountHost: null };
		facts.account = { told: null };
		facts.identity = { told: null };
	}),
	of("host-known", "unknown", (facts) => {
		facts.noView = "the control thread does not answer";
	}),
	of("host-allowed", "host-banned", (facts) => facts.host({ ban: { by: "host" }, phase: "barred" })),
	of("host-allowed", "domain-banned", (facts) =>
		facts.host({ ban: { by: "domain", domain: "example.com" }, phase: "barred" }),
	),
	of("host-allowed", "relay-itself", (facts) => facts.host({ ban: null, phase: "barred", lastError: ERROR })),
	of("host-connected", "down", (facts) => facts.host({ phase: "waiting", failures: 2, lastError: ERROR })),
	of("host-connected", "down", (facts) => facts.host({ phase: "dialling", failures: 2, lastError: ERROR })),
	of("host-connected", "in-turn", (facts) => facts.host({ phase: "queued" })),
	of("host-connected", "in-turn", (facts) => facts.host({ phase: "new" })),
	of("host-connected", "relay-stopping", (facts) => facts.host({ phase: "stopped" })),
	...(["host", "account"] as const).map((limitOf) =>
		of("limits", `${limitOf}-waits`, (facts) => {
			facts.view = { ...facts.view, delays: { told: delays(limitOf, true) } };
		}),
	),
	of("limits", "account-waits", (facts) => {
		facts.view = { ...facts.view, delays: { told: { ...delays("host", false), isLeftOut: true } } };
	}),
	of("limits", "others-wait", (facts) => {
		facts.view = { ...facts.view, delays: { told: delays("host", false) } };
	}),
	of("limits", "unknown", (facts) => {
		facts.view = { ...facts.view, delays: { untold: "a worker does not answer" } };
	}),
	of("identity", "did-not-found", (facts) => facts.resolved({ outcome: "not-found" })),
	of("identity", "did-tombstoned", (facts) => facts.resolved({ outcome: "tombstoned" })),
	of("identity", "document-invalid", (facts) => facts.resolved({ outcome: "malformed", detail: "no object" })),
	of("identity", "lookup-waits", (facts) => facts.resolved({ outcome: "unavailable", detail: "HTTP 500" })),
	of("identity", "no-signing-key", (facts) => facts.resolved({ signingKey: null })),
	of("identity", "not-needed-yet", (facts) => {
		facts.identity = { told: null };
	}),
	of("identity", "lookup-waits", (facts) => {
		facts.identity = { told: null };
		facts.worker(() => ({ waiting: 2 }));
	}),
	STUCK,
	of("identity", "resolved", (facts) => facts.worker(() => ({ waiting: 2, waitingForMs: 2_000 }))),
	...(
		[
			["identity-not-found", "did-not-found"],
			["identity-tombstoned", "did-tombstoned"],
			["identity-unresolvable", "lookup-waits"],
			["identity-malformed", "document-invalid"],
		] as const
	).map(([reason, answer]) =>
		of("identity", answer, (facts) => {
			facts.identity = { told: null };
			facts.reject(rejection(reason));
		}),
	),
	of("identity", "unknown", (facts) => {
		facts.identity = { untold: "the index does not answer" };
	}),
	of("pds", "no-pds", (facts) => facts.resolved({ pds: null, pdsHost: null, pdsFault: "no https" })),
	of("pds", "other-host-sends", (facts) => {
		facts.view = { ...facts.view, accountHost: OTHER };
		facts.reject(rejection("host-mismatch", { hostname: OTHER }));
	}),
	of("pds", "matches", (facts) => facts.reject(rejection("host-mismatch", { hostname: OTHER }))),
	of("status", "taken-down-here", (facts) => facts.accountIs({ localStatus: "takendown" })),
	of("status", "suspended-here", (facts) => facts.accountIs({ localStatus: "suspended" })),
	of("status", "held-here", (facts) => facts.accountIs({ localStatus: "constructor" })),
	of("status", "inactive-at-pds", (facts) => facts.accountIs({ upstreamActive: false, upstreamStatus: "deactivated" })),
	of("status", "deleted-at-pds", (facts) => facts.accountIs({ upstreamActive: false, upstreamStatus: "deleted" })),
	of("status", "not-told-yet", (facts) => {
		facts.account = { told: null };
	}),
	of("status", "unknown", (facts) => {
		facts.account = { untold: "the index does not answer" };
	}),
	of("quota", "no-room", (facts) => facts.accountIs({ waitingSinceUs: 9 })),
	of("repo", "rejected", (facts) => facts.reject(rejection("signature-invalid"))),
	of("repo", "accepted-since", (facts) => facts.reject(rejection("rev-stale", { passedSince: true }))),
	of("repo", "nothing-yet", (facts) => facts.accountIs({ rev: null })),
	of("repo", "accepted", (facts) => facts.reject(rejection("signature-invalid", { hostname: OTHER }))),
	of("repo", "accepted", (facts) => facts.reject(rejection("account-inactive"))),
	of("log", "stalled", (facts) => {
		facts.view = { ...facts.view, logStall: "disk-full" };
	}),
	of("repo", "unknown", (facts) => {
		facts.view = { ...facts.view, worker: { untold: "a worker does not answer" } };
	}),
];

function of(gate: GateName, answer: string, set: Case["set"]): Case {
	return { gate, answer, set };
}

function effectOf({ gate, answer }: Case): string {
	return ruleOf(gate, answer).effect;
}

/** What must be true of any explanation. */
function expectSound(facts: Facts): ReturnType<typeof explain> {
	const explanation = explain(facts.all);
	const { gates, heldBy, verdict } = explanation;
	const wanted = facts.did === null ? GATE_NAMES.filter((gate) => HOST_GATES.has(gate)) : GATE_NAMES;
	expect(gates.map(({ gate }) => gate)).toEqual(wanted);
	const holding = gates.filter(({ state }) => state === "hold");
	expect(holding.map(({ gate }) => gate)).toEqual(heldBy === null ? [] : [heldBy]);
	const at = heldBy === null ? gates.length : wanted.indexOf(heldBy);
	for (const [place, { gate, state, answer, words, action }] of gates.entries()) {
		expect(words).toBe(ruleOf(gate, answer).words);
		expect(words.length).toBeGreaterThan(10);
		expect(state === "not-reached").toBe(place > at);
		if (state === "hold" || state === "unknown") expect(action?.length ?? 0).toBeGreaterThan(3);
		else expect(action).toBeNull();
		if (place < at) expect(["pass", "unknown"]).toContain(state);
	}
	const isUnsure = gates.some(({ state }) => state === "unknown");
	if (heldBy === null) expect(verdict).toBe(isUnsure ? "unknown" : "passes");
	else expect(verdict).toBe(heldBy === "host-known" ? "not-known" : "held");
	return explanation;
}

function answerOf(facts: Facts, gate: GateName): string | undefined {
	return explain(facts.all).gates.find((one) => one.gate === gate)?.answer;
}

describe("an explanation", () => {
	test("of an account that nothing holds passes each gate", () => {
		const { verdict, gates } = expectSound(new Facts());
		expect(verdict).toBe("passes");
		expect(gates.map(({ answer }) => answer)).toEqual(ALL_PASS);
	});

	test.each(CASES)("says $gate: $answer", (one) => {
		const facts = new Facts();
		one.set(facts);
		expectSound(facts);
		expect(answerOf(facts, one.gate)).toBe(one.answer);
		if (effectOf(one) === "hold") expect(explain(facts.all).heldBy).toBe(one.gate);
	});

	test("names the first gate that holds, whatever else holds too", () => {
		const rng = new Rng("gates");
		const holding = CASES.filter((one) => effectOf(one) === "hold" && one !== STUCK);
		const seen = new Set<string>();
		for (let round = 0; round < 5_000; round++) {
			const drawn = holding.filter(() => rng.int(holding.length) < 4);
			// Where two concern the same gate, the one that is set last counts; so that of an earlier gate is set later.
			const inOrder = drawn.sort((a, b) => GATE_NAMES.indexOf(b.gate) - GATE_NAMES.indexOf(a.gate));
			const facts = new Facts();
			for (const { set } of inOrder) set(facts);
			const { heldBy } = expectSound(facts);
			expect(heldBy).toBe(inOrder.at(-1)?.gate ?? null);
			if (heldBy !== null) seen.add(heldBy);
		}
		expect([...seen].sort()).toEqual([...GATE_NAMES].sort());
	});

	test("is sound for facts of any kind, also if some can't be had, of an account and of a host", () => {
		const rng = new Rng("facts");
		const verdicts = new Set<string>();
		for (let round = 0; round < 5_000; round++) {
			const facts = new Facts();
			for (let change = rng.int(5); change > 0; change--) rng.pick(CASES).set(facts);
			if (rng.int(3) === 0) facts.did = null;
			verdicts.add(expectSound(facts).verdict);
		}
		expect([...verdicts].sort()).toEqual(["held", "not-known", "passes", "unknown"]);
	});

	test("of a host has its own gates, and tells its last rejection without holding it for that", () => {
		const facts = new Facts();
		facts.did = null;
		facts.view = { ...facts.view, worker: null, hostRejection: { told: rejection("rev-future") } };
		const { verdict, gates } = expectSound(facts);
		expect(verdict).toBe("passes");
		expect(gates.at(-2)).toMatchObject({
			gate: "repo",
			answer: "some-rejected",
			facts: { did: DID, rejectedReason: "rev-future", advice: "set the clock of the PDS" },
		});
		facts.view = { ...facts.view, hostRejection: { told: null }, delays: { told: delays("account", false) } };
		expect(explain(facts.all)).toMatchObject({ heldBy: "limits", verdict: "held" });
	});

	test("does not name an account unseen while nobody can say so", () => {
		for (const lack of ["account", "identity"] as const) {
			const facts = new Facts();
			facts.view = { ...facts.view, hostname: null, host: null, worker: null };
			facts.account = { told: null };
			facts.identity = { told: null };
			facts[lack] = { untold: "the index does not answer" };
			const { verdict, gates } = expectSound(facts);
			expect(verdict).toBe("unknown");
			expect(gates[0]).toMatchObject({ answer: "unknown", detail: "the index does not answer" });
		}
	});

	test("does not take messages that wait for the log, or for the index, for such that wait for a lookup", () => {
		for (const set of [
			(facts: Facts) => {
				facts.view = { ...facts.view, logStall: "disk-full" };
			},
			(facts: Facts) => {
				facts.account = { untold: "the index can't be read" };
			},
		]) {
			const facts = new Facts();
			facts.worker(() => ({ waiting: 1, waitingForMs: 3_600_000 }));
			expect(explain(facts.all).heldBy).toBe("identity");
			set(facts);
			expect(answerOf(facts, "identity")).toBe("resolved");
			expectSound(facts);
		}
	});

	test("has the facts that its answers come from", () => {
		const facts = new Facts();
		facts.host({ phase: "waiting", failures: 3, lastError: ERROR, nextAttemptMs: 2_000 });
		facts.reject(rejection("signature-invalid"));
		facts.resolved({ ...IDENTITY, resolvedAtMs: Number.MAX_VALUE });
		const { gates } = expectSound(facts);
		const factsOf = (name: GateName) => gates.find(({ gate }) => gate === name);
		expect(factsOf("host-connected")).toMatchObject({
			detail: "connection refused; see whether the PDS runs",
			facts: { failures: 3, nextAttemptAt: "1970-01-01T00:00:02.000Z", lastError: "connection refused" },
		});
		expect(factsOf("identity")).toMatchObject({ facts: { pds: `https://${PDS}`, resolvedAt: null } });
		expect(factsOf("repo")).toMatchObject({
			facts: {
				acceptedRev: "3l4w7ujaqsk2x",
				acceptedSeqOfPds: 17,
				rejectedReason: "signature-invalid",
				rejectedSeqOfPds: 18,
				rejectedFrom: PDS,
			},
		});
	});
});

describe("the table of answers", () => {
	test("has for each gate one that passes and one that holds, and each that holds says what can be done", () => {
		for (const gate of GATE_NAMES) {
			const rules = Object.keys(WHY_ANSWERS[gate]).map((answer) => ruleOf(gate, answer));
			expect(new Set(rules.map(({ effect }) => effect))).toEqual(new Set(["pass", "hold", "unknown"]));
			for (const { effect, action } of rules) expect(action === null).toBe(effect === "pass");
		}
	});

	test("is given in full: there are facts for each answer", () => {
		const seen = new Set(explain(new Facts().all).gates.map(({ gate, answer }) => `${gate} ${answer}`));
		for (const { set } of CASES) {
			const facts = new Facts();
			set(facts);
			for (const did of [DID, null]) {
				facts.did = did;
				for (const { gate, answer } of explain(facts.all).gates) seen.add(`${gate} ${answer}`);
			}
		}
		const facts = new Facts();
		facts.did = null;
		facts.view = { ...facts.view, hostRejection: { told: rejection("rev-future") } };
		for (const { gate, answer } of explain(facts.all).gates) seen.add(`${gate} ${answer}`);
		const all = GATE_NAMES.flatMap((gate) => Object.keys(WHY_ANSWERS[gate]).map((answer) => `${gate} ${answer}`));
		expect(all.filter((one) => !seen.has(one))).toEqual([]);
	});

	test("has no answer beyond its own", () => {
		expect(() => ruleOf("repo", "toString")).toThrow("no answer");
	});
});
