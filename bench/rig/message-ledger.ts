/** How many faults are kept as text. All are counted. */
const FAULTS_KEPT = 20;

/** What one account's consumers have yet to get. */
interface Owed {
	/** Names of the messages that must come, the oldest first. */
	readonly names: string[];
	/** Names of messages that must not come: those of a taken-down account. */
	readonly withheld: Set<string>;
	/** Those who wait until nothing is owed. */
	readonly waiting: (() => void)[];
}

/**
 * The oracle of a long run. It knows for each account what its hosts sent and no consumer has got yet, and checks that each message
 * comes once and in order. It keeps what is on its way, so it grows only if something is lost.
 */
export class MessageLedger {
	readonly faults: string[] = [];
	faultCount = 0;
	/** Messages that are on their way. */
	pending = 0;
	received = 0;
	readonly #owed = new Map<string, Owed>();

	/** A message of the account was sent, and has to come. */
	expect(did: string, name: string): void {
		this.#of(did).names.push(name);
		this.pending++;
	}

	/** A message of the account was sent, and must not come. */
	withhold(did: string, name: string): void {
		this.#of(did).withheld.add(name);
	}

	/** The withheld messages of the account have been rejected. */
	dropWithheld(did: string): void {
		this.#of(did).withheld.clear();
	}

	/** A consumer got a message. */
	receive(did: string, name: string): void {
		this.received++;
		const owed = this.#owed.get(did);
		const at = owed?.names.indexOf(name) ?? -1;
		if (owed === undefined || at < 0) {
			const why = owed?.withheld.has(name) === true ? "the account is taken down" : "it was not due";
			this.fault(`${did}: ${name} came, although ${why}`);
			return;
		}
		if (at > 0) this.fault(`${did}: ${name} came before ${owed.names.slice(0, at).join(", ")}`);
		owed.names.splice(0, at + 1);
		this.pending -= at + 1;
		if (owed.names.length === 0) for (const wake of owed.waiting.splice(0)) wake();
	}

	/** Resolves when the account's messages have all come. */
	async settled(did: string): Promise<void> {
		const owed = this.#of(did);
		if (owed.names.length === 0) return;
		const { promise, resolve } = Promise.withResolvers<void>();
		owed.waiting.push(resolve);
		await promise;
	}

	/** Removes an account of which nothing is owed. */
	forget(did: string): void {
		this.#owed.delete(did);
	}

	fault(text: string): void {
		this.faultCount++;
		if (this.faults.length < FAULTS_KEPT) this.faults.push(text);
	}

	/** The accounts that wait for messages, with how many, for a report. */
	unsettled(): string[] {
		return [...this.#owed]
			.filter(([, { names }]) => names.length > 0)
			.map(([did, { names }]) => `${did} lacks ${names.length}, first ${names[0]}`);
	}

	#of(did: string): Owed {
		let owed = this.#owed.get(did);
		if (owed === undefined) {
			owed = { names: [], withheld: new Set(), waiting: [] };
			this.#owed.set(did, owed);
		}
		return owed;
	}
}
