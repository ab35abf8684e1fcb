import { decodeFirst, encode } from "@atcute/cbor";

/** Violations that are kept: the first ones tell what went wrong, and a relay gone mad must not fill the memory. */
const VIOLATIONS_MAX = 20;

/** What the oracle knows of a message that a host sent. */
interface Sent {
	host: string;
	hostSeq: number;
	did: string;
	/** Of all that a relay has to pass on unchanged. */
	digest: number | bigint;
}

/** A payload as it goes over the wire, with the mark by which the oracle knows the message again. */
interface MarkedPayload {
	seq: number;
	padding?: { mark?: number };
	[field: string]: unknown;
}

/** Digest of a message's type and payload without what a relay changes: `seq`, and the `handle` of an `#identity`. */
function digestOf(type: string, { seq: _seq, handle: _handle, ...rest }: MarkedPayload): number | bigint {
	return Bun.hash(encode({ type, rest }));
}

/**
 * Knows every message that was sent to a relay and every frame that came out of it, and says where the two don't fit. It
 * shares no code with the relay: what both would get wrong in the same way, neither would notice.
 */
export class Oracle {
	/** What went wrong, in order; empty where nothing did. */
	readonly violations: string[] = [];
	readonly #sent = new Map<number, Sent>();
	/** Over all consumers: a seq stands for one message, and a message has one seq. */
	readonly #markOfSeq = new Map<number, number>();
	readonly #seqOfMark = new Map<number, number>();
	readonly #cursors = new Map<string, number>();
	#seqMax = 0;

	/** Messages sent so far; the mark of the next one is this plus 1. */
	get sentCount(): number {
		return this.#sent.size;
	}

	/** Seqs up to the greatest that any consumer saw which stand for no message. */
	get seqsLeftOut(): number {
		return this.#seqMax - this.#markOfSeq.size;
	}

	/** Notes a message that is about to be sent. Its `body.padding.mark` is `sentCount` plus 1. */
	send(host: string, hostSeq: number, message: { type: string; did: string; body: object }): void {
		const digest = digestOf(`#${message.type}`, { ...message.body, seq: 0 });
		this.#sent.set(this.sentCount + 1, { host, hostSeq, did: message.did, digest });
	}

	/** Notes the cursor that the relay asked a host for: it says that it needs nothing up to there any more. */
	acknowledge(host: string, cursor: number): void {
		this.#cursors.set(host, Math.max(cursor, this.#cursors.get(host) ?? 0));
	}

	/** A consumer whose frames are to be given to what this returns. */
	witness(name: string): Witness {
		return new Witness(name, this);
	}

	/** Whatever the witness has not been given by now is a violation. */
	expectAll(witness: Witness): void {
		for (const [mark, { host, hostSeq, did }] of this.#sent) {
			if (witness.has(mark)) continue;
			const state = hostSeq <= (this.#cursors.get(host) ?? 0) ? "acknowledged to its host" : "not acknowledged";
			this.fail(`${witness.name} never got message ${mark} (${host} seq ${hostSeq}, ${did}), which was ${state}`);
		}
	}

	/** @internal for `Witness`. */
	fail(violation: string): void {
		if (this.violations.length < VIOLATIONS_MAX) this.violations.push(violation);
	}

	/** @internal for `Witness`: what was sent under the mark, once its seq and content are found to be right. */
	recognise(name: string, type: string, payload: MarkedPayload): { mark: number; sent: Sent } | null {
		const mark = payload.padding?.mark ?? 0;
		const sent = this.#sent.get(mark);
		if (sent === undefined) {
			this.fail(`${name} got a ${type} with seq ${payload.seq} that no host sent`);
			return null;
		}
		this.#seqMax = Math.max(this.#seqMax, payload.seq);
		if (digestOf(type, payload) !== sent.digest) this.fail(`${name} got message ${mark} changed`);
		this.#bind(
			this.#markOfSeq,
			payload.seq,
			mark,
			(other) => `seq ${payload.seq} is used for messages ${other} and ${mark}`,
		);
		this.#bind(
			this.#seqOfMark,
			mark,
			payload.seq,
			(other) => `message ${mark} has the seqs ${other} and ${payload.seq}`,
		);
		return { mark, sent };
	}

	#bind(map: Map<number, number>, key: number, value: number, violation: (other: number) => string): void {
		const known = map.get(key);
		if (known === undefined) map.set(key, value);
		else if (known !== value) this.fail(violation(known));
	}
}

/** One consumer as the oracle sees it, over all its connections. */
export class Witness {
	readonly name: string;
	readonly #oracle: Oracle;
	readonly #marks = new Set<number>();
	/** The host's seq of each DID's last message: every DID here stays at one host. */
	readonly #hostSeqs = new Map<string, number>();
	#lastSeq = 0;

	constructor(name: string, oracle: Oracle) {
		this.name = name;
		this.#oracle = oracle;
	}

	/** Different messages that came. */
	get count(): number {
		return this.#marks.size;
	}

	has(mark: number): boolean {
		return this.#marks.has(mark);
	}

	/** Takes a frame in, as it came over the wire. */
	receive(frame: Uint8Array): void {
		const [header, rest] = decodeFirst(frame) as [{ op: number; t?: string }, Uint8Array];
		const [payload] = decodeFirst(rest) as [MarkedPayload, Uint8Array];
		const type = header.t ?? "";
		if (header.op !== 1 || type === "#info") {
			this.#oracle.fail(`${this.name} was told ${JSON.stringify(payload)}`);
			return;
		}
		const { seq } = payload;
		if (seq <= this.#lastSeq) this.#oracle.fail(`${this.name} got seq ${seq} behind seq ${this.#lastSeq}`);
		this.#lastSeq = seq;
		const known = this.#oracle.recognise(this.name, type, payload);
		if (known === null) return;
		const { mark, sent } = known;
		if (this.#marks.has(mark)) this.#oracle.fail(`${this.name} got message ${mark} twice, again with seq ${seq}`);
		this.#marks.add(mark);
		const before = this.#hostSeqs.get(sent.did) ?? 0;
		if (sent.hostSeq <= before) {
			this.#oracle.fail(
				`${this.name} got message ${mark} of ${sent.did} (its host's seq ${sent.hostSeq}) after ${before}`,
			);
		}
		this.#hostSeqs.set(sent.did, sent.hostSeq);
	}
}
