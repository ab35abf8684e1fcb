import { decode, encode } from "@atcute/cbor";
import { readFrame } from "../../src/protocol/frame.ts";
import { FRAME_BYTES_MAX, STATUS_CHARS_MAX } from "../../src/protocol/limits.ts";
import type { RejectionReason } from "../../src/protocol/reasons.ts";
import type { SimAccount } from "../../src/sim/account.ts";
import { BROKEN_COMMIT_REASONS, brokenCommit } from "../../src/sim/broken-commit.ts";
import { makeDidPlc } from "../../src/sim/keys.ts";
import { encodeErrorFrame, encodeInfoFrame, type SimMessage } from "../../src/sim/message.ts";
import type { Rng, Weights } from "../../src/sim/rng.ts";
import {
	type AnyCborOptions,
	anyForeignCid,
	anyKey,
	anyValue,
	BROKEN_CIDS,
	cborArray,
	cborHead,
	cborInteger,
	cborLink,
	cborMap,
	cborText,
	deepValue,
	loosened,
} from "../sim/any-cbor.ts";
import { anyUtf8Text, BROKEN_UTF8 } from "../sim/any-text.ts";
import { editBytes } from "../verify/edit-bytes.ts";

/** The accounts of one host, each for one kind of message, so that a message that waits holds up no message of another kind. */
export interface OddAccounts {
	/** Send `#commit` and `#sync`. */
	repos: readonly SimAccount[];
	/** Sends `#identity`, whose lookups the relay limits per DID. */
	identity: SimAccount;
	/** Sends `#account`. */
	status: SimAccount;
	/** Sends `#account` too. The relay's operator has taken it down. */
	takenDown: SimAccount;
}

/** The fields that the operator's status puts into an `#account`. */
export const TAKEN_DOWN_STATUS = "takendown";

/** The CBOR pairs of a frame's two objects. Their values are encoded. */
export interface FramePairs {
	header: ReadonlyMap<string, Uint8Array>;
	payload: ReadonlyMap<string, Uint8Array>;
}

/** Something that a host sends. */
export interface OddFrame {
	kind: OddKind;
	data: Uint8Array<ArrayBuffer> | string;
	/** Whether the host sends it again in a replay. */
	isKept: boolean;
	/** What must come out if it passes, except for the seq; null if it is no message. */
	expected: FramePairs | null;
	/** The number in its field `mark`, by which it is recognised; 0 if it has none. */
	mark: number;
}

/** The field that holds the mark. */
export const MARK_FIELD = "mark";
/** Marks are so great that a mutation can't make one of a small number. */
export const MARKS_FROM = 2 ** 33;

/** What is sent, with relative frequencies. What costs the relay a new connection is rare, so that it does not take most of the time. */
const KIND_WEIGHTS = {
	commit: 70,
	"commit again": 40,
	"broken commit": 20,
	sync: 160,
	identity: 160,
	account: 120,
	"account taken down": 60,
	"another's": 60,
	"made-up DID": 3,
	"unknown kind": 50,
	"unknown op": 15,
	info: 15,
	"not CBOR": 20,
	text: 3,
	empty: 1,
	"old seq": 1,
	error: 0.05,
	"too large": 0.005,
};
export type OddKind = keyof typeof KIND_WEIGHTS;
export const ODD_KINDS = Object.keys(KIND_WEIGHTS) as OddKind[];

/** The ways in which a message of a known kind is changed, with relative frequencies. */
const CHANGE_WEIGHTS = {
	none: 60,
	"field replaced": 15,
	"field null": 3,
	"field absent": 4,
	"foreign link": 4,
	"broken link": 4,
	"broken text": 4,
	"too deep": 1,
	"header replaced": 2,
} as const satisfies Weights<string>;

/** Reasons whose messages are megabytes long, or take long to make. */
const COSTLY_REASONS: readonly RejectionReason[] = ["blocks-too-large", "ops-too-many", "record-too-large"];
const CHEAP_REASONS = BROKEN_COMMIT_REASONS.filter((reason) => !COSTLY_REASONS.includes(reason));

const STATUSES = ["takendown", "suspended", "deleted", "deactivated", "desynchronized", "throttled", "", "constructor"];
/** Long statuses have this many bytes or some more: about the limit. */
const STATUS_BYTES_FROM = STATUS_CHARS_MAX - 10;
const ODD_DIDS = [
	...["did:web:localhost", "did:web:example.invalid", "did:key:zQ3sh", "did:plc:", "did:plc:UPPER", "did", ""],
	...["did:web:user:pass@x", "did:web:%00", "did:plc:aaaaaaaaaaaaaaaaaaaaaaa1", `did:plc:${"a".repeat(3_000)}`],
];
/** Bytes that DAG-CBOR does not allow: floats, indefinite lengths, tags, simple values. */
const ODD_ITEMS = [
	"fb3ff8000000000000",
	"f97e00",
	"fa7fc00000",
	"9fff",
	"bfff",
	"c1f6",
	"f7",
	"e0",
	"1bffffffffffffffff",
];

