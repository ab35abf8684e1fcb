import { decodeFirst, encode } from "@atcute/cbor";
import { cborInteger, cborMap, cborText } from "../sim/any-cbor.ts";

/** Violations that are kept. The first ones show what went wrong; the limit is for memory. */
const VIOLATIONS_MAX = 20;

/**
 * When a relay has to pass a message on. `soon`: all messages of a host that behaves well. `in the end`: some messages of a host that
 * misbehaves. `perhaps`: others of such a host, such as those that it lost itself. `never`: messages that break a rule.
 */
export type Due = "soon" | "in the end" | "perhaps" | "never";

/** What the oracle knows of a message that a host sent. */
interface Sent {
	host: string;
	hostSeq: number;
	did: string;
	type: string;
	/** Digest of all that a relay has to pass on unchanged. */
	digest: number | bigint;
	due: Due;
	/** Its account was deleted after it, so consumers that are behind may not get it. */
	mayBeLeftOut: boolean;
}

/** A payload as it goes over the wire, with the mark by which the oracle recognises the message. */
interface MarkedPayload {
	seq: number;
	padding?: { mark?: number };
	[field: string]: unknown;
}

/** A message that a host sends. */
export interface OwedMessage {
	type: string;
	did: string;
	body: object;
}

/** The pairs of a message's header and payload, their values encoded. */
export function framePairs({ type, body }: OwedMessage): Record<"header" | "payload", Map<string, Uint8Array>> {
	const payload = new Map<string, Uint8Array>();
	for (const [key, value] of Object.entries(body)) if (value !== undefined) payload.set(key, encode(value));
	return {
		header: new Map([
			["op", cborInteger(1)],
			["t", cborText(`#${type}`)],
		]),
		payload,
	};
}

/** The frame with which a relay has to pass a message on, with 0 for its seq. It lacks only the `handle` of an `#identity`. */
function expectedFrame({ type, did, body }: OwedMessage): Uint8Array {
	const { header, payload } = framePairs({ type, did, body: { ...body, seq: 0, handle: undefined } });
	return Buffer.concat([cborMap(header), cborMap(payload)]);
}

/** Digest of a frame with 0 in place of its seq. Nothing before the key `seq` has the same bytes as that pair. */
function digestOf(frame: Uint8Array, seq: number): number | bigint {
	const value = encode(seq);
	const start = Buffer.from(frame).indexOf(Buffer.concat([encode("seq"), value]));
	if (start < 0) return 0;
	const valueStart = start + encode("seq").length;
	return Bun.hash(Buffer.concat([frame.subarray(0, valueStart), encode(0), frame.subarray(valueStart + value.length)]));
}

/**
 * Is told every message that was sent to a relay and every frame that came out of it, and reports what does not match. It shares no
 * code with the relay, since a fault in shared code would go unnoticed.
 */
export class Oracle {
	/** What went wrong, in order; empty if nothing did. */
	readonly violations: string[] = [];
	readonly #sent = new Map<number, Sent>();
	/** For all consumers together: a seq stands for one message, and a message has one seq. */
	readonly #markOfSeq = new Map<number, number>();
	readonly #seqOfMark = new Map<number, number>();
	readonly #cursors = new Map<string, number>();
	/** Marks of the messages that are due in the end. */
	readonly #late = new Set<number>();
	readonly #seqHoleMax: number;
	#soonCount = 0;
	#seqMax = 0;

	/** @param seqHoleMax how many seqs a crash may leave out at most; 0 for a relay that publishes only what is synced */
	constructor(seqHoleMax = 0) {
		this.#seqHoleMax = seqHoleMax;
	}

	/** The mark of the next message. */
	get nextMark(): number {
		return this.#sent.size + 1;
	}

	/** How many messages sent so far are due soon. */
	get soonCount(): number {
		return this.#soonCount;
	}

	/** How many messages sent so far are due in the end. */
	get lateCount(): number {
		return this.#late.size;
	}

	/** How many seqs stand for no message, up to the greatest seq that any consumer saw. */
	get seqsLeftOut(): number {
		return this.#seqMax - this.#markOfSeq.size;
	}

	/**
	 * Notes a message that is about to be sent. Its `body.padding.mark` is `nextMark`.
	 *
	 * @param expected the frame that has to come out, with 0 for its seq, if it does not follow from the body
	 */
	send(
		host: string,
		hostSeq: number,
		message: OwedMessage,
		due: Due = "soon",
		expected = expectedFrame(message),
	): void {
		const mark = this.nextMark;
		const { did, type } = message;
		this.#sent.set(mark, { host, hostSeq, did, type, digest: digestOf(expected, 0), due, mayBeLeftOut: false });
		if (due === "soon") this.#soonCount++;
		if (due === "in the end") this.#late.add(mark);
	}

	/** Notes that a host has lost its backlog. Those of its messages that are due in the end and that the witness lacks need not come. */
	forgive(host: string, witness: Witness): void {
		this.#release((sent, mark) => sent.host === host && !witness.has(mark));
	}

