import { SimAccount } from "../../src/sim/account.ts";
import { SimClock } from "../../src/sim/clock.ts";
import { encodeErrorFrame, encodeFrame, encodeInfoFrame, type SimMessage } from "../../src/sim/message.ts";
import { Rng } from "../../src/sim/rng.ts";
import { nextMessages } from "../../src/sim/traffic.ts";

const TICK_MS = 2;
export const OLDEST_SEQ = 1_000;
const HISTORY = 12;
const XRPC = "/xrpc/com.atproto.sync.";
const COMMON_HEADERS = { Server: "fake (atproto-relay)", "Access-Control-Allow-Origin": "*" };
const HOST_NAME = /^[a-z0-9-]+(\.[a-z0-9-]+)+$/;
const DID = /^did:plc:[a-z2-7]{24}$/;

const NO_MESSAGE: SimMessage = { type: "commit", did: "", rev: null, body: {} };

/** What is asked for by HTTP. */
export interface Asked {
	/** Such as `GET listHosts`, or with the whole path if it is not one of `com.atproto.sync`. */
	what: string;
	query: URLSearchParams;
	body: string;
}

/** What a connection to the firehose gets. */
export interface Plan {
	/** Before all messages. */
	first: readonly Uint8Array<ArrayBuffer>[];
	/** The seq of its first message. */
	next: number;
	/** Whether it is closed after `first`. */
	closes: boolean;
}

/** How a fake relay departs from what is right. */
export interface Fault {
	/** Changes an answer. */
	answer?: (asked: Asked, right: Response) => Response | Promise<Response>;
	/** An upgrade that is refused gets this status; null for one that is not. */
	refuse?: (cursor: string | null) => number | null;
	/** Of the answer to an upgrade. */
	streamServer?: string;
	plan?: (cursor: string | null, right: Plan, lastSeq: number) => Plan;
	/** Changes a message, or sends none, or several. */
	send?: (sent: Sent) => (Uint8Array<ArrayBuffer> | string)[];
}

/** A message that a connection is to get. */
export interface Sent {
	seq: number;
	message: SimMessage;
	cursor: string | null;
	/** The last seq when the connection was made. */
	joinedAt: number;
	/** Messages of a certain type. */
	samples: Readonly<Record<"commit" | "sync", SimMessage>>;
}

interface Connection {
	cursor: string | null;
	plan: Plan;
	joinedAt: number;
}

type Socket = Bun.ServerWebSocket<Connection>;

function error(status: number, name: string): Response {
	return Response.json({ error: name, message: "no" }, { status, headers: COMMON_HEADERS });
}

function ok(json: unknown): Response {
	return Response.json(json, { headers: COMMON_HEADERS });
}

/** A relay that answers as one should, but for one fault that a test switches on. Its messages are made once and come again and again. */
export class FakeRelay {
	fault: Fault = {};
	readonly hosts = ["a", "b", "c", "d", "e"].map((name, at) => ({
		hostname: `${name}.example.com`,
		seq: at,
		accountCount: at,
		status: "active",
	}));
	repos: { did: string; head: string; rev: string; active: boolean; status?: string }[] = [];
	#messages: SimMessage[] = [];
	readonly #samples = { commit: NO_MESSAGE, sync: NO_MESSAGE };
	#lastSeq = OLDEST_SEQ + HISTORY;
	readonly #sockets = new Set<Socket>();
	#server: Bun.Server<Connection> | null = null;
	#timer: Timer | null = null;

	get url(): string {
		return `http://127.0.0.1:${this.#server?.port}`;
	}