const SMALL_VALUES: AnyCborOptions = { links: "frame", depthMax: 20, itemsMax: 24 };
/** Now and then, for maps and arrays that are long. */
const LARGE_VALUES: AnyCborOptions = { links: "frame", depthMax: 30, itemsMax: 600 };
const EXTRAS_MAX = 4;

/** A message that is being made. */
interface Draft {
	type: SimMessage["type"];
	header: Map<string, Uint8Array>;
	payload: Map<string, Uint8Array>;
}

/** Generates what one host sends: messages of every kind with odd fields, and bytes that are no message. */
export class OddFrames {
	readonly #rng: Rng;
	readonly #accounts: OddAccounts;
	readonly #strangers: readonly string[];
	readonly #nextMark: () => number;
	/** The last commit of each repo. */
	readonly #lastCommits = new Map<SimAccount, SimMessage>();

	/** @param strangers DIDs of accounts at other hosts */
	constructor(rng: Rng, accounts: OddAccounts, strangers: readonly string[], nextMark: () => number) {
		this.#rng = rng;
		this.#accounts = accounts;
		this.#strangers = strangers;
		this.#nextMark = nextMark;
	}

	/** @param seq the host's next seq, which the frame uses up if it is kept */
	async next(seq: number, kind: OddKind = this.#rng.weighted(KIND_WEIGHTS)): Promise<OddFrame> {
		const rng = this.#rng;
		switch (kind) {
			case "unknown kind":
				return raw(kind, this.#unknownKind());
			case "unknown op":
				return raw(kind, this.#unknownOp());
			case "info":
				return raw(kind, this.#info());
			case "not CBOR":
				return raw(kind, rng.bytes(1 + rng.int(60)));
			case "text":
				return raw(kind, rng.pick(["", "#commit", "\u0000", "é".repeat(100)]));
			case "empty":
				return raw(kind, new Uint8Array(0));
			case "error":
				return { ...raw(kind, this.#error()), isKept: false };
			case "too large":
				return raw(kind, new Uint8Array(FRAME_BYTES_MAX + 1));
			case "old seq":
				return {
					...raw(kind, bytesOf(draftOf(this.#identity(), Math.max(1, seq - 1 - rng.int(9))))),
					isKept: false,
				};
			default:
				return this.#finish(kind, await this.#draft(kind, seq), seq);
		}
	}

	/** A valid `#account`, which passes. When its mark comes out, all before it was read. */
	sentinel(seq: number): OddFrame {
		const mark = this.#nextMark();
		const draft = draftOf(this.#accounts.status.account(true), seq);
		draft.payload.set(MARK_FIELD, cborInteger(mark));
		return { kind: "account", data: bytesOf(draft), isKept: true, expected: draft, mark };
	}

	async #draft(kind: OddKind, seq: number): Promise<Draft> {
		const rng = this.#rng;
		const { repos, status, takenDown } = this.#accounts;
		switch (kind) {
			case "commit":
				return draftOf(await this.#commit(), seq);
			case "commit again":
				return draftOf(this.#lastCommits.get(rng.pick(repos)) ?? (await this.#commit()), seq);
			case "broken commit":
				return draftOf(await brokenCommit(rng.pick(CHEAP_REASONS), rng.pick(repos)), seq);
			case "sync":
				return draftOf(await rng.pick(repos).sync(), seq);
			case "account":
				return draftOf(this.#account(status), seq);
			case "account taken down":
				return draftOf(this.#account(takenDown), seq);
			case "another's":
				return withDid(draftOf(await this.#anyMessage(), seq), rng.pick(this.#strangers));
			case "made-up DID":
				return withDid(draftOf(await this.#anyMessage(), seq), rng.int(2) === 0 ? rng.pick(ODD_DIDS) : makeDidPlc(rng));
			default:
				return draftOf(this.#identity(), seq);
		}
	}

	async #commit(): Promise<SimMessage> {
		const account = this.#rng.pick(this.#accounts.repos);
		const message = await account.commit();
		this.#lastCommits.set(account, message);
		return message;
	}

	async #anyMessage(): Promise<SimMessage> {
		const { repos, status } = this.#accounts;
		return this.#rng.pick([this.#identity(), this.#account(status), await this.#rng.pick(repos).sync()]);
	}

	#identity(): SimMessage {
		return this.#accounts.identity.identity(this.#rng.int(4) === 0 ? null : undefined);
	}

	#account(account: SimAccount): SimMessage {
		const status = this.#rng.int(2) === 0 ? null : this.#status();
		return account.account(this.#rng.int(2) === 0, status);
	}

	#status(): string {
		const rng = this.#rng;
		switch (rng.int(4)) {
			case 0:
				return anyUtf8Text(rng);
			case 1:
				return "é".repeat((STATUS_BYTES_FROM + rng.int(20)) / 2);
			default:
				return rng.pick(STATUSES);
		}
	}

	/** Adds fields, breaks what is to be broken, and encodes. */
	#finish(kind: OddKind, draft: Draft, seq: number): OddFrame {
		const rng = this.#rng;
		const options = rng.int(50) === 0 ? LARGE_VALUES : SMALL_VALUES;
		for (let extras = rng.int(EXTRAS_MAX); extras > 0; extras--) addExtra(rng, draft.payload, options);
		if (rng.int(10) === 0) addExtra(rng, draft.header, options);
		if (rng.int(4) === 0) addToOps(rng, draft.payload);
		change(rng, draft);
		if (rng.int(10) === 0) {
			draft.payload.set(MARK_FIELD, cborInteger(0));
			return raw(kind, editedBytes(rng, bytesOf(draft), seq));
		}
		const mark = this.#nextMark();
		draft.payload.set(MARK_FIELD, cborInteger(mark));
		const bytes = bytesOf(draft);
		const data = rng.int(8) === 0 ? Uint8Array.from(loosened(rng, bytes)) : bytes;
		return { kind, data, isKept: true, expected: passedOn(draft, kind === "account taken down"), mark };
	}

	/** A message of an unknown kind. A relay need not be able to decode its payload. */
	#unknownKind(): Uint8Array<ArrayBuffer> {
		const rng = this.#rng;
		const name = rng.pick(["#handle", "#tombstone", "#migrate", "", "#COMMIT", `#${rng.text(9, "abcXYZ.")}`]);
		const header = new Map<string, Uint8Array>([
			["op", cborInteger(1)],
			["t", cborText(name)],
		]);
		const value = rng.int(3) === 0 ? Buffer.from(rng.pick(ODD_ITEMS), "hex") : anyValue(rng, SMALL_VALUES);
		return Buffer.concat([cborMap(header), rng.int(2) === 0 ? value : cborMap(new Map([[anyKey(rng), value]]))]);
	}

	#unknownOp(): Uint8Array<ArrayBuffer> {
		const rng = this.#rng;
		const header = new Map<string, Uint8Array>([["op", cborInteger(rng.pick([0, 2, -2, 7, 2 ** 40, -(2 ** 40)]))]]);
		if (rng.int(2) === 0) header.set("t", cborText("#commit"));
		return Buffer.concat([cborMap(header), anyValue(rng, SMALL_VALUES)]);
	}

	#info(): Uint8Array<ArrayBuffer> {
		const rng = this.#rng;
		const name = rng.pick(["OutdatedCursor", "Hello", "constructor", "", "\u202e", "é".repeat(1 + rng.int(200))]);
		const frame = encodeInfoFrame(name, rng.text(rng.int(300), "abc\n\u0000"));
		return rng.int(3) === 0 ? Buffer.concat([frame, anyValue(rng, SMALL_VALUES)]) : frame;
	}

	/** Its name may be too long for a close frame. */
	#error(): Uint8Array<ArrayBuffer> {
		const rng = this.#rng;
		const name = rng.pick(["ConsumerTooSlow", "constructor", "", "é".repeat(100), "\u{1f6b0}".repeat(1 + rng.int(60))]);
		return encodeErrorFrame(name, rng.text(rng.int(300), "abc\n\u0000"));
	}
}

function raw(kind: OddKind, data: OddFrame["data"]): OddFrame {
	return { kind, data, isKept: true, expected: null, mark: 0 };
}

function draftOf({ type, body }: SimMessage, seq: number): Draft {
	const payload = new Map<string, Uint8Array>([["seq", cborInteger(seq)]]);
	for (const [key, value] of Object.entries(body)) if (value !== undefined) payload.set(key, encode(value));
	return { type, header: headerOf(type), payload };
}

function headerOf(type: SimMessage["type"]): Map<string, Uint8Array> {
	return new Map([
		["op", cborInteger(1)],
		["t", cborText(`#${type}`)],
	]);
}

function bytesOf({ header, payload }: FramePairs): Uint8Array<ArrayBuffer> {
	return Buffer.concat([cborMap(header), cborMap(payload)]);
}

function withDid(draft: Draft, did: string): Draft {
	draft.payload.set(draft.type === "commit" ? "repo" : "did", cborText(did));
	return draft;
}

function addExtra(rng: Rng, pairs: Map<string, Uint8Array>, options: AnyCborOptions): void {
	const key = anyKey(rng);
	if (!pairs.has(key)) pairs.set(key, anyValue(rng, options));
}

/** Adds a field to each op of a commit. */
function addToOps(rng: Rng, payload: Map<string, Uint8Array>): void {
	const ops = payload.get("ops");
	if (ops === undefined) return;
	const changed = (decode(ops) as object[]).map((op) => {
		const pairs = new Map<string, Uint8Array>(Object.entries(op).map(([key, value]) => [key, encode(value)]));
		addExtra(rng, pairs, SMALL_VALUES);
		return cborMap(pairs);
	});
	payload.set("ops", cborArray(changed));
}

/** Changes one field, in most cases so that it breaks a rule. The seq is not changed: a host that lets it jump harms only itself. */
function change(rng: Rng, { header, payload }: Draft): void {
	const field = rng.pick([...payload.keys()].filter((key) => key !== "seq"));
	switch (rng.weighted(CHANGE_WEIGHTS)) {
		case "none":
			return;
		case "field replaced":
			payload.set(field, anyValue(rng, SMALL_VALUES));
			return;
		case "field null":
			payload.set(field, Buffer.of(0xf6));
			return;
		case "field absent":
			payload.delete(field);
			return;
		case "foreign link":
			payload.set(anyKey(rng), cborLink(anyForeignCid(rng)));
			return;
		case "broken link":
			payload.set(anyKey(rng), cborLink(rng.pick(Object.values(BROKEN_CIDS))(rng)));
			return;
		case "broken text":
			payload.set(rng.int(2) === 0 ? field : anyKey(rng), brokenText(rng));
			return;
		case "too deep":
			payload.set(anyKey(rng), deepValue(rng, 30 + rng.int(40)));
			return;
		case "header replaced":
			header.set(rng.pick(["op", "t"]), anyValue(rng, SMALL_VALUES));
	}
}

/** A CBOR text that is not UTF-8. */
function brokenText(rng: Rng): Uint8Array {
	const bytes = rng.pick(Object.values(BROKEN_UTF8))(rng);
	return Buffer.concat([cborHead(3, bytes.length), bytes]);
}

/** Changes some of the bytes, but not so that the seq becomes another. */
function editedBytes(rng: Rng, bytes: Uint8Array<ArrayBuffer>, seq: number): Uint8Array<ArrayBuffer> {
	const edited = Uint8Array.from(editBytes(bytes, rng));
	try {
		const { scanned } = readFrame(Buffer.from(edited));
		return scanned.kind === "message" && scanned.message.seq !== seq ? bytes : edited;
	} catch {
		return edited;
	}
}

/** Fields that the relay leaves out if they are null. */
const OPTIONAL_FIELDS: Record<SimMessage["type"], readonly string[]> = {
	commit: ["prevData"],
	sync: [],
	identity: ["handle"],
	account: ["status"],
};
/** The values that the relay puts in for fields that a commit lacks or has as null. */
const COMMIT_DEFAULTS = { since: null, rebase: false, tooBig: false, blobs: [] };

/** The message as the relay passes it on: fields as in the lexicon, and no additional ones in the header. */
function passedOn({ type, payload }: Draft, isTakenDown: boolean): FramePairs {
	const changed = new Map(payload);
	const isNull = (field: string): boolean => changed.get(field)?.[0] === 0xf6;
	for (const field of OPTIONAL_FIELDS[type]) if (isNull(field)) changed.delete(field);
	if (type === "identity") changed.delete("handle");
	if (type === "commit") {
		for (const [field, value] of Object.entries(COMMIT_DEFAULTS)) {
			if (!changed.has(field) || isNull(field)) changed.set(field, encode(value));
		}
	}
	if (isTakenDown) {
		changed.set("active", Buffer.of(0xf4));
		changed.set("status", cborText(TAKEN_DOWN_STATUS));
	}
	return { header: headerOf(type), payload: changed };
}

/** Digest of a frame that has 0 for its seq. */
export function withoutSeq({ header, payload }: FramePairs): number | bigint {
	return Bun.hash(Buffer.concat([cborMap(header), cborMap(new Map([...payload, ["seq", cborInteger(0)]]))]));
}
