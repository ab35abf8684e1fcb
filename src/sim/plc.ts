import type { SimAccount } from "./account.ts";
import type { PlcLog } from "./plc-log.ts";

/** A way in which lookups of a DID fail. */
export type PlcFault =
	| { kind: "slow"; delayMs: number }
	/** No answer until the fault is cleared. */
	| { kind: "hang" }
	| { kind: "status"; status: number; headers?: Record<string, string> }
	/** A good document with an added member that makes it this much longer. */
	| { kind: "huge"; bytes: number }
	| { kind: "garbage" }
	| { kind: "wrong-id" }
	/** A good document with some members replaced, such as `{verificationMethod: []}`. */
	| { kind: "replace"; members: Record<string, unknown> }
	/** The result of a function of a good document. */
	| { kind: "edit"; edit: (document: Record<string, unknown>) => Record<string, unknown> };

/** What a connection of the stream keeps. */
interface StreamData {
	cursor: number;
	end: () => void;
}

interface Entry {
	key: string;
	handle: string;
	endpoint: string;
	tombstoned: boolean;
}

/**
 * A PLC directory: `GET /did:plc:…` gives the DID document in the form plc.directory has today. It also serves the document
 * of one did:web, since that is a lookup at the host that the DID names.
 */
export class SimPlc {
	/** How often each DID was asked for. */
	readonly gets = new Map<string, number>();
	/** When each request was answered, by the monotonic clock. */
	readonly answersMs: number[] = [];
	/** The `User-Agent` headers of all requests. */
	readonly userAgents = new Set<string>();
	readonly #entries = new Map<string, Entry>();
	readonly #faults = new Map<string, PlcFault>();
	#globalFault: PlcFault | null = null;
	#server: Bun.Server<StreamData> | null = null;
	#port = 0;
	#healed = Promise.withResolvers<void>();
	/** The operations that the documents come from; null for a directory that has none to show. */
	readonly log: PlcLog | null;

	constructor(log: PlcLog | null = null) {
		this.log = log;
	}

	start(): void {
		this.#server = Bun.serve<StreamData>({
			hostname: "127.0.0.1",
			port: this.#port,
			idleTimeout: 0,
			websocket: {
				open: (socket) => {
					socket.data.end = this.log?.stream(socket.data.cursor, (text) => socket.send(text)) ?? (() => {});
				},
				message: () => {},
				close: (socket) => socket.data.end(),
			},
			fetch: async (request, server) => {
				const url = new URL(request.url);
				const data = { cursor: Number(url.searchParams.get("cursor")), end: () => {} };
				if (this.log !== null && url.pathname === "/export") return this.log.page(url);
				if (this.log !== null && url.pathname === "/export/stream" && server.upgrade(request, { data })) return;
				const response = await this.#answer(request);
				this.answersMs.push(performance.now());
				return response;
			},
		});
		this.#port = this.#server.port ?? 0;
	}

	/** Takes the directory down; `start` brings it back on the same port. */
	async stop(): Promise<void> {
		this.clearFaults();
		await this.#server?.stop(true);
		this.#server = null;
	}

	get url(): string {
		return `http://localhost:${this.#port}`;
	}

	/** The did:web whose document this server has. */
	get webDid(): string {
		return `did:web:localhost%3A${this.#port}`;
	}

	/** Registers an account, or updates its document to its current key. */
	register(account: SimAccount, endpoint: string): void {
		const { did, handle, key } = account;
		if (this.log?.has(did) === true) this.log.set(did, key.didKey, endpoint);
		this.#entries.set(did, { key: key.multibase, handle, endpoint, tombstoned: false });
	}

	/** Removes a DID, as if it had never been registered. */
	unregister(did: string): void {
		this.#entries.delete(did);
	}

	tombstone(did: string): void {
		const entry = this.#entries.get(did);
		if (entry === undefined) return;
		entry.tombstoned = true;
		if (this.log?.has(did) === true) this.log.tombstone(did);
	}

	/** Makes lookups of `did`, or of all DIDs if it is null, fail from now on. */
	setFault(did: string | null, fault: PlcFault): void {
		if (did === null) this.#globalFault = fault;
		else this.#faults.set(did, fault);
	}

	/** Ends all faults, and answers the lookups that hang. */
	clearFaults(): void {
		this.#globalFault = null;
		this.#faults.clear();
		this.#healed.resolve();
		this.#healed = Promise.withResolvers();
	}

	get getsTotal(): number {
		return this.gets.values().reduce((sum, count) => sum + count, 0);
	}

	async #answer(request: Request): Promise<Response> {
		const path = decodeURIComponent(new URL(request.url).pathname);
		const did = path === "/.well-known/did.json" ? this.webDid : path.slice(1);
		if (!did.startsWith("did:")) return Response.json({ message: "not found" }, { status: 404 });
		this.gets.set(did, (this.gets.get(did) ?? 0) + 1);
		this.userAgents.add(request.headers.get("user-agent") ?? "");
		const fault = this.#faults.get(did) ?? this.#globalFault;
		if (fault?.kind === "slow") await Bun.sleep(fault.delayMs);
		if (fault?.kind === "hang") await this.#healed.promise;
		if (fault?.kind === "status") {
			return Response.json({ message: "fault" }, { status: fault.status, headers: fault.headers ?? {} });
		}
		if (fault?.kind === "garbage") return documentResponse('{"id": "did:plc:');
		const entry = this.#entries.get(did);
		if (entry === undefined) return Response.json({ message: `DID not registered: ${did}` }, { status: 404 });
		if (entry.tombstoned) return Response.json({ message: `DID not available: ${did}` }, { status: 410 });
		return documentResponse(JSON.stringify(faulty(makeDocument(did, entry), fault)));
	}
}

function documentResponse(text: string): Response {
	return new Response(text, { headers: { "content-type": "application/did+ld+json; charset=utf-8" } });
}

function makeDocument(did: string, entry: Entry): Record<string, unknown> {
	return {
		"@context": ["https://www.w3.org/ns/did/v1", "https://w3id.org/security/multikey/v1"],
		id: did,
		alsoKnownAs: [`at://${entry.handle}`],
		verificationMethod: [{ id: `${did}#atproto`, type: "Multikey", controller: did, publicKeyMultibase: entry.key }],
		service: [{ id: "#atproto_pds", type: "AtprotoPersonalDataServer", serviceEndpoint: entry.endpoint }],
	};
}

function faulty(document: Record<string, unknown>, fault: PlcFault | null): Record<string, unknown> {
	switch (fault?.kind) {
		case "huge":
			return { ...document, padding: "x".repeat(fault.bytes) };
		case "wrong-id":
			return { ...document, id: "did:plc:aaaaaaaaaaaaaaaaaaaaaaaa" };
		case "replace":
			return { ...document, ...fault.members };
		case "edit":
			return fault.edit(document);
		default:
			return document;
	}
}
