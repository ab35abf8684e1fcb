import type { HostCommand, HostConnection } from "../../hosts/messages.ts";
import type { Handover } from "../../log/handover.ts";
import { controlEntry } from "../../log/record/entry.ts";
import { type FollowerOptions, HostFollower } from "./follower.ts";

export interface HostsOptions extends Omit<FollowerOptions, "storeCursor"> {
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
		switch (command.type) {
			case "connect":
				this.#follower(command.host, command.host.cursor).start();
				break;
			case "disconnect":
				this.#followers.get(command.hostId)?.stop(1000, "no longer followed");
				break;
			case "dialNow":
				this.#followers.get(command.hostId)?.dialNow();
				break;
			case "resetCursor":
				this.#follower(command.host, undefined).resetCursor(command.host.cursor);
				break;
		}
	}

	/** @param stored the cursor that the log has, if that is known and the host was not followed before in this process */
	#follower(host: HostConnection, stored: number | null | undefined): HostFollower {
		const known = this.#followers.get(host.id);
		if (known !== undefined) return known;
		const follower = new HostFollower(host, { ...this.#options, storeCursor: () => this.storeCursors() });
		this.#followers.set(host.id, follower);
		if (stored !== undefined) this.#stored.set(host.id, stored);
		return follower;
	}

	/** Hands the low-water cursors that moved to the log. Where the ring is full they come next time. */
	storeCursors(): void {
		const moved: { host: number; seq: number | null }[] = [];
		for (const [host, follower] of this.#followers) {
			const seq = follower.advance(this.#options.acknowledged);
			if (seq !== this.#stored.get(host)) moved.push({ host, seq });
		}
		for (let from = 0; from < moved.length; from += CURSORS_PER_RECORD) {
			const cursors = moved.slice(from, from + CURSORS_PER_RECORD);
			const entry = controlEntry("cursors", { cursors });
			if (this.#options.handover.push(entry) === null) return;
			for (const { host, seq } of cursors) this.#stored.set(host, seq);
		}
	}

	stopAll(): void {
		for (const follower of this.#followers.values()) follower.stop(1001, "the relay is shutting down");
	}
}
