import { expect } from "bun:test";
import { type RelayRig, until } from "./rig.ts";

/** Waits until the rig's consumer has all messages of these accounts that pass. Expects no others of theirs, and all in order. */
export async function expectReceived(rig: RelayRig, accounts: readonly { did: string }[]): Promise<void> {
	for (const { did } of accounts) {
		await until(() => rig.received(did).length >= rig.expected(did).length);
		expect(rig.received(did)).toEqual(rig.expected(did));
	}
	expect(rig.consumer.orderViolations).toBe(0);
}
