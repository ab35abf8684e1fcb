import type { ConsumerSocket } from "../../src/fanout/consumer.ts";
import { seqOf } from "./memory-log.ts";

/** A socket that takes everything, and remembers only whether the seqs rose. */
export class EndlessSocket implements ConsumerSocket {
	lastSeq: number;
	frames = 0;
	turns = 0;
	inOrder = true;
	closedWith: number | null = null;
	terminated = false;
	readonly #onTurn: () => void;

	/** @param onTurn called after each turn */
	constructor(cursor: number, onTurn = (): void => undefined) {
		this.lastSeq = cursor;
		this.#onTurn = onTurn;
	}

	sendBinary(frame: Uint8Array<ArrayBuffer>): number {
		const seq = seqOf(frame);
		this.inOrder &&= seq > this.lastSeq;
		this.lastSeq = seq;
		this.frames++;
		return frame.length;
	}

	getBufferedAmount(): number {
		return 0;
	}

	cork<Result>(callback: () => Result): Result {
		this.turns++;
		const result = callback();
		this.#onTurn();
		return result;
	}

	ping(): number {
		return 1;
	}

	close(code: number): void {
		this.closedWith = code;
	}

	terminate(): void {
		this.terminated = true;
	}
}
