import type { LastRejection } from "../control/why.ts";
import type { RejectionReason } from "../protocol/reasons.ts";
import type { Sender } from "./arrival.ts";

/** Bounds of the memory: an entry takes up to 1 kB. */
export interface LastRejectionsLimits {
	/** Accounts that are remembered, of all hosts together. */
	entriesMax: number;
	/** Of one host. So a host that sends rubbish pushes out only what it sent itself. */
	perHostMax: number;
}

export const LAST_REJECTIONS_LIMITS: LastRejectionsLimits = { entriesMax: 8_192, perHostMax: 256 };

/** A DID may be longer. Real ones are not, and those are not worth the memory. */
const DID_CHARS_MAX = 256;
const DETAIL_CHARS_MAX = 300;

/** The message that was rejected. */
export interface Rejected {
	readonly did: string;
	readonly type: string;
	readonly seq: number;
}

interface Entry extends LastRejection {
	did: string;
	type: string;
	passedSince: boolean;
}

/**
 * Remembers the last message of each account that was rejected, for each host that sent such messages. Only so many accounts are
 * remembered: beyond that, those of the host come first whose last rejection is oldest.
 */
export class LastRejections {
	readonly #limits: LastRejectionsLimits;
	/** By host id, and then by DID. Both in the order of the last rejection. */
	readonly #hosts = new Map<number, Map<string, Entry>>();
	#size = 0;

	constructor(limits = LAST_REJECTIONS_LIMITS) {
		this.#limits = limits;
	}

	get size(): number {
		return this.#size;
	}

	/** Notes that a message was rejected. @param atMs Unix ms */
	note(
		{ hostId, hostname }: Sender,
		{ did, type, seq }: Rejected,
		reason: RejectionReason,
		detail: string,
		atMs: number,
	): void {
		if (did.length > DID_CHARS_MAX) return;
		const entries = this.#hosts.get(hostId) ?? new Map<string, Entry>();
		if (entries.delete(did)) this.#size--;
		else if (entries.size >= this.#limits.perHostMax) this.#forgetOldest(hostId, entries);
		else if (this.#size >= this.#limits.entriesMax) this.#forgetAny();
		const told = { hostname, did, type, reason, detail: detail.slice(0, DETAIL_CHARS_MAX).toWellFormed() };
		entries.set(did, { ...told, upstreamSeq: seq, atMs, passedSince: false });
		this.#size++;
		// The last one goes last, since the map's order is that in which entries are forgotten.
		this.#hosts.delete(hostId);
		this.#hosts.set(hostId, entries);
	}

	/** Notes that a message has passed. Makes nothing, and takes next to no time if the host has sent only good messages. */
	passed(hostId: number, did: string, type: string): void {
		const entry = this.#size === 0 ? undefined : this.#hosts.get(hostId)?.get(did);
		if (entry !== undefined && isSameKind(entry.type, type)) entry.passedSince = true;
	}

	/** The last rejections of an account, one for each host, the latest first. */
	of(did: string): LastRejection[] {
		const found: LastRejection[] = [];
		for (const entries of this.#hosts.values()) {
			const entry = entries.get(did);
			if (entry !== undefined) found.push({ ...entry });
		}
		return found.sort((a, b) => b.atMs - a.atMs);
	}

	#forgetAny(): void {
		for (const [hostId, entries] of this.#hosts) {
			this.#forgetOldest(hostId, entries);
			return;
		}
	}

	#forgetOldest(hostId: number, entries: Map<string, Entry>): void {
		const [oldest] = entries.keys();
		if (oldest === undefined) return;
		entries.delete(oldest);
		this.#size--;
		if (entries.size === 0) this.#hosts.delete(hostId);
	}
}

/** Commits and syncs are of one kind: after either, the relay has the state of the repo. */
function isSameKind(rejected: string, passed: string): boolean {
	return rejected === passed || (isOfRepo(rejected) && isOfRepo(passed));
}

function isOfRepo(type: string): boolean {
	return type === "commit" || type === "sync";
}