	async start(seed: string): Promise<void> {
		const rng = new Rng(seed);
		const clock = new SimClock();
		for (let at = 0; at < 7; at++) {
			const account = await SimAccount.create({ rng: rng.fork(`account ${at}`), clock, curve: "k256" });
			for (let step = 0; step < 4; step++) this.#messages.push(...(await nextMessages(account)));
			const { did, head, rev } = account;
			const isActive = at !== 3;
			if (head === null || rev === null) throw new Error("the account has no repo");
			this.repos.push({ did, head, rev, active: isActive, ...(isActive ? {} : { status: "deactivated" }) });
		}
		this.#messages = rng.shuffled(this.#messages);
		for (const message of this.#messages)
			if (message.type === "commit" || message.type === "sync") this.#samples[message.type] = message;
		this.#server = Bun.serve<Connection>({
			hostname: "127.0.0.1",
			port: 0,
			fetch: (request, server) => this.#answer(request, server),
			websocket: {
				open: (socket) => this.#open(socket),
				close: (socket) => void this.#sockets.delete(socket),
				message: () => undefined,
			},
		});
		this.#timer = setInterval(() => this.#tick(), TICK_MS);
	}

	async stop(): Promise<void> {
		if (this.#timer !== null) clearInterval(this.#timer);
		await this.#server?.stop(true);
	}

	/** The message with a seq. */
	messageOf(seq: number): SimMessage {
		const message = this.#messages[seq % this.#messages.length];
		if (message === undefined) throw new Error("there are no messages");
		return message;
	}

	async #answer(request: Request, server: Bun.Server<Connection>): Promise<Response | undefined> {
		const { pathname, searchParams } = new URL(request.url);
		if (pathname === `${XRPC}subscribeRepos`) return this.#upgrade(request, server, searchParams.get("cursor"));
		const asked = {
			what: `${request.method} ${pathname.replace(XRPC, "")}`,
			query: searchParams,
			body: await request.text(),
		};
		const right = this.#right(asked);
		return this.fault.answer?.(asked, right) ?? right;
	}

	#right(asked: Asked): Response {
		const { what, query } = asked;
		const did = query.get("did");
		if (what.startsWith("OPTIONS "))
			return new Response(null, {
				status: 204,
				headers: { ...COMMON_HEADERS, "Access-Control-Allow-Headers": "content-type" },
			});
		switch (what) {
			case "GET /xrpc/_health":
				return ok({ version: "fake" });
			case "GET listHosts":
				return page(query, this.hosts, "hosts");
			case "GET listRepos":
				return page(query, this.repos, "repos");
			case "GET getHostStatus": {
				const hostname = query.get("hostname");
				if (hostname === null) return error(400, "InvalidRequest");
				const host = this.hosts.find((one) => one.hostname === hostname);
				return host === undefined ? error(404, "HostNotFound") : ok(host);
			}
			case "GET getRepoStatus":
			case "GET getLatestCommit":
			case "GET getRepo":
				return did !== null && DID.test(did) ? this.#ofRepo(what, did) : error(400, "InvalidRequest");
			case "POST requestCrawl":
				return crawl(asked.body);
			default:
				return error(501, "MethodNotImplemented");
		}
	}

	#ofRepo(what: string, did: string): Response {
		const repo = this.repos.find((one) => one.did === did);
		if (repo === undefined) return error(404, "RepoNotFound");
		const { rev, head, active, status } = repo;
		if (what === "GET getRepoStatus") return ok({ did, active, rev, ...(status === undefined ? {} : { status }) });
		if (!active) return error(403, "RepoDeactivated");
		if (what === "GET getLatestCommit") return ok({ cid: head, rev });
		const location = `https://pds.example.com${XRPC}getRepo?did=${encodeURIComponent(did)}`;
		return new Response(null, { status: 302, headers: { ...COMMON_HEADERS, Location: location } });
	}

	#upgrade(request: Request, server: Bun.Server<Connection>, cursor: string | null): Response | undefined {
		const { refuse, plan, streamServer } = this.fault;
		const status = refuse === undefined ? (cursor === null || /^\d+$/.test(cursor) ? null : 400) : refuse(cursor);
		if (status !== null) return error(status, "InvalidRequest");
		const right = this.#plan(cursor);
		const data = { cursor, plan: plan?.(cursor, right, this.#lastSeq) ?? right, joinedAt: this.#lastSeq };
		const headers = { ...COMMON_HEADERS, Server: streamServer ?? COMMON_HEADERS.Server };
		return server.upgrade(request, { data, headers }) ? undefined : error(426, "UpgradeRequired");
	}

	#plan(text: string | null): Plan {
		if (text === null) return { first: [], next: this.#lastSeq + 1, closes: false };
		const cursor = Number(text);
		if (cursor > this.#lastSeq) return { first: [encodeErrorFrame("FutureCursor", "no")], next: 0, closes: true };
		const isOutdated = cursor > 0 && cursor + 1 < OLDEST_SEQ;
		const first = isOutdated ? [encodeInfoFrame("OutdatedCursor", "no")] : [];
		return { first, next: Math.max(cursor + 1, OLDEST_SEQ), closes: false };
	}

	#open(socket: Socket): void {
		const { first, closes } = socket.data.plan;
		for (const frame of first) socket.send(frame);
		if (closes) socket.close(1008, "closed");
		else this.#sockets.add(socket);
	}

	#tick(): void {
		this.#lastSeq++;
		for (const socket of this.#sockets) this.#pump(socket);
	}

	#pump(socket: Socket): void {
		const { plan, cursor, joinedAt } = socket.data;
		for (; plan.next <= this.#lastSeq; plan.next++) {
			const seq = plan.next;
			const message = this.messageOf(seq);
			for (const data of this.fault.send?.({ seq, message, cursor, joinedAt, samples: this.#samples }) ?? [
				encodeFrame(message, seq),
			])
				socket.send(data);
		}
	}
}

function page(query: URLSearchParams, rows: readonly object[], name: string): Response {
	const limit = Number(query.get("limit"));
	const from = Number(query.get("cursor") ?? 0);
	if (!Number.isInteger(limit) || limit < 1 || limit > 1000) return error(400, "InvalidRequest");
	const end = from + limit;
	return ok({ [name]: rows.slice(from, end), ...(end < rows.length ? { cursor: String(end) } : {}) });
}

function crawl(body: string): Response {
	try {
		const { hostname }: { hostname?: unknown } = JSON.parse(body);
		const isName = typeof hostname === "string" && HOST_NAME.test(hostname) && !/^[\d.]+$/.test(hostname);
		return isName ? new Response(null, { headers: COMMON_HEADERS }) : error(400, "InvalidRequest");
	} catch {
		return error(400, "InvalidRequest");
	}
}
