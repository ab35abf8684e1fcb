import { type DayCounts, dayOf, isGoodDay } from "../policy/growth.ts";
import { contain } from "../runtime/boundary.ts";
import type { Timing } from "../runtime/timing.ts";
import type { HostCounts } from "./messages.ts";

/** How often days are looked for that have ended, of hosts that no longer send anything. */
const CHECK_INTERVAL_MS = 600_000;

export interface ConductBookOptions {
	timing: Timing;
	/** Unix ms. */
	nowMs(): number;
	/** Called for each day of a host that has ended and was a good one. */
	onGoodDay(hostId: number, day: number): void;
}

interface Today extends DayCounts {
	day: number;
}

/** Adds up what comes of each host on its present day. A restart forgets that day's counts so far. */
export class ConductBook {
	readonly #options: ConductBookOptions;
	/** By host id. Hosts of which nothing has come today are not in it. */
	readonly #today = new Map<number, Today>();
	#isStopped = false;

	constructor(options: ConductBookOptions) {
		this.#options = options;
	}

	stop(): void {
		this.#isStopped = true;
		this.#today.clear();
	}

	/** Takes what an ingest worker has counted since the last time. */
	note(counts: readonly HostCounts[]): void {
		if (this.#isStopped || counts.length === 0) return;
		if (this.#today.size === 0) this.#checkLater();
		const nowMs = this.#options.nowMs();
		for (const { hostId, messages, failed } of counts) {
			const today = this.#todayOf(hostId, nowMs);
			today.messages += messages;
			today.failed += failed;
		}
	}

	#todayOf(hostId: number, nowMs: number): Today {
		const day = dayOf(hostId, nowMs);
		const known = this.#today.get(hostId);
		if (known?.day === day) return known;
		if (known !== undefined) this.#end(hostId, known);
		const today: Today = { day, messages: 0, failed: 0 };
		this.#today.set(hostId, today);
		return today;
	}

	#end(hostId: number, today: Today): void {
		this.#today.delete(hostId);
		if (isGoodDay(today)) this.#options.onGoodDay(hostId, today.day);
	}

	#checkLater(): void {
		const { timing, nowMs } = this.#options;
		timing.after(CHECK_INTERVAL_MS, () => {
			const now = nowMs();
			contain("the end of hosts' days", () => {
				for (const [hostId, today] of this.#today) if (today.day !== dayOf(hostId, now)) this.#end(hostId, today);
			});
			if (this.#today.size > 0) this.#checkLater();
		});
	}
}