	/** Notes that an account is about to be deleted. Consumers that are behind may not get its earlier commits and syncs. */
	mayLeaveOut(did: string): void {
		const isOfRepo = (sent: Sent): boolean => sent.did === did && (sent.type === "commit" || sent.type === "sync");
		for (const sent of this.#sent.values()) if (isOfRepo(sent)) sent.mayBeLeftOut = true;
		this.#release(isOfRepo);
	}

	#release(isReleased: (sent: Sent, mark: number) => boolean): void {
		for (const mark of this.#late) {
			const sent = this.#sent.get(mark);
			if (sent === undefined || !isReleased(sent, mark)) continue;
			sent.due = "perhaps";
			this.#late.delete(mark);
		}
	}

	/** Whether the witness has all that is due, soon or in the end. */
	hasAll(witness: Witness): boolean {
		return witness.count >= this.#soonCount && this.#late.values().every((mark) => witness.has(mark));
	}

	/** Notes the cursor that the relay asked a host for. It says that the relay needs nothing up to there any more. */
	acknowledge(host: string, cursor: number): void {
		this.#cursors.set(host, Math.max(cursor, this.#cursors.get(host) ?? 0));
	}

	/** Adds a consumer. Its frames are to be given to the `Witness` that this returns. */
	witness(name: string): Witness {
		return new Witness(name, this);
	}

	/** Reports messages that are due and that the witness does not have, and messages that others got and it did not. */
	expectAll(witness: Witness): void {
		for (const [mark, { host, hostSeq, did, due, mayBeLeftOut }] of this.#sent) {
			if (witness.has(mark) || mayBeLeftOut) continue;
			const seq = this.#seqOfMark.get(mark);
			if (seq !== undefined && seq < witness.lastSeq)
				this.fail(`${witness.name} was not given seq ${seq}, and got seq ${witness.lastSeq} after it`);
			if (due === "perhaps" || due === "never") continue;
			const state = hostSeq <= (this.#cursors.get(host) ?? 0) ? "acknowledged to its host" : "not acknowledged";
			this.fail(`${witness.name} never got message ${mark} (${host} seq ${hostSeq}, ${did}), which was ${state}`);
		}
	}

	/** Reports seqs that stand for no message if there are more of them than crashes may leave out. */
	expectDense(): void {
		let hidden = 0;
		for (const [mark, { mayBeLeftOut }] of this.#sent) if (mayBeLeftOut && !this.#seqOfMark.has(mark)) hidden++;
		let before = 0;
		let excess = 0;
		let firstHole = "";
		for (const seq of [...this.#markOfSeq.keys()].sort((a, b) => a - b)) {
			const hole = seq - before - 1;
			if (hole > this.#seqHoleMax) {
				excess += hole - this.#seqHoleMax;
				firstHole ||= `${hole} right before seq ${seq}`;
			}
			before = seq;
		}
		if (excess > hidden)
			this.fail(
				`${excess} seqs too many stand for no message, the first ${firstHole}; ${hidden} messages may have them`,
			);
	}

	/** @internal for `Witness`. */
	fail(violation: string): void {
		if (this.violations.length < VIOLATIONS_MAX) this.violations.push(violation);
	}

	/** @internal for `Witness`: the message that was sent with the mark, after its seq and content were checked. */
	recognise(
		name: string,
		type: string,
		payload: MarkedPayload,
		frame: Uint8Array,
	): { mark: number; sent: Sent } | null {
		const mark = payload.padding?.mark ?? 0;
		const sent = this.#sent.get(mark);
		if (sent === undefined) {
			this.fail(`${name} got a ${type} with seq ${payload.seq} that no host sent`);
			return null;
		}
		this.#seqMax = Math.max(this.#seqMax, payload.seq);
		if (sent.due === "never") this.fail(`${name} got message ${mark}, which breaks a rule`);
		if (digestOf(frame, payload.seq) !== sent.digest) this.fail(`${name} got message ${mark} changed`);
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
	/** The mark of each DID's last message. In this test every DID stays at one host. */
	readonly #lastMarks = new Map<string, number>();
	#soonCount = 0;
	#lastSeq = 0;

	constructor(name: string, oracle: Oracle) {
		this.name = name;
		this.#oracle = oracle;
	}

	/** How many different messages came that were due soon. */
	get count(): number {
		return this.#soonCount;
	}

	/** Seq of the last message that came. */
	get lastSeq(): number {
		return this.#lastSeq;
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
			this.#oracle.fail(`${this.name} got an error or info frame: ${JSON.stringify(payload)}`);
			return;
		}
		const { seq } = payload;
		if (seq <= this.#lastSeq) this.#oracle.fail(`${this.name} got seq ${seq} after seq ${this.#lastSeq}`);
		this.#lastSeq = seq;
		const known = this.#oracle.recognise(this.name, type, payload, frame);
		if (known === null) return;
		const { mark, sent } = known;
		if (this.#marks.has(mark)) this.#oracle.fail(`${this.name} got message ${mark} twice, again with seq ${seq}`);
		else if (sent.due === "soon") this.#soonCount++;
		this.#marks.add(mark);
		const before = this.#lastMarks.get(sent.did) ?? 0;
		if (mark < before) this.#oracle.fail(`${this.name} got message ${mark} of ${sent.did} after ${before}`);
		this.#lastMarks.set(sent.did, mark);
	}
}
