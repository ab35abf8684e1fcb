import { Counters } from "../../src/observe/counters.ts";
import { PAGE_LINES, type Page, type PageError } from "../../src/plc/export-page.ts";
import type { Taken } from "../../src/plc/export-stream.ts";
import { type Directory, MirrorFollower, type Stream } from "../../src/plc/follower.ts";
import type { LineText } from "../../src/plc/line.ts";
import { Mirror } from "../../src/plc/mirror.ts";
import { RotationKeys } from "../../src/plc/rotation-keys.ts";
import { selectSignatureCheck } from "../../src/verify/signature-check.ts";
import { FakeTime } from "../identity/fake-time.ts";
import { counted, countedBy } from "../observe/counted.ts";
import { type PlcLine, textOf } from "./lines.ts";
import { MemoryStore } from "./memory-store.ts";

export const DIRECTORY = "https://plc.test";

/** A directory whose answers the test decides: it gives its lines as the reference server does, in one of the two forms. */
export class FakeDirectory implements Directory {
	lines: readonly PlcLine[] = [];
	form: "seq" | "time" = "seq";
	hasStream = false;
	failure: PageError | null = null;
	/** What the directory makes of a line before it gives it out. */
	tell: (line: PlcLine) => string[] = (line) => [textOf(line, this.form)];
	readonly asked: string[] = [];
	readonly streams: FakeStream[] = [];

	async page(after: string): Promise<Page> {
		this.asked.push(after);
		if (this.failure !== null) throw this.failure;
		const lines = this.#after(after).slice(0, PAGE_LINES);
		const texts = lines.flatMap((line) => this.tell(line));
		return { lines: texts.map(asLine), isFull: lines.length === PAGE_LINES };
	}

	stream(seq: number, onChange: () => void): Stream {
		const stream = new FakeStream(seq, onChange);
		this.streams.push(stream);
		if (!this.hasStream) stream.end("HTTP status 404");
		return stream;
	}

	#after(after: string): PlcLine[] {
		if (this.form === "seq") return this.lines.filter(({ seq }) => seq > Number(after));
		// As the reference server reads it: "0" is a time in the past.
		const afterMs = after === "0" ? 0 : Date.parse(after);
		return this.lines.filter(({ createdAtMs }) => createdAtMs > afterMs);
	}
}

/** A stream whose messages the test sends. */
export class FakeStream implements Stream {
	readonly seq: number;
	wasOpen = false;
	ended: string | null = null;
	readonly #onChange: () => void;
	#lines: LineText[] = [];
	#completeMs: number | null = null;

	constructor(seq: number, onChange: () => void) {
		this.seq = seq;
		this.#onChange = onChange;
	}

	get isEmpty(): boolean {
		return this.#lines.length === 0 && this.#completeMs === null;
	}

	send(texts: readonly string[], completeMs: number | null = null): void {
		this.wasOpen = true;
		this.#lines.push(...texts.map(asLine));
		this.#completeMs = completeMs;
		this.#onChange();
	}

	end(detail: string): void {
		this.ended ??= detail;
		this.#onChange();
	}

	take(): Taken {
		const taken = { lines: this.#lines, completeMs: this.#completeMs };
		this.#lines = [];
		this.#completeMs = null;
		return taken;
	}

	close(): void {
		this.end("closed by us");
	}
}

function asLine(text: string): LineText {
	return { text, isTooLong: false };
}

/** A mirror over a store in memory that follows a fake directory, in a time that the test lets pass. */
export class MirrorRig {
	readonly store: MemoryStore;
	readonly directory = new FakeDirectory();
	readonly time: FakeTime;
	readonly counters = new Counters();
	#follower: MirrorFollower | null = null;
	#running: Promise<void> = Promise.resolve();

	/** @param nowMs milliseconds since 1970 */
	constructor(nowMs: number, store = new MemoryStore()) {
		this.time = new FakeTime(nowMs);
		this.store = store;
	}

	/** Starts following, with what the store holds. */
	async start(): Promise<Mirror> {
		const { store, counters, time, directory } = this;
		const keys = new RotationKeys(selectSignatureCheck("auto"));
		const mirror = await Mirror.open({ store, directory: DIRECTORY, keys, counters, clock: time.clock });
		const { clock, sleep } = time;
		this.#follower = new MirrorFollower({ mirror, directory, counters, clock, sleep, random: () => 0.5 });
		this.#running = this.#follower.run();
		// A test may look at it later.
		this.#running.catch(() => {});
		await time.pass(0);
		return mirror;
	}

	async stop(): Promise<void> {
		this.#follower?.stop();
		await this.#running;
	}

	/** What `run` ended with. */
	get running(): Promise<void> {
		return this.#running;
	}

	/** Lets time pass until the mirror is complete up to a time after the call. */
	async untilComplete(): Promise<void> {
		const sinceMs = this.time.nowMs;
		for (let round = 0; (this.store.current?.completeUntilMs ?? 0) <= sinceMs; round++) {
			if (round > 1_000) throw new Error(`not complete: ${JSON.stringify(this.store.current)}`);
			await this.time.pass(1_000);
		}
	}

	counted(name: string): number {
		return counted(this.counters).of(name);
	}

	/** How many lines were refused, by reason. */
	get refused(): Record<string, number> {
		return countedBy(this.counters, "plc_mirror_refused_total");
	}
}
