import { placeOf, waitingAt } from "../../account/place.ts";
import type { AccountState } from "../../account/state.ts";
import type { PlacesChange, PlacesEvent } from "../../policy/messages.ts";
import { OnceATurn } from "../../runtime/once-a-turn.ts";
import type { Sender } from "../arrival.ts";

/**
 * A shard's part in the account limits of hosts. The control thread counts the places that accounts take at each host, and grants them: so no
 * limit is exceeded, however many workers there are. This class asks for places, and reports those that become free. It does both once a turn.
 */
export class Places {
	readonly #worker: number;
	readonly #emit: (event: PlacesEvent) => void;
	readonly #flush = new OnceATurn(() => this.flush());
	#asked: Sender[] = [];
	/** Those who wait for an answer, in the order in which they asked. */
	readonly #waiting: ((isGranted: boolean) => void)[] = [];
	#changes = new Map<number, PlacesChange>();

	/** @param worker number of this worker */
	constructor(worker: number, emit: (event: PlacesEvent) => void) {
		this.#worker = worker;
		this.#emit = emit;
	}

	/** Asks for a place at the sender. One that is granted must be taken (`note`), or given back. */
	ask(sender: Sender): Promise<boolean> {
		this.#flush.schedule();
		this.#asked.push(sender);
		return new Promise((resolve) => {
			this.#waiting.push(resolve);
		});
	}

	giveBack(hostId: number): void {
		this.#change(hostId, -1, 0);
	}

	/**
	 * Must be called for each change of an account.
	 *
	 * @param isGranted whether a place at its host was granted
	 * @returns whether it has taken a place
	 */
	note(before: AccountState | null, after: AccountState, isGranted: boolean): boolean {
		const [left, taken] = [placeOf(before), placeOf(after)];
		const hasTaken = taken !== null && taken !== left;
		if (left !== null && left !== taken) this.#change(left, -1, 0);
		if (hasTaken && !isGranted) this.#change(taken, 1, 0);
		const [waited, waits] = [waitingAt(before), waitingAt(after)];
		if (waited !== waits) {
			if (waited !== null) this.#change(waited, 0, -1);
			if (waits !== null) this.#change(waits, 0, 1);
		}
		return hasTaken;
	}

	/** Takes the answers to the oldest questions. */
	answered(granted: readonly boolean[]): void {
		for (const isGranted of granted) this.#waiting.shift()?.(isGranted);
	}

	#change(hostId: number, taken: number, waiting: number): void {
		this.#flush.schedule();
		const change = this.#changes.get(hostId) ?? { hostId, taken: 0, waiting: 0 };
		change.taken += taken;
		change.waiting += waiting;
		this.#changes.set(hostId, change);
	}

	/** Sends what is to be asked and reported now. */
	flush(): void {
		if (this.#asked.length === 0 && this.#changes.size === 0) return;
		const asked = this.#asked.map(({ hostId, hostname }) => ({ hostId, hostname }));
		const changes = [...this.#changes.values()];
		this.#asked = [];
		this.#changes = new Map();
		this.#emit({ type: "places", worker: this.#worker, asked, changes });
	}
}
