import { StoreUnavailable } from "../../src/index/store-fault.ts";
import type { DidState } from "../../src/plc/chain.ts";
import { decodeState, encodeState } from "../../src/plc/state-codec.ts";
import type { MirrorStore, Progress } from "../../src/plc/store.ts";

/** A store in memory, for tests of what uses one. */
export class MemoryStore implements MirrorStore {
	readonly rows = new Map<string, Uint8Array>();
	/** Thrown by the next write. */
	failure: Error | null = null;
	writes = 0;
	/** The most states that were loaded or written at once. */
	statesAtOnceMax = 0;
	#progress: Progress | null = null;

	get current(): Progress | null {
		return this.#progress;
	}

	async progress(): Promise<Progress | null> {
		return this.#progress;
	}

	async load(dids: ReadonlySet<string>): Promise<Map<string, DidState>> {
		this.#note(dids.size);
		const states = new Map<string, DidState>();
		for (const did of dids) {
			const row = this.rows.get(did);
			if (row !== undefined) states.set(did, decodeState(did, row));
		}
		return states;
	}

	async write(states: readonly DidState[], progress: Progress): Promise<void> {
		this.#note(states.length);
		const { failure } = this;
		this.failure = null;
		if (failure !== null) throw failure;
		for (const state of states) this.rows.set(state.did, encodeState(state));
		this.#progress = progress;
		this.writes++;
	}

	async close(): Promise<void> {}

	/** Remembers what it holds. Returns what makes it go back to that, as a database does that has lost its last transactions. */
	remember(): () => void {
		const rows = [...this.rows];
		const progress = this.#progress;
		return () => {
			this.rows.clear();
			for (const [did, row] of rows) this.rows.set(did, row);
			this.#progress = progress;
			this.failure = new StoreUnavailable("database-behind", "it has gone back");
		};
	}

	state(did: string): DidState | null {
		const row = this.rows.get(did);
		return row === undefined ? null : decodeState(did, row);
	}

	#note(count: number): void {
		this.statesAtOnceMax = Math.max(this.statesAtOnceMax, count);
	}
}
