import type { RelayProcess } from "../../src/sim/relay-process.ts";
import type { Rng } from "../../src/sim/rng.ts";
import type { ChurningNetwork, Member, Place } from "./churning-network.ts";
import type { MessageLedger } from "./message-ledger.ts";
import { pauseFor } from "./pause.ts";
import type { SeenFrames } from "./seen-frames.ts";

/** How often each thing happens. */
const PERIODS_MS = {
	rotation: 1_000,
	migration: 2_000,
	deactivation: 2_000,
	deletion: 5_000,
	takedown: 10_000,
	outage: 15_000,
	renewal: 60_000,
};

type Happening = keyof typeof PERIODS_MS;

/** Things of one kind that may happen at once. Most wait for messages of a host that may be down. */
const AT_ONCE_MAX = 20;
const OUTAGE_MS_MIN = 5_000;
const OUTAGE_MS_MAX = 30_000;
const INACTIVE_MS_MAX = 20_000;
/** Commits of an account while it is taken down. */
const WITHHELD_COMMITS = 3;
/** A consumer that left out an account's frames has read on by then. */
const READ_ON_MS = 90_000;
/** From this seq on, the relay surely has a cursor of the host. */
const KNOWN_SEQ = 100;
/** Hosts that stay up through all. */
const UP_MIN = 3;
const POLL_MS = 1_000;

/** What happens to hosts and accounts beside their traffic. */
export class Churn {
	/** How often each thing has happened. */
	readonly counts: Record<Happening, number>;
	/** Messages that the relay must have rejected, since their account was taken down. */
	withheld = 0;
	readonly #network: ChurningNetwork;
	readonly #ledger: MessageLedger;
	readonly #seen: SeenFrames;
	readonly #relay: RelayProcess;
	readonly #rng: Rng;
	readonly #failed = Promise.withResolvers<never>();
	readonly #underWay = new Set<Promise<void>>();

	constructor(network: ChurningNetwork, ledger: MessageLedger, seen: SeenFrames, relay: RelayProcess, rng: Rng) {
		this.#network = network;
		this.#ledger = ledger;
		this.#seen = seen;
		this.#relay = relay;
		this.#rng = rng;
		this.counts = { rotation: 0, migration: 0, deactivation: 0, deletion: 0, takedown: 0, outage: 0, renewal: 0 };
	}

	/**
	 * Lets things happen until the signal is aborted, and brings what is under way to its end. All hosts are up then. Rejects as soon as
	 * something fails.
	 */
	async run(signal: AbortSignal): Promise<void> {
		const repeating = (Object.keys(PERIODS_MS) as Happening[]).map((kind) => this.#repeat(kind, signal));
		await Promise.race([Promise.all(repeating), this.#failed.promise]);
		await Promise.race([Promise.all(this.#underWay), this.#failed.promise]);
	}

	async #repeat(kind: Happening, signal: AbortSignal): Promise<void> {
		const mine = new Set<Promise<void>>();
		for (;;) {
			await pauseFor(PERIODS_MS[kind], signal);
			if (signal.aborted) return;
			if (mine.size >= AT_ONCE_MAX) continue;
			const happening = this.#let(kind, signal).then(() => {
				this.counts[kind]++;
				mine.delete(happening);
				this.#underWay.delete(happening);
			}, this.#failed.reject);
			mine.add(happening);
			this.#underWay.add(happening);
		}
	}

	#let(kind: Happening, signal: AbortSignal): Promise<void> {
		switch (kind) {
			case "rotation":
				return this.#rotate();
			case "migration":
				return this.#migrate();
			case "deactivation":
				return this.#deactivate(signal);
			case "deletion":
				return this.#delete();
			case "takedown":
				return this.#takeDown(signal);
			case "outage":
				return this.#outage(signal);
			case "renewal":
				return this.#renew();
		}
	}

	/** Real PDSes do the same: the directory has the new key first. */
	async #rotate(): Promise<void> {
		const member = await this.#network.takeAny();
		this.#network.move(member, member.place);
		this.#network.send(member, member.account.identity());
		this.#network.send(member, await member.account.commit([]));
		member.isBusy = false;
	}

	async #migrate(of = (_member: Member): boolean => true): Promise<void> {
		const member = await this.#network.takeAny(of);
		this.#network.move(member, this.#network.anyPlace());
		this.#network.send(member, member.account.identity());
		this.#network.send(member, member.account.account(true));
		this.#network.send(member, await member.account.commit([]));
		member.isBusy = false;
	}

	async #deactivate(signal: AbortSignal): Promise<void> {
		const member = await this.#network.takeAny();
		this.#network.send(member, member.account.account(false, "deactivated"));
		await pauseFor(this.#rng.int(INACTIVE_MS_MAX), signal);
		this.#network.send(member, member.account.account(true));
		member.isBusy = false;
	}

	/** Deletes an account. A new one takes its place. */
	async #delete(): Promise<void> {
		const member = await this.#network.takeAny();
		const { did } = member.account;
		// For good: replays leave out what a deleted account has sent.
		this.#seen.takeDown(did);
		this.#network.send(member, member.account.account(false, "deleted"));
		await this.#ledger.settled(did);
		this.#network.removeMember(member);
		await this.#network.addMember();
	}

