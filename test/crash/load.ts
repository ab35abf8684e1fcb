import { toBytes } from "@atcute/cbor";
import type { SimMessage } from "../../src/sim/message.ts";
import type { SimNetwork } from "../../src/sim/network.ts";
import { nextMessages } from "../../src/sim/traffic.ts";
import type { Oracle } from "./oracle.ts";

/** Messages per second of all hosts together, without the bursts. */
const STEADY_PER_SECOND = 20;
/** Bytes of a long message: some eight of them fill a segment of 1 MiB. */
const BULK_BYTES = 128 * 1024;

/** Sends messages from the hosts of a network. All are valid, and each is announced to the oracle before it is sent. */
export class Load {
	readonly #network: SimNetwork;
	readonly #oracle: Oracle;
	readonly #stop = new AbortController();
	readonly #bulk = toBytes(new Uint8Array(BULK_BYTES).fill(0x5a));
	#paused = false;
	#running: Promise<void> = Promise.resolve();

	constructor(network: SimNetwork, oracle: Oracle) {
		this.#network = network;
		this.#oracle = oracle;
	}

	/** Begins to send at a steady rate, until `stop`. */
	start(): void {
		this.#running = this.#network.run(STEADY_PER_SECOND, this.#stop.signal, async () =>
			this.#paused ? 1 : this.#step(),
		);
	}

	async stop(): Promise<void> {
		this.#stop.abort();
		await this.#running;
	}

	/** Stops the steady sending. Bursts are still sent when asked for. */
	set paused(paused: boolean) {
		this.#paused = paused;
	}

	/** Sends `count` messages, or a few more, as fast as they can be made. */
	async burst(count: number): Promise<void> {
		for (let sent = 0; sent < count; ) sent += await this.#step();
	}

	/** Sends one message so long that some eight of them fill the smallest segment. */
	async bulk(): Promise<void> {
		await this.#step(true);
	}

	/** Sends one message from each host. */
	introduce(): void {
		for (const host of this.#network.hosts) {
			const account = this.#network.accounts.find((account) => this.#network.hostOf(account) === host);
			if (account !== undefined) this.#send(account.account(true), account);
		}
	}

	/** Lets a new account send its first messages. If a crash follows, the relay may know nothing of it. */
	async newcomer(): Promise<void> {
		const account = await this.#network.addAccount();
		for (const message of await nextMessages(account)) this.#send(message, account);
	}

	async #step(bulky = false): Promise<number> {
		const account = this.#network.rng.pick(this.#network.accounts);
		const messages = await nextMessages(account);
		for (const message of messages) this.#send(message, account, bulky);
		return messages.length;
	}

	#send(message: SimMessage, account: SimNetwork["accounts"][number], bulky = false): void {
		const host = this.#network.hostOf(account);
		const mark = this.#oracle.nextMark;
		message.body.padding = bulky ? { mark, bulk: this.#bulk } : { mark };
		this.#oracle.send(host.hostname, host.lastSeq + 1, message);
		host.emit(message);
	}
}
