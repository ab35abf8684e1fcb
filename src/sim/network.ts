import type { RejectionReason } from "../protocol/reasons.ts";
import { SimAccount } from "./account.ts";
import { SimClock } from "./clock.ts";
import { SimHost } from "./host.ts";
import type { SimMessage } from "./message.ts";
import { SimPlc } from "./plc.ts";
import { PlcLog } from "./plc-log.ts";
import { Rng } from "./rng.ts";
import { nextMessages } from "./traffic.ts";

/** How often a paced run sends the messages that are due. */
const TICK_MS = 10;

export interface SimNetworkOptions {
	seed: string;
	hosts: number;
	accounts: number;
	/** The most records that an account has from the start; each draws its own number. If 0, all accounts start without records. */
	recordsMax?: number;
	/** The time. If it is constant, all that is sent depends only on the seed. */
	nowMs?: () => number;
	/** Whether the directory has the operations of its DIDs, and shows them. */
	hasPlcLog?: boolean;
	/** How many messages each host keeps for replay. If absent, all. */
	backlogMax?: number;
}

/** One message that the network sent, and what a relay must do with it: the oracle of tests. */
export interface SentMessage {
	host: SimHost;
	/** Null for bytes that were sent without a seq, by `sendRaw`. */
	hostSeq: number | null;
	did: string;
	type: SimMessage["type"] | "raw";
	rev: string | null;
	expected: "pass" | RejectionReason;
}

/** A PLC directory, hosts and accounts, with traffic that one seed decides. */
export class SimNetwork {
	readonly plc: SimPlc;
	readonly hosts: SimHost[];
	readonly accounts: SimAccount[] = [];
	/** All messages sent so far, in order. Long runs remove entries, to limit the memory. */
	readonly sent: SentMessage[] = [];
	readonly rng: Rng;
	readonly clock: SimClock;
	readonly #options: SimNetworkOptions;
	readonly #homes = new Map<SimAccount, SimHost>();

	constructor(options: SimNetworkOptions) {
		this.#options = options;
		this.rng = new Rng(options.seed);
		this.clock = new SimClock(options.nowMs);
		this.plc = new SimPlc(options.hasPlcLog === true ? new PlcLog(this.rng.fork("plc")) : null);
		const hostOptions = options.backlogMax === undefined ? {} : { backlogMax: options.backlogMax };
		this.hosts = Array.from({ length: options.hosts }, () => new SimHost(hostOptions));
	}

	/** Starts the servers and makes the accounts, which are spread over the hosts evenly. */
	async start(): Promise<void> {
		this.plc.start();
		for (const host of this.hosts) host.start();
		for (let i = 0; i < this.#options.accounts; i++) await this.addAccount();
	}

	async stop(): Promise<void> {
		await Promise.all([this.plc.stop(), ...this.hosts.map((host) => host.stop())]);
	}

	/** The account with the did:web whose document the directory's server has. There is at most one. */
	async webAccount(): Promise<SimAccount> {
		const { webDid } = this.plc;
		return this.accounts.find(({ did }) => did === webDid) ?? this.addAccount(0, webDid);
	}

	/** Makes an account and registers it. Every fourth signs with p256, the others with k256. */
	async addAccount(recordsMax = this.#options.recordsMax ?? 0, did = this.plc.log?.newDid()): Promise<SimAccount> {
		const index = this.accounts.length;
		const rng = this.rng.fork(`account ${index}`);
		const account = await SimAccount.create({
			rng,
			clock: this.clock,
			curve: index % 4 === 3 ? "p256" : "k256",
			records: rng.int(recordsMax + 1),
			...(did !== undefined && { did }),
		});
		const host = this.hosts[index % this.hosts.length];
		if (host === undefined) throw new RangeError("a network needs a host");
		this.accounts.push(account);
		this.moveAccount(account, host);
		return account;
	}

	/** The host that an account is on. */
	hostOf(account: SimAccount): SimHost {
		const host = this.#homes.get(account);
		if (host === undefined) throw new Error(`${account.did} is on no host`);
		return host;
	}

	/** Moves an account to a host, and updates its DID document. */
	moveAccount(account: SimAccount, host: SimHost): void {
		this.#homes.set(account, host);
		this.plc.register(account, host.endpoint);
	}

	/** Sends a message from the account's host, or from another host. */
	send(
		account: SimAccount,
		message: SimMessage,
		expected: SentMessage["expected"] = "pass",
		host = this.hostOf(account),
	): SentMessage {
		const hostSeq = host.emit(message);
		const sent = { host, hostSeq, did: message.did, type: message.type, rev: message.rev, expected };
		this.sent.push(sent);
		return sent;
	}

	/** Sends bytes or a text message, unchanged, to all connections of the account's host. */
	sendRaw(account: SimAccount, data: Uint8Array<ArrayBuffer> | string, expected: SentMessage["expected"]): void {
		const host = this.hostOf(account);
		host.sendRaw(data);
		this.sent.push({ host, hostSeq: null, did: account.did, type: "raw", rev: null, expected });
	}

	/** A full migration: the account gets a new key on the new host, which announces it and goes on with a commit. */
	async migrate(account: SimAccount, host: SimHost): Promise<void> {
		account.rotateKey();
		this.moveAccount(account, host);
		for (const message of [account.identity(), account.account(true), await account.commit([])]) {
			this.send(account, message);
		}
	}

	/** A key rotation: the document first, then `#identity` and an empty commit under the new key. */
	async rotateKey(account: SimAccount): Promise<void> {
		account.rotateKey();
		this.moveAccount(account, this.hostOf(account));
		this.send(account, account.identity());
		this.send(account, await account.commit([]));
	}

	/** Lets something happen to one account. Returns how many messages were sent about it. */
	async step(): Promise<number> {
		const account = this.rng.pick(this.accounts);
		const messages = await nextMessages(account);
		for (const message of messages) this.send(account, message);
		return messages.length;
	}

	/** Sends `count` messages, or slightly more, as fast as they can be made. */
	async burst(count: number): Promise<void> {
		for (let sent = 0; sent < count; ) sent += await this.step();
	}

	/**
	 * Sends `perSecond` messages a second, or as many as can be made, until `signal` is aborted.
	 * @param step sends something and returns how many messages it was
	 */
	async run(perSecond: number, signal: AbortSignal, step = (): Promise<number> => this.step()): Promise<void> {
		let owed = 0;
		let lastMs = performance.now();
		while (!signal.aborted) {
			await Bun.sleep(TICK_MS);
			const nowMs = performance.now();
			// Messages that could not be made within a second are given up. So a slow machine sends fewer, instead of falling behind.
			owed = Math.min(owed + ((nowMs - lastMs) / 1000) * perSecond, perSecond);
			lastMs = nowMs;
			while (owed >= 1 && !signal.aborted) owed -= await step();
		}
	}
}
