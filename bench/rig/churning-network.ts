import { SimAccount } from "../../src/sim/account.ts";
import { SimClock } from "../../src/sim/clock.ts";
import { SimHost } from "../../src/sim/host.ts";
import type { SimMessage } from "../../src/sim/message.ts";
import { SimPlc } from "../../src/sim/plc.ts";
import { freePort } from "../../src/sim/relay-process.ts";
import type { Rng } from "../../src/sim/rng.ts";
import { firstMessages, nextMessages } from "../../src/sim/traffic.ts";
import { messageName } from "./checked-stream.ts";
import type { MessageLedger } from "./message-ledger.ts";

/** Messages that a host keeps for replay. No outage lasts so long that a host sends as many meanwhile. */
const BACKLOG_MAX = 1_000;
/** An account with more records deletes some, so that repos do not grow. */
const RECORDS_MAX = 10;
const POLL_MS = 200;

/** A host with its state. */
export interface Place {
	readonly host: SimHost;
	isUp: boolean;
	/** Its accounts are moving away, and it ends then. */
	isLeaving: boolean;
}

/** An account with its state. While something is done to it, it sends nothing by itself. */
export interface Member {
	readonly account: SimAccount;
	place: Place;
	isBusy: boolean;
}

/**
 * Hosts and accounts whose number stays the same while single ones come and go, and the directory that knows them. What is sent is
 * entered in the ledger.
 */
export class ChurningNetwork {
	readonly plc = new SimPlc();
	readonly places: Place[] = [];
	readonly members: Member[] = [];
	/** Messages sent so far. */
	sent = 0;
	readonly #rng: Rng;
	readonly #ledger: MessageLedger;
	readonly #clock = new SimClock();
	#made = 0;

	constructor(rng: Rng, ledger: MessageLedger) {
		this.#rng = rng;
		this.#ledger = ledger;
		this.plc.start();
	}

	async stop(): Promise<void> {
		await Promise.all([this.plc.stop(), ...this.places.map(({ host }) => host.stop())]);
	}

	/** Starts a host. It gets no accounts until it counts as up, since nobody follows it yet. */
	addPlace(): Place {
		const host = new SimHost({ port: freePort(), backlogMax: BACKLOG_MAX });
		host.start();
		const place = { host, isUp: false, isLeaving: false };
		this.places.push(place);
		return place;
	}

	/** Ends a host that has no accounts any more. */
	async removePlace(place: Place): Promise<void> {
		this.places.splice(this.places.indexOf(place), 1);
		await place.host.stop();
	}

	/** Makes an account on one of the hosts that stay. It has sent nothing yet. */
	async addMember(): Promise<Member> {
		const index = this.#made++;
		const account = await SimAccount.create({
			rng: this.#rng.fork(`account ${index}`),
			clock: this.#clock,
			curve: index % 4 === 3 ? "p256" : "k256",
		});
		const member = { account, place: this.anyPlace(), isBusy: false };
		this.plc.register(account, member.place.host.endpoint);
		this.members.push(member);
		return member;
	}

	/** Removes an account that has been deleted. Of the directory's counts, nothing is left. */
	removeMember(member: Member): void {
		const { did } = member.account;
		this.members.splice(this.members.indexOf(member), 1);
		this.plc.unregister(did);
		this.plc.gets.delete(did);
		this.#ledger.forget(did);
	}

	/** A host that is up and stays. */
	anyPlace(): Place {
		return this.#rng.pick(this.places.filter(({ isUp, isLeaving }) => isUp && !isLeaving));
	}

	/** Takes an account out of the traffic. Resolves when all that it has sent has come. It has sent something. */
	async takeAny(of = (_member: Member): boolean => true): Promise<Member> {
		for (;;) {
			const idle = this.members.filter((member) => !member.isBusy && member.account.rev !== null && of(member));
			if (idle.length > 0) {
				const member = this.#rng.pick(idle);
				member.isBusy = true;
				await this.#ledger.settled(member.account.did);
				return member;
			}
			await Bun.sleep(POLL_MS);
		}
	}

	/** Sends a message of the account, which has to come through. */
	send(member: Member, message: SimMessage): void {
		this.#ledger.expect(message.did, messageName({ ...message.body, type: message.type }));
		this.#emit(member, message);
	}

	/** Sends a message of the account, which must not come through. */
	sendWithheld(member: Member, message: SimMessage): void {
		this.#ledger.withhold(message.did, messageName({ ...message.body, type: message.type }));
		this.#emit(member, message);
	}

	/** Moves the account to a host, with a new key, and updates the directory. */
	move(member: Member, place: Place): void {
		member.account.rotateKey();
		member.place = place;
		this.plc.register(member.account, place.host.endpoint);
	}

	/** Sends so many messages a second until the signal is aborted, or as many as can be made. */
	async run(perSecond: number, signal: AbortSignal): Promise<void> {
		let lastMs = performance.now();
		let owed = 0;
		let sent = this.sent;
		while (!signal.aborted) {
			await Bun.sleep(10);
			const nowMs = performance.now();
			owed = Math.min(owed + ((nowMs - lastMs) / 1000) * perSecond, perSecond);
			lastMs = nowMs;
			while (owed >= 1 && !signal.aborted) {
				await this.#step();
				owed -= this.sent - sent;
				sent = this.sent;
			}
		}
	}

	/** Forgets what the simulated parts note for tests, since a long run would keep it all. */
	trim(): void {
		this.plc.answersMs.length = 0;
		for (const { host } of this.places) {
			host.cursors.length = 0;
			host.closes.length = 0;
			host.statusRequests.length = 0;
		}
	}

	/** Lets something happen to an account that is not busy. */
	async #step(): Promise<void> {
		const member = this.#rng.pick(this.members);
		if (member.isBusy) return;
		member.isBusy = true;
		for (const message of await this.#nextOf(member.account)) this.send(member, message);
		member.isBusy = false;
	}

	async #nextOf(account: SimAccount): Promise<SimMessage[]> {
		const record = account.anyRecord();
		if (account.rev === null) return firstMessages(account);
		if (record === null || account.recordCount < RECORDS_MAX) return nextMessages(account);
		return [await account.commit([{ action: "delete", path: record.path }])];
	}

	#emit(member: Member, message: SimMessage): void {
		member.place.host.emit(message);
		this.sent++;
	}
}
