import { next } from "../../account/next.ts";
import { waitingAt } from "../../account/place.ts";
import type { AccountState } from "../../account/state.ts";
import type { Handover } from "../../log/handover.ts";
import { controlEntry, type Entry, policyEntry } from "../../log/record/entry.ts";
import type { LocalStatusChange } from "../../policy/messages.ts";
import type { AccountCache } from "./accounts.ts";
import { ownAccountMessage } from "./admit/account.ts";
import type { Places } from "./places.ts";

export interface OperatorOptions {
	accounts: Pick<AccountCache, "get" | "load" | "set">;
	handover: Pick<Handover, "push" | "acknowledged">;
	places: Pick<Places, "note">;
	clock: () => number;
}

/** A record of a change, and the account's state after it. */
interface Step {
	entry: Entry;
	state: AccountState | null;
}

/**
 * Carries out what the operator sets for accounts of this shard. It runs on the thread that has the DID, so that the relay's `#account` is
 * in order with the account's own messages: those after it are judged by the new status.
 */
export class Operator {
	readonly #options: OperatorOptions;
	/** Called when the sequencer has rung. */
	#waiting: (() => void)[] = [];

	constructor(options: OperatorOptions) {
		this.#options = options;
	}

	/** Sets an account's status. Resolves with the status before, when the change is durable. The account need not be known. */
	async setLocalStatus(change: LocalStatusChange): Promise<{ before: string | null }> {
		const { accounts } = this.#options;
		for (;;) {
			const account = accounts.get(change.did);
			if (account === undefined) await accounts.load(change.did);
			else if (await this.#handOver(account, this.#steps(account, change), change.did))
				return { before: account?.localStatus ?? null };
		}
	}

	/**
	 * Gives an account that waits at this host the place that is kept for it there: consumers are told its status. Resolves when that is
	 * durable, with false if the account does not wait there any more.
	 */
	async admitWaiting(did: string, hostId: number): Promise<boolean> {
		const { accounts, clock } = this.#options;
		for (;;) {
			const account = accounts.get(did);
			if (account === undefined) {
				await accounts.load(did);
				continue;
			}
			if (account === null || waitingAt(account) !== hostId) return false;
			const upstream = { active: account.upstreamActive, status: account.upstreamStatus, waits: false };
			const { entry, fact } = ownAccountMessage(did, account, upstream, clock);
			if (await this.#handOver(account, [{ entry, state: next(account, fact, entry) }], did)) return true;
		}
	}

	/** Must be called whenever the sequencer has rung. */
	noteProgress(): void {
		const waiting = this.#waiting;
		this.#waiting = [];
		for (const wake of waiting) wake();
	}

	/** Returns whether all is durable. If not, the ring was full and has room now; the account may be another by now. */
	async #handOver(account: AccountState | null, steps: readonly Step[], did: string): Promise<boolean> {
		const { accounts, handover, places } = this.#options;
		let position = 0;
		let before = account;
		for (const { entry, state } of steps) {
			const end = handover.push(entry);
			if (end === null) {
				await this.#rung();
				return false;
			}
			position = end;
			if (state === null) continue;
			accounts.set(did, { ...state, position });
			places.note(before, state, false);
			before = state;
		}
		while (handover.acknowledged() < position) await this.#rung();
		return true;
	}

	/**
	 * The `#account` for consumers, the line of the audit log, and the status itself. In this order, since the process may end between
	 * any two of them: then the operator, who got no answer, does it again. Consumers are told each time, also if nothing changes: so
	 * whatever they were told before such an end, the operator's next word on the account is theirs too.
	 */
	#steps(account: AccountState | null, { did, status, action }: LocalStatusChange): Step[] {
		const steps: Step[] = [];
		const before = account?.localStatus ?? null;
		let state = account;
		const changed = next(account, { type: "local", status }, NOWHERE);
		if (changed !== null) {
			const { upstreamActive: active, upstreamStatus } = changed;
			const own = ownAccountMessage(did, changed, { active, status: upstreamStatus }, this.#options.clock);
			state = next(account, own.fact, own.entry);
			steps.push({ entry: own.entry, state });
		}
		const line = { ...action, subject: did, before: before ?? "", after: status ?? "" };
		steps.push({ entry: controlEntry("adminAction", line), state });
		if (before === status) return steps;
		const entry = policyEntry("localStatus", did, status === null ? null : { status });
		steps.push({ entry, state: next(state, { type: "local", status }, entry) });
		return steps;
	}

	#rung(): Promise<void> {
		return new Promise((resolve) => {
			this.#waiting.push(resolve);
		});
	}
}

/** For a fact of the operator, which comes from no host. */
const NOWHERE = { host: 0, upstreamSeq: 0 } as const;
