import type { Pds } from "./pds.ts";
import { bearer, procedure, query } from "./xrpc.ts";

const PASSWORD = "hunter2hunter2";
const POSTS = "app.bsky.feed.post";

interface Session {
	did: string;
	handle: string;
	accessJwt: string;
}

interface Written {
	uri: string;
	cid: string;
	commit: { cid: string; rev: string };
}

/** A write of `applyWrites`, without its `$type`. */
export interface Write {
	action: "create" | "update" | "delete";
	rkey?: string;
	text?: string;
}

/** Input of `createAccount` besides a handle, for an account whose DID exists already. */
export interface ExistingDid {
	did: string;
	/** A service token, signed with the DID's key. */
	token: string;
}

/** An account on a PDS, with the actions of its owner. */
export class Account {
	readonly pds: Pds;
	readonly did: string;
	readonly #authorization: string;

	private constructor(pds: Pds, session: Session) {
		this.pds = pds;
		this.did = session.did;
		this.#authorization = bearer(session.accessJwt);
	}

	static async create(pds: Pds, name: string, existing?: ExistingDid): Promise<Account> {
		const input = {
			handle: name + pds.handleDomain,
			email: `${name}${pds.handleDomain}@example.com`,
			password: PASSWORD,
			...(existing && { did: existing.did }),
		};
		const authorization = existing && bearer(existing.token);
		return new Account(
			pds,
			await procedure<Session>(pds.origin, "com.atproto.server.createAccount", input, authorization),
		);
	}

	/** Calls a procedure of the account's PDS as the account. */
	call<Output>(nsid: string, input?: unknown): Promise<Output> {
		return procedure<Output>(this.pds.origin, nsid, input, this.#authorization);
	}

	/** Calls a query of the account's PDS as the account. */
	ask<Output>(nsid: string, parameters: Readonly<Record<string, string>> = {}): Promise<Output> {
		return query<Output>(this.pds.origin, nsid, parameters, this.#authorization);
	}

	get authorization(): string {
		return this.#authorization;
	}

	/** @returns the record's key and the new rev */
	async post(text: string): Promise<{ rkey: string; rev: string }> {
		const { uri, commit } = await this.call<Written>("com.atproto.repo.createRecord", {
			repo: this.did,
			collection: POSTS,
			record: postRecord(text),
		});
		return { rkey: uri.slice(uri.lastIndexOf("/") + 1), rev: commit.rev };
	}

	/** Creates the account's profile, or updates it. */
	async putProfile(displayName: string): Promise<void> {
		await this.call("com.atproto.repo.putRecord", {
			repo: this.did,
			collection: "app.bsky.actor.profile",
			rkey: "self",
			record: { $type: "app.bsky.actor.profile", displayName },
		});
	}

	async deletePost(rkey: string): Promise<void> {
		await this.call("com.atproto.repo.deleteRecord", { repo: this.did, collection: POSTS, rkey });
	}

	/** Writes several posts in one commit. */
	async applyWrites(writes: readonly Write[]): Promise<void> {
		await this.call("com.atproto.repo.applyWrites", {
			repo: this.did,
			writes: writes.map(({ action, rkey, text }) => ({
				$type: `com.atproto.repo.applyWrites#${action}`,
				collection: POSTS,
				...(rkey !== undefined && { rkey }),
				...(text !== undefined && { value: postRecord(text) }),
			})),
		});
	}

	async changeHandle(name: string): Promise<void> {
		await this.call("com.atproto.identity.updateHandle", { handle: name + this.pds.handleDomain });
	}

	async deactivate(): Promise<void> {
		await this.call("com.atproto.server.deactivateAccount", {});
	}

	async activate(): Promise<void> {
		await this.call("com.atproto.server.activateAccount");
	}

	/** Deletes the account, as its owner does with a code from an e-mail. */
	async delete(): Promise<void> {
		const token = await this.pds.codeMailedBy(() => this.call("com.atproto.server.requestAccountDelete"));
		await this.call("com.atproto.server.deleteAccount", { did: this.did, password: PASSWORD, token });
	}

	/** Deletes the account, as the PDS's admin does. */
	async deleteByAdmin(): Promise<void> {
		await procedure(this.pds.origin, "com.atproto.admin.deleteAccount", { did: this.did }, this.pds.admin);
	}

	/** Takes the account down, or undoes that, as the PDS's admin does. */
	async setTakedown(applied: boolean): Promise<void> {
		await procedure(
			this.pds.origin,
			"com.atproto.admin.updateSubjectStatus",
			{ subject: { $type: "com.atproto.admin.defs#repoRef", did: this.did }, takedown: { applied } },
			this.pds.admin,
		);
	}
}

function postRecord(text: string): Record<string, string> {
	return { $type: POSTS, text, createdAt: new Date().toISOString() };
}
