import { expect, test } from "bun:test";
import { effectiveStatus, isActive, isDeletedAtHost, isListed, isTakenDown } from "../../src/account/status.ts";

const STATUSES = [null, "takendown", "suspended", "deactivated", "deleted", "desynchronized", "throttled"];
const TAKEN_DOWN = ["takendown", "suspended", "deleted"];

/** Every status that an account can have, at its host and here. */
const ALL = STATUSES.flatMap((localStatus) =>
	STATUSES.flatMap((upstreamStatus) =>
		[true, false].flatMap((upstreamActive) =>
			[null, 0, 9].map((waitingSinceUs) => ({ localStatus, upstreamStatus, upstreamActive, waitingSinceUs })),
		),
	),
);

test("an account is active only if both its host and this relay say so, and it does not wait for a place", () => {
	for (const account of ALL)
		expect(isActive(account)).toBe(
			account.upstreamActive && account.localStatus === null && account.waitingSinceUs === null,
		);
});

test("the effective status is the operator's if there is one, `throttled` while an account waits that is active at its host, else the host's", () => {
	for (const account of ALL) {
		const { localStatus, upstreamActive, upstreamStatus, waitingSinceUs } = account;
		const { active, status } = effectiveStatus(account);
		if (localStatus !== null) expect([active, status]).toEqual([false, localStatus]);
		else if (waitingSinceUs !== null && upstreamActive) expect([active, status]).toEqual([false, "throttled"]);
		else expect([active, status]).toEqual([upstreamActive, upstreamStatus ?? undefined]);
	}
	expect(
		effectiveStatus({ localStatus: null, upstreamActive: true, upstreamStatus: null, waitingSinceUs: null }),
	).toEqual({ active: true });
});

test("an account is taken down by its host or by the operator, by no status of its owner, and by none of an active account", () => {
	for (const account of ALL) {
		const { localStatus, upstreamActive, upstreamStatus } = account;
		const byUs = localStatus !== null && TAKEN_DOWN.includes(localStatus);
		const byHost = !upstreamActive && upstreamStatus !== null && TAKEN_DOWN.includes(upstreamStatus);
		expect(isTakenDown(account)).toBe(byUs || byHost);
		// An account that is taken down is never let through as well.
		if (isTakenDown(account)) expect(isActive(account)).toBe(false);
	}
});

test("an account counts as one of its host until the host says that it is deleted", () => {
	for (const account of ALL)
		expect(isDeletedAtHost(account)).toBe(!account.upstreamActive && account.upstreamStatus === "deleted");
});

test("listRepos names the active accounts that have a repo", () => {
	for (const account of ALL) {
		expect(isListed({ ...account, commit: null })).toBe(false);
		expect(isListed({ ...account, commit: new Uint8Array(36) })).toBe(isActive(account));
	}
});
