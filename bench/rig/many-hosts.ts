/**
 * Many hosts in one process, so that their cost is not counted as the relay's. They answer `describeServer` and the handshake, and say nothing
 * until they are told to: see `HostCommand`. Their answers to commands are lines of standard output, and the first line has their ports.
 */
import { createPrivateKey, sign } from "node:crypto";
import { encode, toBytes } from "@atcute/cbor";
import { cidOf } from "../../src/sim/blocks.ts";
import { SimClock } from "../../src/sim/clock.ts";
import { type CommitDraft, type SignedCommit, sealCommit, type UnsignedCommit } from "../../src/sim/commit.ts";
import { encodeFrame } from "../../src/sim/message.ts";
import { LOCALHOST_CERTIFICATE, LOCALHOST_KEY } from "./localhost-certificate.ts";
import { didOf } from "./many-accounts.ts";
import { type HostAnswer, type HostCommand, type HostsStart, lowS } from "./many-hosts-process.ts";
import { makeDrafts } from "./two-records.ts";

/** Frames of the first commits that are made before sockets get a turn. */
const EACH_AT_ONCE = 16;
const PACE_MS = 20;

interface Host {
	sockets: Set<Bun.ServerWebSocket<undefined>>;
	seq: number;
}

/** Accounts of the process, by their order in it. */
class Accounts {
	readonly #start: HostsStart;
	readonly #key = createPrivateKey(start.signingKey);
	readonly #clock = new SimClock();
	readonly #drafts: CommitDraft[];
	readonly #revs: (string | undefined)[] = [];
	readonly #commits: Uint32Array;
	readonly count: number;

	constructor(start: HostsStart, drafts: CommitDraft[]) {
		this.#start = start;
		this.#drafts = drafts;
		this.count = Math.floor(start.accounts / start.hostsTotal) * start.hosts;
		this.#commits = new Uint32Array(this.count);
	}

	/** Index of the account's host in this process. */
	hostOf(at: number): number {
		return at % this.#start.hosts;
	}

	/** The frame of the account's next commit: the first creates a record, the others change it there and back. */
	async next(at: number, seq: number): Promise<Uint8Array<ArrayBuffer>> {
		const { firstHost, hosts, hostsTotal } = this.#start;
		const number = firstHost + (at % hosts) + hostsTotal * Math.floor(at / hosts);
		const made = this.#commits[at] ?? 0;
		this.#commits[at] = made + 1;
		const draft = this.#drafts[made === 0 ? 0 : 2 - (made % 2)];
		if (draft === undefined) throw new Error("there are three drafts");
		const commit = { ...draft.commit, did: didOf(number), rev: this.#clock.tid() };
		const since = this.#revs[at] ?? null;
		this.#revs[at] = commit.rev;
		const message = await sealCommit({ ...draft, commit, since }, this.#signed(commit));
		return encodeFrame(message, seq);
	}

	#signed(commit: UnsignedCommit): SignedCommit {
		const signature = sign("sha256", encode(commit), { key: this.#key, dsaEncoding: "ieee-p1363" });
		const bytes = encode({ ...commit, sig: toBytes(lowS(signature)) });
		return { cid: cidOf(bytes), bytes };
	}
}

const start = JSON.parse(process.argv[2] ?? "") as HostsStart;
const accounts = new Accounts(start, await makeDrafts());
const hosts = Array.from({ length: start.hosts }, (): Host => ({ sockets: new Set(), seq: 0 }));
const tls = start.kind === "tls" ? { tls: { key: LOCALHOST_KEY, cert: LOCALHOST_CERTIFICATE } } : {};
say({ ports: hosts.map(serve) });
const decoder = new TextDecoder();
let text = "";
for await (const chunk of Bun.stdin.stream()) {
	text += decoder.decode(chunk, { stream: true });
	const lines = text.split("\n");
	text = lines.pop() ?? "";
	for (const line of lines) say(await run(JSON.parse(line) as HostCommand));
}
process.exit(0);

function say(answer: HostAnswer): void {
	process.stdout.write(`${JSON.stringify(answer)}\n`);
}

function serve(host: Host): number {
	const server = Bun.serve({
		hostname: "127.0.0.1",
		port: 0,
		...tls,
		fetch(request, server) {
			if (server.upgrade(request)) return undefined;
			return Response.json({ did: "did:web:localhost", availableUserDomains: [] });
		},
		websocket: {
			open: (socket) => void host.sockets.add(socket),
			close: (socket) => void host.sockets.delete(socket),
			message() {},
			idleTimeout: 960,
			sendPings: false,
		},
	});
	return server.port ?? 0;
}

async function run(command: HostCommand): Promise<HostAnswer> {
	switch (command.type) {
		case "connections":
			return { count: hosts.filter(({ sockets }) => sockets.size > 0).length };
		case "each":
			return { count: await sendEach(command.from, command.count) };
		case "paced":
			return { count: await sendPaced(command.perS, command.seconds) };
	}
}

/** Sends the next commit of each of so many accounts, as fast as they can be made. */
async function sendEach(from: number, count: number): Promise<number> {
	const end = Math.min(from + count, accounts.count);
	for (let at = from; at < end; at++) {
		await send(at);
		if (at % EACH_AT_ONCE === 0) await new Promise((resolve) => setImmediate(resolve));
	}
	return Math.max(0, end - from);
}

/** Sends commits of all accounts in an order that looks like none. */
async function sendPaced(perS: number, seconds: number): Promise<number> {
	const startMs = performance.now();
	let sent = 0;
	let at = 0;
	while (sent < perS * seconds) {
		const due = Math.min(perS * seconds, ((performance.now() - startMs) * perS) / 1000);
		for (; sent < due; sent++) {
			// Coprime to the number of accounts, or nearly so.
			at = (at + 7_919) % accounts.count;
			await send(at);
		}
		await Bun.sleep(PACE_MS);
	}
	return sent;
}

async function send(at: number): Promise<void> {
	const host = hosts[accounts.hostOf(at)];
	if (host === undefined || host.sockets.size === 0) throw new Error("an account's host is not connected");
	const frame = await accounts.next(at, ++host.seq);
	for (const socket of host.sockets) if (socket.send(frame) === 0) throw new Error("a host lost a message");
}
