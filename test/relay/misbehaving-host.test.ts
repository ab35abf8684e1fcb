import { Database } from "bun:sqlite";
import { afterAll, beforeAll, describe, expect, test } from "bun:test";
import { join } from "node:path";
import type { SimAccount } from "../../src/sim/account.ts";
import type { SimHost } from "../../src/sim/host.ts";
import { encodeErrorFrame, encodeInfoFrame } from "../../src/sim/message.ts";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { Rng } from "../../src/sim/rng.ts";
import { expectReceived } from "./expect-received.ts";
import { RELAY_COMMAND, RelayRig, until } from "./rig.ts";

const LIMIT_MS = 300_000;

let rig: RelayRig;

beforeAll(async () => {
	rig = await RelayRig.start({ seed: "misbehaving hosts", hosts: 6, accounts: 12 });
});
afterAll(async () => {
	expect(await rig.relay.stop()).toBe(0);
	await rig.stop();
});

/** A host for one test, with its two accounts. */
async function hostOf(index: number): Promise<{ host: SimHost; accounts: SimAccount[] }> {
	const { network } = rig;
	const host = network.hosts[index];
	if (host === undefined) throw new Error("not enough hosts");
	const accounts = network.accounts.filter((account) => network.hostOf(account) === host);
	for (const account of accounts) {
		for (const message of [account.identity(), account.account(true), await account.commit()]) {
			network.send(account, message);
		}
	}
	await expectReceived(rig, accounts);
	return { host, accounts };
}

async function commitAll(accounts: readonly SimAccount[]): Promise<void> {
	for (const account of accounts) rig.network.send(account, await account.commit());
}

/** Disconnects the host from the relay while `change` is done to it. */
async function whileAway(host: SimHost, change: () => void | Promise<void>): Promise<void> {
	await host.stop();
	await change();
	host.start();
}

describe("a backlog with messages that can't be read", () => {
	test(
		"arrives except for these: text, garbage, and one that is too large",
		async () => {
			const { host, accounts } = await hostOf(0);
			const gapsBefore = (await rig.stats()).counters.of("host_gaps_total");
			await whileAway(host, async () => {
				await commitAll(accounts);
				host.emitUnreadable("a text message");
				host.emitUnreadable(Uint8Array.of(0xff));
				await commitAll(accounts);
				host.emitUnreadable(new Uint8Array(5_000_001));
				await commitAll(accounts);
			});
			await expectReceived(rig, accounts);
			const { rejected, counters } = await rig.stats();
			expect(rejected["frame-text"]).toBe(1);
			expect(rejected["frame-malformed"]).toBe(1);
			expect(rejected["frame-too-large"]).toBe(3);
			expect(counters.of("host_gaps_total") - gapsBefore).toBe(2);
		},
		LIMIT_MS,
	);

	test(
		"arrives even if more than a hundred of them come in a row",
		async () => {
			const { host, accounts } = await hostOf(1);
			await whileAway(host, async () => {
				await commitAll(accounts);
				for (let bad = 0; bad < 250; bad++) host.emitUnreadable(Uint8Array.of(0xf7, bad));
				await commitAll(accounts);
				await commitAll(accounts);
			});
			await expectReceived(rig, accounts);
		},
		LIMIT_MS,
	);
});

describe("a host that is set up anew", () => {
	test(
		"and takes the old cursor as live loses no commits, and no #identity and #account",
		async () => {
			const { host, accounts } = await hostOf(2);
			for (let i = 0; i < 10; i++) await commitAll(accounts);
			await expectReceived(rig, accounts);
			host.onFutureCursor = "live";
			const connects = host.cursors.length;
			host.wipe();
			await until(() => host.cursors.length > connects && host.connections > 0);
			for (const account of accounts) {
				for (const message of [account.identity(), account.account(true), await account.commit()]) {
					rig.network.send(account, message);
				}
			}
			await expectReceived(rig, accounts);
			expect(host.lastSeq).toBe(6);
			expect((await rig.stats()).counters.of("messages_replayed_total")).toBe(0);
		},
		LIMIT_MS,
	);

	test(
		"while the relay is disconnected loses nothing of its new numbering either",
		async () => {
			const { host, accounts } = await hostOf(2);
			host.onFutureCursor = "live";
			await whileAway(host, async () => {
				host.wipe();
				await commitAll(accounts);
			});
			await until(() => host.connections > 0);
			await commitAll(accounts);
			await expectReceived(rig, accounts);
		},
		LIMIT_MS,
	);

	test(
		"and answers FutureCursor is idle, until an operator resets the cursor",
		async () => {
			const { host, accounts } = await hostOf(3);
			const connects = host.cursors.length;
			host.wipe();
			await until(() => host.cursors.length > connects);
			await commitAll(accounts);
			expect(await resetCursor(host.hostname, 0)).toBe(200);
			await expectReceived(rig, accounts);
			expect(await resetCursor(host.hostname)).toBe(200);
			await until(() => host.cursors.at(-1) === null && host.connections === 1);
			await commitAll(accounts);
			await expectReceived(rig, accounts);
			expect(await resetCursor("nobody.knows.example.com")).toBe(404);
			expect(await resetCursor(host.hostname, -1)).toBe(400);
		},
		LIMIT_MS,
	);
});

