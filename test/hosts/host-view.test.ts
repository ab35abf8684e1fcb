import { describe, expect, test } from "bun:test";
import { HOST_FAULT_NAMES, HOST_FAULTS } from "../../src/hosts/fault.ts";
import { hostViewOf, publicDetailOf } from "../../src/hosts/host-view.ts";
import { type HostFact, type HostState, initialState, next } from "../../src/hosts/state.ts";
import { NEVER_CONNECTED } from "../../src/log/record/host-connection.ts";

const NAME = "pds.example.com";
/** Each a second after the one before. */
function after(...facts: HostFact[]): HostState {
	return facts.reduce((state, fact, at) => next(state, fact, 1_000 * at).state, initialState(NEVER_CONNECTED, 1));
}

const DIALLED: HostFact[] = [{ type: "start" }, { type: "turn" }];

describe("what anybody is told of a host", () => {
	test.each(HOST_FAULT_NAMES)(
		"after the fault %s has what happened and what can be done, but nothing of the relay's insides",
		(fault) => {
			const text = "secret.cc:7: connect 10.0.0.5:443.";
			const state = after(...DIALLED, { type: "ended", fault, text, progress: false });
			const { lastError } = hostViewOf(NAME, state, null);
			expect(lastError?.advice).toBe(HOST_FAULTS[fault].advice);
			expect(lastError?.atMs).toBe(2_000);
			if (fault === "internal" || fault === "private-address")
				expect(lastError?.text).not.toMatch(/secret|10\.0\.0\.5/);
			else expect(lastError?.text).toBe("secret.cc:7: connect 10.0.0.5:443");
			expect(publicDetailOf(state)).toBe(`${lastError?.text}; ${HOST_FAULTS[fault].advice}`);
		},
	);

	test("has no error that is older than its connection", () => {
		const ended: HostFact = { type: "ended", fault: "refused", text: "connection refused", progress: false };
		const state = after(...DIALLED, ended, { type: "due" }, { type: "turn" }, { type: "opened" });
		expect(publicDetailOf(state)).toBe("connected");
		expect(hostViewOf(NAME, state, null)).toMatchObject({ phase: "connected", connectedAtMs: 5_000, lastError: null });
	});

	test("names the domain that is banned", () => {
		const state = after(...DIALLED, { type: "banned", why: "an operator's words" });
		const view = hostViewOf(NAME, state, { by: "domain", domain: "example.com" });
		expect(view).toMatchObject({ hostname: NAME, phase: "barred", ban: { domain: "example.com" } });
		expect(JSON.stringify(view)).not.toContain("operator's words");
		expect(publicDetailOf(state)).not.toContain("operator's words");
	});
});
