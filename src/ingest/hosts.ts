import type { HostCommand } from "../hosts/messages.ts";
import { encodeCursorsFacts } from "../log/facts.ts";
import { RecordKind } from "../log/record.ts";
import { type FollowerOptions, HostFollower } from "./follower.ts";
import type { Handover } from "./handover.ts";
import { controlEntry } from "./shard.ts";

export interface HostsOptions extends Omit<FollowerOptions, "began"> {
	/** How far the ring of a worker is durable. */
	acknowledged: (ring: number) => number;
	handover: Handover;
}

/** Cursors in one record: their facts stay far below the record's limit. */
const CURSORS_PER_RECORD = 2_000;

/** The hosts that this worker follows. */
export class Hosts {
	readonly #options: HostsOptions;
	readonly #followers = new Map<number, HostFollower>();
	/** Cursors as they were last handed to the log. */
	readonly #stored = new Map<number, number | null>();

	constructor(options: HostsOptions) {
		this.#options = options;
	}

	/** Whether every message received is durable or rejected. */
	get settled(): boolean {
		for (const follower of this.#followers.values()) {
			follower.advance(this.#options.acknowledged);
			if (follower.window.size > 0) return false;
		}
		return true;
	}

	command(command: HostCommand): void {
		if (command.type === "disconnect") {
			this.#followers.get(command.hostId)?.stop(1000, "no longer followed");
		} else if (command.type === "dialNow") {
			this.#followers.get(command.hostId)?.dialNow();
		} else {
			const { id, cursor } = command.host;
			let follower = this.#followers.get(id);
			if (follower === undefined) {
				follower = new HostFollower(command.host, { ...this.#options, began: () => this.storeCursors() });
				this.#followers.set(id, follower);
				this.#stored.set(id, cursor);
			}
			follower.start();
		}
	}

	/** Hands the low-water cursors that moved to the log. Where the ring is full they come next time. */
	storeCursors(): void {
		const moved: { host: number; seq: number }[] = [];
		for (const [host, follower] of this.#followers) {
			const seq = follower.advance(this.#options.acknowledged);
			if (seq !== null && seq !== this.#stored.get(host)) moved.push({ host, seq });
		}
		for (let from = 0; from < moved.length; from += CURSORS_PER_RECORD) {
			const cursors = moved.slice(from, from + CURSORS_PER_RECORD);
			const entry = controlEntry(RecordKind.cursors, encodeCursorsFacts({ cursors }));
			if (this.#options.handover.push(entry) === null) return;
			for (const { host, seq } of cursors) this.#stored.set(host, seq);
		}
	}

	stopAll(): void {
		for (const follower of this.#followers.values()) follower.stop(1001, "the relay is shutting down");
	}
}
