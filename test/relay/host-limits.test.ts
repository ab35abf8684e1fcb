import { describe, expect, test } from "bun:test";
import type { SimAccount } from "../../src/sim/account.ts";
import { RelayRig, until } from "./rig.ts";

/** So few a second that most of what a test sends waits for a while. */
const LIMITS = { RELAY_HOST_EVENT_LIMITS: "8/s,100000/h,100000/d", RELAY_DEFAULT_ACCOUNT_LIMIT: "2" };
/** So few an hour that what a test sends waits for as long as the test runs. */
const HOURLY_LIMITS = { RELAY_HOST_EVENT_LIMITS: "50/s,18/h,100000/d", RELAY_DEFAULT_ACCOUNT_LIMIT: "2" };

async function rigWith(
	seed: string,
	env: Record<string, string>,
): Promise<{ rig: RelayRig; busy: SimAccount; calm: SimAccount }> {
	const rig = await RelayRig.start({ seed, hosts: 1, accounts: 2 }, env);
	const [busy, calm] = rig.network.accounts;
	if (busy === undefined || calm === undefined) throw new Error("the network has two accounts");
	return { rig, busy, calm };
}

async function send(rig: RelayRig, account: SimAccount, count: number): Promise<void> {
	for (let sent = 0; sent < count; sent++) rig.network.send(account, await account.commit());
}

/** Waits until each message that the hosts have sent has been passed or waits. */
async function untilDelayed(rig: RelayRig, messages: number): Promise<void> {
	await until(async () => {
		const { counters } = await rig.stats();
		return counters.of("delayed_messages") > 0 && counters.of("frames_received_total") >= messages;
	});
}

describe("a host beyond its limits", () => {
	test("has its busy account wait, and says whose doing it is, while the other one passes; nothing is dropped", async () => {
		const { rig, busy, calm } = await rigWith("host limits", LIMITS);
		try {
			await send(rig, busy, 60);
			await untilDelayed(rig, 60);
			await send(rig, calm, 1);
			await until(() => rig.received(calm.did).length === 1);
			const { counters, delayedHosts } = await rig.stats();
			if (counters.of("delayed_messages") > 0)
				expect(delayedHosts).toMatchObject([
					{ hostname: rig.network.hosts[0]?.hostname, accounts: 1, top: [{ did: busy.did, window: "second" }] },
				]);
			await until(() => rig.received(busy.did).length === 60);
			expect(rig.received(busy.did)).toEqual(rig.expected(busy.did));
			const after = await rig.stats();
			expect(after.counters.of("delayed_messages")).toBe(0);
			expect(after.counters.of("delayed_hosts")).toBe(0);
			expect(after.delayedHosts).toEqual([]);
			expect(Object.values(after.rejected).every((count) => count === 0)).toBe(true);
		} finally {
			await rig.stop();
		}
	}, 300_000);

	test.each(["stop", "kill"] as const)(
		"loses nothing by a %s while its messages wait, and a stop does not wait for them",
		async (how) => {
			const { rig, busy, calm } = await rigWith(`host limits ${how}`, HOURLY_LIMITS);
			try {
				await send(rig, busy, 40);
				await send(rig, calm, 2);
				await untilDelayed(rig, 42);
				await until(() => rig.received(calm.did).length === 2);
				if (how === "stop") expect(await rig.relay.stop()).toBe(0);
				else {
					rig.relay.kill();
					await rig.relay.exited();
				}
				await rig.relay.start({ RELAY_HOST_EVENT_LIMITS: "none" });
				await rig.consumer.connect();
				await until(() => rig.received(busy.did).length >= 40);
				expect(rig.received(busy.did)).toEqual(rig.expected(busy.did));
				expect(rig.received(calm.did)).toEqual(rig.expected(calm.did));
			} finally {
				await rig.stop();
			}
		},
		300_000,
	);

	test("reads on for the other accounts while one imports more than fits in memory, also over a kill", async () => {
		const { rig, busy, calm } = await rigWith("host limits import", {
			RELAY_HOST_EVENT_LIMITS: "150/s,100000/h,100000/d",
			RELAY_DEFAULT_ACCOUNT_LIMIT: "2",
			// The least.
			RELAY_HOST_BUFFER_BYTES: "5000000",
		});
		try {
			await send(rig, busy, 700);
			await until(async () => (await rig.stats()).counters.of("accounts_left_out") === 1);
			await send(rig, calm, 1);
			await until(() => rig.received(calm.did).length === 1);
			expect(rig.received(busy.did).length).toBeLessThan(700);
			rig.relay.kill();
			await rig.relay.exited();
			await rig.relay.start();
			await rig.consumer.connect();
			await until(() => rig.received(busy.did).length >= 700);
			expect(rig.received(busy.did)).toEqual(rig.expected(busy.did));
			expect(rig.received(calm.did)).toEqual(rig.expected(calm.did));
			await until(async () => (await rig.stats()).counters.of("accounts_left_out") === 0);
			const { counters, rejected } = await rig.stats();
			expect(counters.of("catch_up_rounds_total")).toBeGreaterThan(0);
			expect(Object.values(rejected).every((count) => count === 0)).toBe(true);
		} finally {
			await rig.stop();
		}
	}, 300_000);

	test("has nothing wait any more once it is banned", async () => {
		const { rig, busy } = await rigWith("host limits ban", HOURLY_LIMITS);
		try {
			await send(rig, busy, 40);
			await untilDelayed(rig, 40);
			const [host] = rig.network.hosts;
			// A host that says that it is a relay is banned when it is dialled next.
			if (host !== undefined) host.serverHeader = "atproto-relay";
			host?.closeAll(1001);
			await until(async () => (await rig.stats()).counters.of("delayed_messages") === 0);
			const { counters } = await rig.stats();
			expect(counters.of("inflight_bytes")).toBe(0);
			expect(counters.of("delayed_bytes")).toBe(0);
			expect(rig.received(busy.did).length).toBeLessThan(40);
		} finally {
			await rig.stop();
		}
	}, 300_000);
});
