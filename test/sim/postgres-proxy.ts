import { type ConnectionFault, type Side, TcpProxy, type Watch } from "./tcp-proxy.ts";

/** The type byte and the length. */
const HEADER_BYTES = 5;
/** The first message of a client has no type. */
const STARTUP_HEADER_BYTES = 4;

/** A message of PostgreSQL's protocol, version 3. */
export interface WireMessage {
	from: Side;
	/** Its type byte, such as `Q` for a client's query and `C` for the end of a command; empty for a client's first message. */
	type: string;
	/** What follows the length, a character a byte. */
	text: string;
}

/** A message at which a connection suffers a fault. */
export interface FaultMoment {
	at(message: WireMessage): boolean;
	/** Whether the message itself still passes. */
	order: "before" | "after";
	fault: ConnectionFault;
}

/** The server has committed, and nobody is told: the client's outcome is unknown. */
export const COMMITTED_UNHEARD: FaultMoment = {
	at: ({ from, type, text }) => from === "server" && type === "C" && text.startsWith("COMMIT"),
	order: "before",
	fault: "reset",
};

/** The moment at the message with this number, counted from when it is armed, from 0. */
export function atMessage(number: number, order: FaultMoment["order"], fault: ConnectionFault): FaultMoment {
	let count = 0;
	return { at: () => count++ === number, order, fault };
}

/** A proxy that knows PostgreSQL's messages (without TLS), so that it can fail a connection at any of them. */
export class PostgresProxy {
	readonly tcp: TcpProxy;
	readonly #url: URL;
	#armed: { moment: FaultMoment; happened: PromiseWithResolvers<WireMessage> } | null = null;

	private constructor(tcp: TcpProxy, url: URL) {
		this.tcp = tcp;
		this.#url = url;
		tcp.watch(() => this.#watch());
	}

	/** @param url of the database that it leads to */
	static async start(url: string): Promise<PostgresProxy> {
		const target = new URL(url);
		return new PostgresProxy(await TcpProxy.start(Number(target.port)), target);
	}

	/** The URL of the same database by way of the proxy. */
	get url(): string {
		const url = new URL(this.#url);
		url.port = String(this.tcp.port);
		url.searchParams.set("sslmode", "disable");
		return url.href;
	}

	/** Has the fault happen once, at the first message that fits, of any connection. Resolves with that message when it has happened. */
	arm(moment: FaultMoment): Promise<WireMessage> {
		const happened = Promise.withResolvers<WireMessage>();
		this.#armed = { moment, happened };
		return happened.promise;
	}

	/** Takes back a fault that has not happened. */
	disarm(): void {
		this.#armed = null;
	}

	#watch(): Watch {
		const splitters: Record<Side, MessageSplitter> = {
			client: new MessageSplitter("client"),
			server: new MessageSplitter("server"),
		};
		return (from, bytes) => {
			let pass = new Uint8Array();
			for (const { message, bytes: whole } of splitters[from].split(bytes)) {
				const moment = this.#momentAt(message);
				if (moment?.order !== "before") pass = Buffer.concat([pass, whole]);
				if (moment !== null) return { pass, fault: moment.fault };
			}
			return { pass, fault: null };
		};
	}

	#momentAt(message: WireMessage): FaultMoment | null {
		if (this.#armed === null || !this.#armed.moment.at(message)) return null;
		const { moment, happened } = this.#armed;
		this.#armed = null;
		happened.resolve(message);
		return moment;
	}
}

/** Cuts what one side sends into its messages. Bytes of a message that is not whole yet are kept. */
class MessageSplitter {
	readonly #from: Side;
	#hasStarted: boolean;
	#rest: Buffer = Buffer.alloc(0);

	constructor(from: Side) {
		this.#from = from;
		this.#hasStarted = from === "server";
	}

	*split(bytes: Uint8Array): Generator<{ message: WireMessage; bytes: Uint8Array }> {
		this.#rest = Buffer.concat([this.#rest, bytes]);
		for (;;) {
			const header = this.#hasStarted ? HEADER_BYTES : STARTUP_HEADER_BYTES;
			if (this.#rest.length < header) return;
			// The length counts itself, and not the type.
			const length = header - 4 + this.#rest.readUInt32BE(header - 4);
			if (this.#rest.length < length) return;
			const whole = this.#rest.subarray(0, length);
			this.#rest = this.#rest.subarray(length);
			const type = this.#hasStarted ? whole.toString("latin1", 0, 1) : "";
			this.#hasStarted = true;
			yield { message: { from: this.#from, type, text: whole.toString("latin1", header) }, bytes: whole };
		}
	}
}