	/** The operator takes an account down. Its host doesn't know. Later the operator brings it back. */
	async #takeDown(signal: AbortSignal): Promise<void> {
		const member = await this.#network.takeAny();
		const { account } = member;
		const { did } = account;
		this.#seen.takeDown(did);
		this.#ledger.expect(did, "account false takendown");
		await this.#administer("takeDown", did);
		await this.#ledger.settled(did);
		for (let count = 0; count < WITHHELD_COMMITS; count++) {
			this.#network.sendWithheld(member, await account.commit());
			this.withheld++;
		}
		await pauseFor(this.#rng.int(INACTIVE_MS_MAX), signal);
		while ((await this.#relay.stats()).rejected["account-inactive"] < this.withheld) await Bun.sleep(POLL_MS);
		this.#ledger.dropWithheld(did);
		this.#ledger.expect(did, "account true ");
		await this.#administer("reverseTakedown", did);
		await this.#ledger.settled(did);
		this.#network.send(member, await account.resync());
		member.isBusy = false;
		await pauseFor(READ_ON_MS, signal);
		this.#seen.bringBack(did);
	}

	async #administer(action: string, did: string): Promise<void> {
		const { status, json } = await this.#relay.admin(`repo/${action}`, { did });
		if (status !== 200) throw new Error(`${action} of ${did} answered ${status}: ${JSON.stringify(json)}`);
	}

	/** A host dies and comes back, and asks to be followed, as a PDS does. Its accounts go on meanwhile. */
	async #outage(signal: AbortSignal): Promise<void> {
		const up = this.#network.places.filter(
			({ host, isUp, isLeaving }) => isUp && !isLeaving && host.lastSeq > KNOWN_SEQ,
		);
		if (up.length <= UP_MIN) return;
		const place = this.#rng.pick(up);
		place.isUp = false;
		await place.host.stop();
		await pauseFor(OUTAGE_MS_MIN + this.#rng.int(OUTAGE_MS_MAX - OUTAGE_MS_MIN), signal);
		place.host.start();
		await this.#relay.requestCrawl(place.host.hostname);
		place.isUp = true;
	}

	/** A new host is asked for. The oldest one loses its accounts to others, and ends for good. */
	async #renew(): Promise<void> {
		const oldest = this.#network.places.find(({ isUp, isLeaving }) => isUp && !isLeaving);
		if (oldest === undefined) return;
		await this.follow(this.#network.addPlace());
		oldest.isLeaving = true;
		for (;;) {
			const left = this.#network.members.filter(({ place }) => place === oldest);
			if (left.length === 0) break;
			if (left.every(({ isBusy }) => isBusy)) await Bun.sleep(POLL_MS);
			else await this.#migrate(({ place }) => place === oldest);
		}
		await this.#network.removePlace(oldest);
	}

	/** Has the relay follow a host. Resolves once it is connected, since a new host is followed from its live end. */
	async follow(place: Place): Promise<void> {
		await this.#relay.requestCrawl(place.host.hostname);
		while (place.host.connections === 0) await Bun.sleep(POLL_MS / 20);
		place.isUp = true;
	}
}
