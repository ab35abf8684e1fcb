import { expect, test } from "bun:test";
import { scanFrame } from "../../../src/protocol/frame.ts";
import type { SimAccount } from "../../../src/sim/account.ts";
import type { SimMessage } from "../../../src/sim/message.ts";
import { ShardRig } from "./shard-rig.ts";

const OLD = 1;
const NEW = 2;

interface Event {
	name: string;
	host: number;
	message: SimMessage;
}

/** What the two hosts say of a migration, each in the form in which real PDSes say it, and the first commit after all of it. */
async function messagesOf(account: SimAccount, ending: string) {
	const first = await account.commit();
	const late = await account.commit();
	const imported = await account.sync();
	// After an import, the reference PDS can send the old commit, which the old key has signed, under a rev of its own.
	account.rotateKey();
	const own = await account.commit();
	imported.body.rev = own.rev;
	const events: Event[] = [
		{ name: "identity", host: NEW, message: account.identity() },
		{ name: "active", host: NEW, message: account.account(true) },
		{ name: "commit", host: NEW, message: own },
		{ name: "sync", host: NEW, message: { ...imported, rev: own.rev } },
		{ name: `old ${ending}`, host: OLD, message: account.account(false, ending) },
		{ name: "old commit", host: OLD, message: late },
	];
	return { first, events, next: await account.commit() };
}

/** All orders of these events. */
function* orders(events: readonly Event[]): Generator<Event[]> {
	if (events.length === 0) yield [];
	for (const [at, event] of events.entries())
		for (const rest of orders([...events.slice(0, at), ...events.slice(at + 1)])) yield [event, ...rest];
}

/** The messages that passed, in order: of an `#account`, whether it is active. */
function passed(rig: ShardRig): { host: number; what: string | boolean; rev: string | null }[] {
	return rig.entries().map(({ host, frame }) => {
		const scanned = scanFrame(frame);
		if (scanned.kind !== "message") throw new Error("no message");
		const { message } = scanned;
		return {
			host,
			what: message.type === "account" ? message.active : message.type,
			rev: "rev" in message ? message.rev : null,
		};
	});
}

test.each(["deactivated", "deleted"])(
	"a migration in any order of its events leaves an account at its new host, active, whose next commit passes (old host: %s)",
	async (ending) => {
		const account = await ShardRig.account(`migration ${ending}`);
		const oldKey = account.key;
		const { first, events, next } = await messagesOf(account, ending);
		const newKey = account.key;
		let count = 0;
		for (const order of orders(events)) {
			const names = order.map(({ name }) => name).join(", ");
			const rig = new ShardRig();
			account.key = oldKey;
			rig.identity(account);
			rig.send(first, 1, OLD);
			await rig.settle();
			let seq = 1;
			let hasMoved = false;
			for (const { host, message } of order) {
				if (host === NEW && !hasMoved) {
					// A host says nothing of an account before the DID document names it.
					hasMoved = true;
					account.key = newKey;
					rig.identity(account, "https://two.example");
				}
				rig.send(message, ++seq, host);
				await rig.settle();
			}
			rig.send(next, ++seq, NEW);
			await rig.settle();
			const messages = passed(rig);
			const moved = messages.findIndex(({ host }) => host === NEW);
			expect([names, messages.at(-1)]).toEqual([names, { host: NEW, what: "commit", rev: next.rev }]);
			expect([names, messages.findLast(({ what }) => typeof what === "boolean")?.what ?? true]).toEqual([names, true]);
			// Consumers get no commit of an account that they were last told is inactive.
			let isActive = true;
			for (const { what } of messages) {
				if (typeof what === "boolean") isActive = what;
				else if (what === "commit") expect([names, isActive]).toEqual([names, true]);
			}
			// What the old host says after that does not count.
			expect([names, messages.slice(moved).filter(({ host }) => host === OLD)]).toEqual([names, []]);
			expect(rig.rejected["commit-rev-mismatch"] ?? rig.rejected["rev-stale"]).toBe(1);
			expect([names, rig.outcomes.length]).toEqual([names, order.length + 2]);
			count++;
		}
		account.key = newKey;
		expect(count).toBe(720);
	},
	300_000,
);
