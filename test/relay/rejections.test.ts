import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import type { FailureExample } from "../../src/control/failures.ts";
import type { SimAccount } from "../../src/sim/account.ts";
import { BAD_REASONS, type BadReason, sendBad } from "../sim/bad.ts";
import { RelayRig, until } from "./rig.ts";

/** Messages that can't be received at all end their connection. */
const CLOSING: ReadonlySet<BadReason> = new Set(["frame-too-large"]);

let rig: RelayRig;
const accounts: SimAccount[] = [];

beforeAll(async () => {
	rig = await RelayRig.start({ seed: "rejections", hosts: 2, accounts: BAD_REASONS.length });
	accounts.push(...rig.network.accounts);
});

afterAll(async () => {
	expect(await rig.relay.stop()).toBe(0);
	await rig.stop();
});

async function rejections(reason: BadReason): Promise<number> {
	return (await rig.stats()).rejected[reason];
}

describe("each reason, sent through a socket", () => {
	for (const [index, reason] of BAD_REASONS.entries()) {
		test(reason, async () => {
			const account = accounts[index];
			if (account === undefined) throw new Error("an account for each reason");
			const before = await rejections(reason);
			const { account: sender, heal } = await sendBad(reason, rig.network, account);
			const host = rig.network.hostOf(sender);
			const connectsBefore = host.cursors.length;

			// It is counted once, under its name.
			await until(async () => (await rejections(reason)) > before);
			expect(await rejections(reason)).toBe(before + 1);

			// The connection is closed if the rule says so, and made again; else it is kept.
			if (CLOSING.has(reason)) {
				await until(() => host.cursors.length > connectsBefore && host.connections > 0);
			}

			// The account's next good message is accepted, and nothing but good messages went out.
			heal();
			const good = await sender.commit();
			rig.network.send(sender, good);
			await until(() => rig.received(sender.did).includes(`commit ${good.rev}`));
			expect(rig.received(sender.did)).toEqual(rig.expected(sender.did));
			if (!CLOSING.has(reason)) expect(host.cursors.length).toBe(connectsBefore);
		}, 300_000);
	}
});

test("no other message was rejected, and none came twice or out of order", async () => {
	const { rejected } = await rig.stats();
	expect(Object.values(rejected).reduce((sum, count) => sum + count, 0)).toBe(BAD_REASONS.length);
	expect(rig.consumer.orderViolations).toBe(0);
	expect(rig.consumer.errors).toEqual([]);
});

interface Report {
	hostname: string;
	rejected: number;
	lenient: number;
	reasons: { reason: string; rejected: number; example?: FailureExample | null }[];
}

test("the operator sees of each host what failed, by reason, with the last example; and everybody the counts", async () => {
	const { relay, network } = rig;
	const { json } = await relay.admin("pds/failures");
	const listed = json as { sinceMs: number; total: number; hosts: Report[] };
	expect([listed.total, listed.hosts.length]).toEqual([2, 2]);
	expect(listed.sinceMs).toBeLessThanOrEqual(Date.now());
	const all: Report["reasons"] = [];
	for (const { hostname } of network.hosts) {
		const report = (await relay.admin(`pds/failures?host=${hostname}`)).json as Report;
		all.push(...report.reasons);
		expect(report.rejected).toBe(report.reasons.reduce((sum, one) => sum + one.rejected, 0));
		const inList = listed.hosts.find((one) => one.hostname === hostname);
		const { rejected, reasons } = report;
		expect(inList).toEqual({
			...{ hostname, rejected, lenient: 0 },
			reasons: reasons.map(({ example: _, ...counts }) => counts),
		});
		const why = await fetch(`http://127.0.0.1:${relay.apiPort}/api/why?host=${hostname}`);
		const { failures } = (await why.json()) as { failures: { reason: string; rejected: number }[] };
		expect(failures.map(({ reason, rejected }) => [reason, rejected])).toEqual(
			report.reasons.map(({ reason, rejected }) => [reason, rejected]),
		);
	}
	for (const reason of BAD_REASONS) {
		const found = all.filter((one) => one.reason === reason);
		expect([reason, found.reduce((sum, { rejected }) => sum + rejected, 0)]).toEqual([reason, 1]);
		expect(found[0]?.example).toMatchObject({ outcome: "rejected", detail: expect.stringMatching(/^.+$/) });
	}
	const signature = all.find(({ reason }) => reason === "signature-invalid")?.example;
	expect(accounts.map(({ did }) => did)).toContain(signature?.did ?? "");
	expect(signature).toMatchObject({ type: "commit", rev: expect.any(String), upstreamSeq: expect.any(Number) });
	const first = (await relay.admin("pds/failures?limit=1")).json as { hosts: Report[]; cursor: string };
	const second = (await relay.admin(`pds/failures?limit=1&cursor=${first.cursor}`)).json as typeof first;
	expect([...first.hosts, ...second.hosts]).toEqual(listed.hosts);
	expect(second.cursor).toBeUndefined();
	expect((await relay.admin("pds/failures?host=nowhere.example.com")).status).toBe(404);
});
