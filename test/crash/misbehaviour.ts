import { FRAME_BYTES_MAX } from "../../src/protocol/limits.ts";
import { SimAccount } from "../../src/sim/account.ts";
import { SimHost } from "../../src/sim/host.ts";
import { makeDidPlc } from "../../src/sim/keys.ts";
import { encodeErrorFrame, encodeFrame, type SimMessage } from "../../src/sim/message.ts";
import type { SimNetwork } from "../../src/sim/network.ts";
import type { PlcFault } from "../../src/sim/plc.ts";
import type { RelayProcess } from "../../src/sim/relay-process.ts";
import type { Rng, Weights } from "../../src/sim/rng.ts";
import { firstMessages, nextMessages } from "../../src/sim/traffic.ts";
import { until } from "../relay/rig.ts";
import { anyForeignCid, anyValue, BROKEN_CIDS, cborInteger, cborLink, cborMap, cborText } from "../sim/any-cbor.ts";
import { type Due, framePairs, type Oracle, type Witness } from "./oracle.ts";

/** What kind of host it is. The last two lose their numbering. */
const TRAITS = ["plain", "replays inclusively", "takes a future cursor as live", "answers FutureCursor"] as const;
type Trait = (typeof TRAITS)[number];

const ACCOUNTS = 3;
/** Acts of misbehaving hosts in a round. */
const ACTS_PER_ROUND = 2;
const MADE_UP_DIDS = 200;
const UNREADABLE_MAX = 3;
/** Far from the number at which a host counts from after a loss. */
const FIRST_SEQ = 10_000;
const DIRECTORY_FAULT_MS = 300;
const ASK_AGAIN_MS = 1_000;
/** A name that is too long for a close frame. */
const LONG_NAME = "é".repeat(200);

/** The acts of a host, with their relative frequency. */
const ACT_WEIGHTS = {
	unreadable: 25,
	text: 10,
	"unknown kind": 15,
	"odd identity": 15,
	"broken link": 15,
	"error frame": 8,
	"made-up DIDs": 4,
	"account anew": 10,
	"lost numbering": 12,
} as const satisfies Weights<string>;
/** Acts that hold up a relay for seconds. They are done in few rounds. */
export const RARE_ACTS = ["too large", "directory fails"] as const;
export type Act = keyof typeof ACT_WEIGHTS | (typeof RARE_ACTS)[number];
export const ACTS: readonly Act[] = [...(Object.keys(ACT_WEIGHTS) as (keyof typeof ACT_WEIGHTS)[]), ...RARE_ACTS];

const DIRECTORY_FAULTS: readonly PlcFault[] = [
	{ kind: "status", status: 500 },
	{ kind: "status", status: 429, headers: { "Retry-After": "1" } },
	{ kind: "hang" },
];

interface OddHost {
	trait: Trait;
	host: SimHost;
	accounts: SimAccount[];
	/**
	 * Whether the relay knows its place in the host's numbering. After that was lost, it does when a start asks for a cursor of the new
	 * numbering. Until then the host's messages may be lost too.
	 */
	numbering: "known" | "lost in this run" | "lost";
}

/** The hosts that misbehave. The oracle is told which of their messages the relay still has to pass on. */
export class Misbehaviour {
	/** How often each act was done. All of them count. */
	readonly acts: Record<Act, number> = Object.fromEntries(ACTS.map((act) => [act, 0])) as Record<Act, number>;
	readonly #rng: Rng;
	readonly #network: SimNetwork;
	readonly #oracle: Oracle;
	readonly #live: Witness;
	readonly #hosts: OddHost[] = [];
	#healing: ReturnType<typeof setTimeout> | undefined;

	/** @param live the consumer that shows which messages a host need not send again when it loses its backlog */
	constructor(rng: Rng, network: SimNetwork, oracle: Oracle, live: Witness) {
		this.#rng = rng;
		this.#network = network;
		this.#oracle = oracle;
		this.#live = live;
	}

