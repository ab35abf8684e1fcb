import { Account } from "./account.ts";
import type { Pds } from "./pds.ts";
import { query, request } from "./xrpc.ts";

/**
 * Moves an account to another PDS, with the steps of a migration tool: an account of the same DID at the new PDS, its
 * repo, and the DID document by an operation that the old PDS signs. The last step, to deactivate the old account, is left
 * to the caller.
 * @param name of the account's new handle
 * @param withRepo false to leave the repo at the old PDS: the account begins a new one
 * @returns the account at the new PDS, which is active there
 */
export async function migrate(old: Account, to: Pds, name: string, { withRepo = true } = {}): Promise<Account> {
	const { did } = old;
	const { did: audience } = await query<{ did: string }>(to.origin, "com.atproto.server.describeServer");
	const { token } = await old.ask<{ token: string }>("com.atproto.server.getServiceAuth", {
		aud: audience,
		lxm: "com.atproto.server.createAccount",
	});
	const moved = await Account.create(to, name, { did, token });
	if (withRepo) await copyRepo(old, moved);
	await handOverIdentity(old, moved);
	await moved.activate();
	return moved;
}

/** Moves an account back to the PDS that it came from, which still has it, deactivated. The last step is left to the caller as well. */
export async function moveBack(from: Account, to: Account, { withRepo = true } = {}): Promise<void> {
	if (withRepo) await copyRepo(from, to);
	await handOverIdentity(from, to);
	await to.activate();
}

async function copyRepo(from: Account, to: Account): Promise<void> {
	const repo = await request(from.pds.origin, "com.atproto.sync.getRepo", { parameters: { did: from.did } });
	await request(to.pds.origin, "com.atproto.repo.importRepo", {
		method: "POST",
		body: new Blob([await repo.arrayBuffer()], { type: "application/vnd.ipld.car" }),
		authorization: to.authorization,
	});
}

/** Puts the new PDS's address and keys into the DID document. */
async function handOverIdentity(old: Account, moved: Account): Promise<void> {
	const credentials = await moved.ask<object>("com.atproto.identity.getRecommendedDidCredentials");
	const token = await old.pds.codeMailedBy(() => old.call("com.atproto.identity.requestPlcOperationSignature"));
	const { operation } = await old.call<{ operation: unknown }>("com.atproto.identity.signPlcOperation", {
		token,
		...credentials,
	});
	await moved.call("com.atproto.identity.submitPlcOperation", { operation });
}
