import type { HostUsage } from "../../control/host-details.ts";
import type { DelayView } from "../../control/why.ts";
import {
	DELAYED_HOSTS_MAX,
	type HostCommand,
	type HostCounts,
	type HostDelays,
	type HostTarget,
} from "../../hosts/messages.ts";
import type { HostTallies } from "../../hosts/tallies.ts";
import type { Handover } from "../../log/handover.ts";
import { controlEntry } from "../../log/record/entry.ts";
import { HostSubscription, type SubscriptionOptions } from "./subscription.ts";

export interface HostsOptions extends Omit<SubscriptionOptions, "storeCursor" | "tally"> {
	/** Number of this worker. */
	worker: number;
	tallies: HostTallies;
	/** The position up to which everything in a worker's ring is durable. */
	acknowledged: (ring: number) => number;
	handover: Handover;
}

/** Cursors in one record. Their facts stay far below the record's limit. */
const CURSORS_PER_RECORD = 2_000;

/** The hosts that this worker follows. */
export class Hosts {
	readonly #options: HostsOptions;
	readonly #subscriptions = new Map<number, HostSubscription>();
	/** The cursors that were last handed to the log, by host id. */
	readonly #stored = new Map<number, number | null>();

	constructor(options: HostsOptions) {
		this.#options = options;
	}

	/** Whether every message received is durable or rejected. */
	get settled(): boolean {
		for (const subscription of this.#subscriptions.values()) {
			subscription.advance(this.#options.acknowledged);
			if (!subscription.isSettled) return false;
		}
		return true;
	}

	command(command: HostCommand): void {
		switch (command.type) {
			case "dial":
				this.#subscription(command.host, command.host.cursor).dial(command.attempt);
				break;
			case "disconnect":
				this.#subscriptions.get(command.hostId)?.stop(1000, "no longer followed");
				break;
			case "resetCursor":
				this.#subscription(command.host, undefined).resetCursor(command.host.cursor);
				break;
			case "setLimits":
				this.#subscriptions.get(command.hostId)?.setLimits(command.limits);
				break;
		}
	}

	/**
	 * @param stored the cursor that the log has; undefined if that is unknown. Used only for a host that this process has not
	 * followed before.
	 */
	#subscription(host: HostTarget, stored: number | null | undefined): HostSubscription {
		const known = this.#subscriptions.get(host.id);
		if (known !== undefined) {
			known.setLimits(host.limits);
			return known;
		}
		const subscription = new HostSubscription(host, {
			...this.#options,
			tally: this.#options.tallies.of(host.id, this.#options.worker),
			storeCursor: () => this.storeCursors(),
		});
		this.#subscriptions.set(host.id, subscription);
		if (stored !== undefined) this.#stored.set(host.id, stored);
		return subscription;
	}

	/** What waits because of limits: of this host, or of all (null), of which `DELAYED_HOSTS_MAX` at most are told. */
	delays(of: number | null): HostDelays[] {
		const delays: HostDelays[] = [];
		for (const [hostId, subscription] of this.#subscriptions) {
			const report = of === null || of === hostId ? subscription.delays() : null;
			if (report !== null) delays.push({ hostId, ...report });
		}
		return delays.sort((a, b) => b.forMs - a.forMs).slice(0, DELAYED_HOSTS_MAX);
	}

	/** What waits of a host because of its limits, in short; null if nothing does. @param did an account of which more is told */
	delayView(hostId: number, did: string | null): DelayView | null {
		return this.#subscriptions.get(hostId)?.delayView(did) ?? null;
	}

	/** What has come of the hosts with an id above the first one, up to the last one. */
	usage(afterId: number, lastId: number): HostUsage[] {
		const usages: HostUsage[] = [];
		for (const [hostId, subscription] of this.#subscriptions)
			if (hostId > afterId && hostId <= lastId) usages.push({ hostId, ...subscription.usage() });
		return usages;
	}

	/** Hands the low-water marks that have moved to the log, as cursors. If the ring is full they are handed over the next time. */
	storeCursors(): void {
		const moved: { host: number; seq: number | null }[] = [];
		for (const [host, subscription] of this.#subscriptions) {
			const seq = subscription.advance(this.#options.acknowledged);
			if (seq !== this.#stored.get(host)) moved.push({ host, seq });
		}
		for (let from = 0; from < moved.length; from += CURSORS_PER_RECORD) {
			const cursors = moved.slice(from, from + CURSORS_PER_RECORD);
			const entry = controlEntry("cursors", { cursors });
			if (this.#options.handover.push(entry) === null) return;
			for (const { host, seq } of cursors) this.#stored.set(host, seq);
		}
	}

	/** Reports from which hosts messages have come since the last call. */
	reportHeard(): void {
		const hostIds: number[] = [];
		for (const [id, subscription] of this.#subscriptions) if (subscription.takeHeard()) hostIds.push(id);
		if (hostIds.length > 0) this.#options.emit({ type: "heard", hostIds });
	}

	/** Reports what has come of the hosts since the last call. @param failed how many messages have failed by the host's fault, by its id */
	reportCounts(failed: ReadonlyMap<number, number>): void {
		const counts: HostCounts[] = [];
		for (const [hostId, subscription] of this.#subscriptions) {
			const messages = subscription.takeMessages();
			if (messages > 0) counts.push({ hostId, messages, failed: 0 });
		}
		// Most of these hosts are followed by other workers.
		for (const [hostId, count] of failed) counts.push({ hostId, messages: 0, failed: count });
		if (counts.length > 0) this.#options.emit({ type: "counts", counts });
	}

	stopAll(): void {
		for (const subscription of this.#subscriptions.values()) subscription.stop(1001, "the relay is shutting down");
	}
}