	/** Starts the hosts, and has the relay follow them. */
	async begin(relay: RelayProcess): Promise<void> {
		for (const trait of TRAITS) {
			const host = new SimHost();
			host.start();
			host.skipSeqs(FIRST_SEQ);
			host.replaysInclusively = trait === "replays inclusively";
			host.onFutureCursor = trait === "answers FutureCursor" ? "FutureCursor" : "live";
			const accounts: SimAccount[] = [];
			for (let i = 0; i < ACCOUNTS; i++) accounts.push(await this.#makeAccount(`${trait} ${i}`, host));
			this.#hosts.push({ trait, host, accounts, numbering: "known" });
			await relay.requestCrawl(host.hostname);
		}
	}

	/** Whether the relay is connected to all of them. */
	get isFollowed(): boolean {
		return this.#hosts.every(({ host }) => host.connections > 0);
	}

	/** Lets each host send its first message. Until one is durable, the relay has no cursor of the host. */
	introduce(): void {
		for (const odd of this.#hosts) for (const account of odd.accounts) this.#send(odd, account.account(true));
	}

	/** Lets hosts do some acts. They must not harm the relay, which has to be running. */
	async round(relay: RelayProcess, rare: Act | null): Promise<void> {
		this.#learn();
		for (const odd of this.#hosts) if (odd.numbering !== "known") await this.#findAgain(odd, relay);
		// A host that replays inclusively sends a message that is too large once more, so it takes the relay longer to get past it.
		if (rare !== null)
			await this.#act(rare, this.#rng.pick(this.#hosts.filter(({ host }) => !host.replaysInclusively)));
		for (let i = 0; i < ACTS_PER_ROUND; i++)
			await this.#act(this.#rng.weighted(ACT_WEIGHTS), this.#rng.pick(this.#hosts));
	}

	/** Sends messages of the new numbering. Without one the relay can't find its place in it. */
	async #findAgain(odd: OddHost, relay: RelayProcess): Promise<void> {
		const { host } = odd;
		// If the relay noted before its end that the host refused the cursor, it does not dial the host for an hour.
		const isIdle = async (): Promise<boolean> => (await relay.hostStatus(host.hostname)) === "idle";
		await until(async () => host.cursors.length > 0 || (await isIdle()));
		const asked = host.cursors.at(-1) ?? Number.POSITIVE_INFINITY;
		if (host.onFutureCursor === "FutureCursor" && asked > host.lastSeq) await relay.resetCursor(host.hostname);
		await until(() => host.connections > 0);
		for (const account of odd.accounts) this.#send(odd, account.account(true));
	}

	/**
	 * Asks the relay again and again to follow the hosts that it is not connected to, until the signal is aborted, as their owners
	 * would. Without that it waits longer after each message that it can't read, and a crash makes it begin anew to get past one.
	 */
	async askAgain(relay: RelayProcess, signal: AbortSignal): Promise<void> {
		while (!signal.aborted) {
			for (const { host } of this.#hosts) if (host.connections === 0) await relay.requestCrawl(host.hostname);
			await Bun.sleep(ASK_AGAIN_MS);
		}
	}

	/** To be called after the relay has ended and before it starts again. */
	relayEnded(): void {
		this.#learn();
		for (const odd of this.#hosts) {
			if (odd.numbering === "lost in this run") odd.numbering = "lost";
			odd.host.cursors.length = 0;
		}
	}

	async stop(): Promise<void> {
		clearTimeout(this.#healing);
		this.#network.plc.clearFaults();
		await Promise.all(this.#hosts.map(({ host }) => host.stop()));
	}

	/** Notes a relay's first request. If it asks for a cursor of the new numbering, the log has that cursor. */
	#learn(): void {
		for (const odd of this.#hosts) {
			const [first] = odd.host.cursors;
			if (odd.numbering === "known")
				this.#oracle.acknowledge(odd.host.hostname, Math.max(0, ...odd.host.cursors.map(Number)));
			if (odd.numbering !== "lost" || typeof first !== "number" || first > odd.host.lastSeq) continue;
			odd.numbering = "known";
			// The host's last messages about these accounts may be lost.
			for (const account of odd.accounts) this.#send(odd, account.account(true));
		}
	}

	async #act(act: Act, odd: OddHost): Promise<void> {
		this.acts[act]++;
		await this.#do(act, odd);
		for (const message of await nextMessages(this.#rng.pick(odd.accounts))) this.#send(odd, message);
	}

	async #do(act: Act, odd: OddHost): Promise<void> {
		const { host, accounts } = odd;
		const rng = this.#rng;
		switch (act) {
			case "unreadable":
				for (let i = 1 + rng.int(UNREADABLE_MAX); i > 0; i--) host.emitUnreadable(rng.bytes(rng.int(60)));
				return;
			case "text":
				return void host.emitUnreadable(rng.pick(["", "#commit", "é"]));
			case "unknown kind":
				return void host.emitUnreadable(unknownKind(rng));
			case "odd identity":
				return this.#sendOdd(odd, rng.pick(accounts).identity(), anyValue(rng));
			case "broken link":
				return this.#sendOdd(odd, rng.pick(accounts).account(true), cborLink(anyBadCid(rng)), "never");
			case "error frame":
				return host.sendRaw(encodeErrorFrame(LONG_NAME, LONG_NAME));
			case "made-up DIDs":
				for (let i = 0; i < MADE_UP_DIDS; i++) sendStranger(host, makeDidPlc(rng), this.#network.clock.datetime());
				return;
			case "account anew":
				return this.#beginAnew(odd, rng.int(accounts.length));
			case "lost numbering":
				return this.#loseNumbering(rng.pick(this.#hosts.slice(-2)));
			case "directory fails":
				return this.#failDirectory();
			case "too large":
				return void host.emitUnreadable(new Uint8Array(FRAME_BYTES_MAX + 1));
		}
	}

	async #makeAccount(label: string, host: SimHost): Promise<SimAccount> {
		const account = await SimAccount.create({ rng: this.#rng.fork(label), clock: this.#network.clock, curve: "k256" });
		this.#network.plc.register(account, host.endpoint);
		return account;
	}

	#send(odd: OddHost, message: SimMessage): void {
		message.body.padding = { mark: this.#oracle.nextMark };
		this.#oracle.send(odd.host.hostname, odd.host.lastSeq + 1, message, this.#due(odd));
		odd.host.emit(message);
	}

	/** Sends a message with an additional field, already encoded. The relay must not change a byte of it. */
	#sendOdd(odd: OddHost, message: SimMessage, value: Uint8Array, due = this.#due(odd)): void {
		const { host } = odd;
		message.body.padding = { mark: this.#oracle.nextMark };
		const withValue = (changes: object): Uint8Array<ArrayBuffer> => {
			const { header, payload } = framePairs({ ...message, body: { ...message.body, ...changes } });
			return Buffer.concat([cborMap(header), cborMap(new Map([...payload, ["further", value]]))]);
		};
		this.#oracle.send(host.hostname, host.lastSeq + 1, message, due, withValue({ seq: 0, handle: undefined }));
		host.emitFrame(withValue({ seq: host.lastSeq + 1 }), host.lastSeq + 1);
	}

	#due({ numbering }: OddHost): Due {
		return numbering === "known" ? "in the end" : "perhaps";
	}

	/** Deletes an account, and creates it again with an empty repo. */
	async #beginAnew(odd: OddHost, index: number): Promise<void> {
		const account = odd.accounts[index];
		if (account === undefined) throw new RangeError(`no account ${index}`);
		this.#oracle.mayLeaveOut(account.did);
		this.#send(odd, account.account(false, "deleted"));
		const anew = await account.madeAnew();
		odd.accounts[index] = anew;
		for (const message of await firstMessages(anew)) this.#send(odd, message);
	}

	/** Sets up a host anew under its old name. It has lost its messages, and counts from 1. */
	#loseNumbering(odd: OddHost): void {
		this.#oracle.forgive(odd.host.hostname, this.#live);
		odd.host.wipe();
		odd.numbering = "lost in this run";
	}

	/** Lets the directory fail for a while. */
	#failDirectory(): void {
		const { plc } = this.#network;
		plc.setFault(null, this.#rng.pick(DIRECTORY_FAULTS));
		this.#healing = setTimeout(() => plc.clearFaults(), DIRECTORY_FAULT_MS);
	}
}

/** A message of a kind that the relay doesn't know, with a float in it, which a relay need not be able to decode. */
function unknownKind(rng: Rng): Uint8Array<ArrayBuffer> {
	const header = new Map<string, Uint8Array>([
		["op", cborInteger(1)],
		["t", cborText(rng.pick(["#handle", "#tombstone", "#future"]))],
	]);
	const float = Buffer.from("fb3ff8000000000000", "hex");
	return Buffer.concat([cborMap(header), cborMap(new Map([["value", float]]))]);
}

function anyBadCid(rng: Rng): Uint8Array {
	return rng.int(2) === 0 ? anyForeignCid(rng) : rng.pick(Object.values(BROKEN_CIDS))(rng);
}

/** Sends an `#identity` of a DID that is not registered. */
function sendStranger(host: SimHost, did: string, time: string): void {
	const seq = host.lastSeq + 1;
	host.emitFrame(encodeFrame({ type: "identity", did, rev: null, body: { did, time } }, seq), seq);
}
