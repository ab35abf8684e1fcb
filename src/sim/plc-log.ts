import type { SimKey } from "./keys.ts";
import {
	cidOfOperation,
	didOfOperation,
	newKey,
	type PlcOperation,
	sign,
	unsignedTombstone,
	unsignedUpdate,
} from "./plc-operation.ts";
import type { Rng } from "./rng.ts";

const PAGE_LINES = 1_000;

interface LoggedLine {
	did: string;
	seq: number;
	text: string;
}

/** What the log knows of a DID. */
interface LoggedDid {
	/** CID of its last operation. */
	cid: string;
}

/**
 * The operations behind a PLC directory's documents: real ones, signed and chained. It gives them out as the reference server
 * does, by pages and as a stream.
 */
export class PlcLog {
	/** What pages were asked for after. */
	readonly asked: string[] = [];
	readonly #rng: Rng;
	readonly #owner: SimKey;
	readonly #lines: LoggedLine[] = [];
	readonly #dids = new Map<string, LoggedDid>();
	readonly #streams = new Set<(text: string) => void>();

	constructor(rng: Rng) {
		this.#rng = rng;
		this.#owner = newKey(rng);
	}

	/** Operations so far. */
	get length(): number {
		return this.#lines.length;
	}

	/** Connections of the stream. */
	get streams(): number {
		return this.#streams.size;
	}

	/** Makes a DID by an operation that names no account's key yet. */
	newDid(): string {
		const operation = this.#update(newKey(this.#rng).didKey, "https://nowhere.test", null);
		const did = didOfOperation(operation);
		this.#add(did, operation);
		return did;
	}

	has(did: string): boolean {
		return this.#dids.has(did);
	}

	/** Sets the signing key and the PDS of a DID. */
	set(did: string, signingKey: string, endpoint: string): void {
		this.#add(did, this.#update(signingKey, endpoint, this.#lastOf(did)));
	}

	tombstone(did: string): void {
		this.#add(did, sign(unsignedTombstone(this.#lastOf(did)), this.#owner));
	}

	/** Answers `GET /export`. */
	page(url: URL): Response {
		const after = url.searchParams.get("after") ?? "0";
		this.asked.push(after);
		const lines = this.#after(Number(after)).slice(0, PAGE_LINES);
		return new Response(lines.map(({ text }) => text).join("\n"), {
			headers: { "content-type": "application/jsonlines" },
		});
	}

	/** Sends the operations after a seq, and then each new one. Returns a function that ends that. */
	stream(cursor: number, send: (text: string) => void): () => void {
		for (const { text } of this.#after(cursor)) send(text);
		this.#streams.add(send);
		return () => this.#streams.delete(send);
	}

	#after(seq: number): LoggedLine[] {
		return this.#lines.filter((line) => line.seq > seq);
	}

	#lastOf(did: string): string {
		const known = this.#dids.get(did);
		if (known === undefined) throw new RangeError(`${did} is not in the log`);
		return known.cid;
	}

	#update(signingKey: string, pds: string, prev: string | null): PlcOperation {
		const rotationKeys = [this.#owner];
		const unsigned = unsignedUpdate({ rotationKeys, signingKey: this.#owner, pds, prev });
		return sign({ ...unsigned, verificationMethods: { atproto: signingKey } }, this.#owner);
	}

	#add(did: string, operation: PlcOperation): void {
		const cid = cidOfOperation(operation);
		const seq = this.#lines.length + 1;
		const createdAt = new Date().toISOString();
		const text = JSON.stringify({ type: "sequenced_op", did, operation, cid, createdAt, seq });
		this.#dids.set(did, { cid });
		this.#lines.push({ did, seq, text });
		for (const send of this.#streams) send(text);
	}
}
