import type { SimAccount } from "./account.ts";
import type { SimWrite } from "./commit.ts";
import type { SimMessage } from "./message.ts";
import { makeRecord, type SimCollection } from "./records.ts";

/** What an account may do next, in about the proportions of the live network. Rare actions are somewhat more frequent. */
const ACTION_WEIGHTS = {
	create: 70,
	delete: 12,
	update: 4,
	"multi-op": 6,
	empty: 1,
	resync: 1,
	identity: 2,
	"account-active": 1,
	"account-pause": 1,
};

/** The most writes in a multi-op commit. */
const MULTI_OPS_MAX = 8;

function updateOf(account: SimAccount, path: string): SimWrite {
	const collection = path.slice(0, path.indexOf("/")) as SimCollection;
	return { action: "update", path, record: makeRecord(collection, account.rng, account.clock) };
}

/** Writes of distinct paths: mostly creates, with some updates and deletes of existing records. */
function multipleWrites(account: SimAccount): SimWrite[] {
	const writes = new Map<string, SimWrite>();
	const count = 2 + account.rng.int(MULTI_OPS_MAX - 1);
	for (let i = 0; i < count; i++) {
		const existing = account.rng.int(3) === 0 ? account.anyRecord() : null;
		if (existing === null) {
			const write = account.newRecord();
			writes.set(write.path, write);
		} else if (account.rng.int(2) === 0) writes.set(existing.path, updateOf(account, existing.path));
		else writes.set(existing.path, { action: "delete", path: existing.path });
	}
	return [...writes.values()];
}

/** The messages about an account's creation, in the order in which a PDS sends them. */
export async function firstMessages(account: SimAccount): Promise<SimMessage[]> {
	return [account.identity(), account.account(true), await account.commit([]), await account.sync()];
}

/** Makes the messages about the next thing that happens to an account: mostly one commit. All of them are good. */
export async function nextMessages(account: SimAccount): Promise<SimMessage[]> {
	if (account.rev === null) return firstMessages(account);
	const existing = account.anyRecord();
	const action = account.rng.weighted(ACTION_WEIGHTS);
	switch (action) {
		case "identity":
			return [account.identity()];
		case "account-active":
			return [account.account(true)];
		case "account-pause":
			return [account.account(false, "deactivated"), account.account(true)];
		case "empty":
			return [await account.commit([])];
		case "resync":
			return [await account.resync()];
		case "multi-op":
			return [await account.commit(multipleWrites(account))];
		case "update":
			return [await account.commit(existing === null ? [account.newRecord()] : [updateOf(account, existing.path)])];
		case "delete":
			return [
				await account.commit(existing === null ? [account.newRecord()] : [{ action: "delete", path: existing.path }]),
			];
		case "create":
			return [await account.commit()];
	}
}