test(
	"a host that replays inclusively passes nothing twice",
	async () => {
		const { host, accounts } = await hostOf(4);
		host.replaysInclusively = true;
		for (let round = 0; round < 3; round++) {
			const connects = host.cursors.length;
			// The last message is of another kind each time.
			for (const account of accounts) {
				const messages = [account.identity(), account.account(true), await account.commit()];
				for (let at = 0; at < messages.length; at++) {
					const message = messages[(at + round) % messages.length];
					if (message !== undefined) rig.network.send(account, message);
				}
			}
			await expectReceived(rig, accounts);
			host.closeAll(1012, "restart");
			await until(() => host.cursors.length > connects && host.connections > 0);
		}
		await until(async () => (await rig.stats()).counters.of("messages_replayed_total") === 3);
		await commitAll(accounts);
		await expectReceived(rig, accounts);
	},
	LIMIT_MS,
);

test(
	"a host's #info frames don't flood the log, and its error frames of any text cost it one connection each",
	async () => {
		const { host, accounts } = await hostOf(5);
		const startMs = performance.now();
		const rng = new Rng("noise");
		const alphabet = ["a", "ß", "語", "🦋", "\0", "\n"];
		const text = (charsMax: number): string =>
			Array.from({ length: 1 + rng.int(charsMax) }, () => rng.pick(alphabet)).join("");
		for (let i = 0; i < 2_000; i++) host.sendRaw(encodeInfoFrame(text(20), text(200)));
		for (let round = 0; round < 5; round++) {
			await until(() => host.connections === 1);
			// After a connection that brought messages, the relay dials again soon.
			await commitAll(accounts);
			await expectReceived(rig, accounts);
			const closes = host.closes.length;
			host.sendRaw(encodeErrorFrame(text(300), text(500)));
			await until(() => host.closes.length > closes);
			expect(host.closes.at(-1)).toEqual({ code: 1000, reason: "error received" });
		}
		await commitAll(accounts);
		await expectReceived(rig, accounts);
		const lines = (await Bun.file(rig.relay.logPath).text()).split("\n");
		const said = lines.filter((line) => line.includes(host.hostname) && line.includes(" says "));
		// At most one line a minute.
		expect(said.length).toBeLessThanOrEqual(2 + (performance.now() - startMs) / 60_000);
		expect(said.length).toBeGreaterThan(0);
	},
	LIMIT_MS,
);

test(
	"a host whose name leads to a private address by now is not connected to",
	async () => {
		const relay = await RelayProcess.create({ command: RELAY_COMMAND, plcUrl: rig.network.plc.url });
		try {
			await relay.start();
			await relay.stop();
			// This stands for a name that passed the check when the host was added. Every resolver knows `localhost`.
			const index = new Database(join(relay.logDirectory, "..", "index.sqlite"));
			index.run(
				"INSERT INTO host (id, hostname, insecure, status, gaps, account_count) VALUES (1, 'localhost', 0, 'active', 0, 0)",
			);
			index.close();
			await relay.start();
			await until(async () => (await Bun.file(relay.logPath).text()).includes("is not public"));
			expect((await relay.stats()).counters.of("host_connects_total")).toBe(0);
			expect(await relay.stop()).toBe(0);
		} finally {
			await relay.stop();
			await relay.remove();
		}
	},
	LIMIT_MS,
);

test("the consumer saw nothing out of order", () => {
	expect(rig.consumer.orderViolations).toBe(0);
	expect(rig.consumer.revViolations).toBe(0);
	expect(rig.consumer.closes).toEqual([]);
});

/** Returns the HTTP status of the answer. */
async function resetCursor(hostname: string, cursor?: number): Promise<number> {
	const response = await fetch(`http://127.0.0.1:${rig.relay.apiPort}/admin/pds/resetCursor`, {
		method: "POST",
		headers: { authorization: rig.relay.adminAuthorization },
		body: JSON.stringify({ hostname, cursor }),
	});
	await response.body?.cancel();
	return response.status;
}
