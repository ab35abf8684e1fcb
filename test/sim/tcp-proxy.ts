import { createServer, connect as dial, type Server, type Socket } from "node:net";

/** What becomes of a connection: closed in order, closed by RST, the server's bytes dropped from then on, or nothing passes any more. */
export type ConnectionFault = "close" | "reset" | "swallow" | "freeze";

export type Side = "client" | "server";

/**
 * Looks at what passes. It is called with the bytes of one side of one connection, in order, and returns those that pass now, and what
 * becomes of the connection after them.
 */
export type Watch = (from: Side, bytes: Uint8Array) => { pass: Uint8Array; fault: ConnectionFault | null };

const watchNothing: Watch = (_, pass) => ({ pass, fault: null });

/** Passes TCP connections on to a port of loopback, with faults at will. Nothing in it depends on time but `delayMs`. */
export class TcpProxy {
	readonly #targetPort: number;
	readonly #links = new Set<Link>();
	#server: Server | null = null;
	#port = 0;
	#makeWatch: () => Watch = () => watchNothing;
	#thawed: PromiseWithResolvers<void> | null = null;
	/** How long each piece waits before it passes, in either direction. */
	delayMs = 0;
	/** How many connections it has taken. */
	taken = 0;

	private constructor(targetPort: number) {
		this.#targetPort = targetPort;
	}

	static async start(targetPort: number): Promise<TcpProxy> {
		const proxy = new TcpProxy(targetPort);
		await proxy.accept();
		return proxy;
	}

	/** The port that it listens on, at 127.0.0.1. It stays the same. */
	get port(): number {
		return this.#port;
	}

	/** How many connections are open. */
	get open(): number {
		return this.#links.size;
	}

	/** Has what passes on connections from now on looked at, each with a watch of its own. */
	watch(makeWatch: () => Watch): void {
		this.#makeWatch = makeWatch;
	}

	/** Lets nothing pass any more, on any connection. It still takes connections, as a server's system does while the server hangs. */
	freeze(): void {
		this.#thawed ??= Promise.withResolvers();
	}

	/** Lets everything pass again that `freeze` has kept, and goes on with connections that a watch has frozen. */
	thaw(): void {
		this.#thawed?.resolve();
		this.#thawed = null;
		for (const link of this.#links) link.thaw();
	}

	/** Resolves when bytes may pass. */
	async thawed(): Promise<void> {
		while (this.#thawed !== null) await this.#thawed.promise;
	}

	/** Does this to all open connections. */
	disturb(fault: ConnectionFault): void {
		for (const link of this.#links) link.suffer(fault);
	}

	/** Refuses connections from now on, as if no server ran. Those that are open stay. */
	async refuse(): Promise<void> {
		const server = this.#server;
		this.#server = null;
		if (server === null) return;
		const { promise: closed, resolve } = Promise.withResolvers<void>();
		server.close(() => resolve());
		// Closing waits for the connections; the port is free at once.
		if (this.#links.size === 0) await closed;
	}

	/** Takes connections again. */
	async accept(): Promise<void> {
		if (this.#server !== null) return;
		const server = createServer({ allowHalfOpen: true }, (client) => this.#take(client));
		const { promise: listening, resolve, reject } = Promise.withResolvers<void>();
		server.once("error", reject);
		server.listen(this.#port, "127.0.0.1", resolve);
		await listening;
		const address = server.address();
		if (address === null || typeof address === "string") throw new Error("the proxy has no port");
		this.#port = address.port;
		this.#server = server;
	}

	/** Ends it and all connections. */
	async stop(): Promise<void> {
		this.thaw();
		this.disturb("reset");
		await this.refuse();
	}

	#take(client: Socket): void {
		this.taken++;
		const server = dial({ port: this.#targetPort, host: "127.0.0.1", allowHalfOpen: true });
		const link = new Link(client, server, this, this.#makeWatch());
		this.#links.add(link);
		void link.run().finally(() => this.#links.delete(link));
	}
}

/** A connection through the proxy. */
class Link {
	readonly #sockets: Readonly<Record<Side, Socket>>;
	readonly #proxy: TcpProxy;
	readonly #watch: Watch;
	#isSwallowing = false;
	#thawed: PromiseWithResolvers<void> | null = null;

	constructor(client: Socket, server: Socket, proxy: TcpProxy, watch: Watch) {
		this.#sockets = { client, server };
		this.#proxy = proxy;
		this.#watch = watch;
		for (const socket of [client, server]) socket.setNoDelay(true);
		// A socket that fails is closed after that, and its pump ends.
		client.on("error", () => server.destroy());
		server.on("error", () => client.resetAndDestroy());
	}

	/** Resolves when it is closed. */
	async run(): Promise<void> {
		await Promise.all([this.#pump("client", "server"), this.#pump("server", "client")]);
	}

	thaw(): void {
		this.#thawed?.resolve();
		this.#thawed = null;
	}

	suffer(fault: ConnectionFault): void {
		const { client, server } = this.#sockets;
		if (fault === "swallow") this.#isSwallowing = true;
		else if (fault === "freeze") this.#thawed ??= Promise.withResolvers();
		else {
			this.thaw();
			if (fault === "close") client.destroySoon();
			else client.resetAndDestroy();
			server.destroy();
		}
	}

	async #pump(from: Side, to: Side): Promise<void> {
		try {
			for await (const bytes of this.#sockets[from]) await this.#forward(from, to, bytes as Buffer);
			this.#sockets[to].end();
		} catch {
			// The socket was closed under it.
			this.#sockets[to].destroySoon();
		}
	}

	async #forward(from: Side, to: Side, bytes: Uint8Array): Promise<void> {
		if (this.#proxy.delayMs > 0) await Bun.sleep(this.#proxy.delayMs);
		await this.#proxy.thawed();
		await this.#thawed?.promise;
		const { pass, fault } = this.#watch(from, bytes);
		const isDropped = this.#isSwallowing && from === "server";
		if (!isDropped && pass.length > 0) await write(this.#sockets[to], pass);
		if (fault !== null) this.suffer(fault);
	}
}

/** Resolves when the bytes are on their way, or can't be any more. */
function write(socket: Socket, bytes: Uint8Array): Promise<void> {
	const { promise, resolve } = Promise.withResolvers<void>();
	if (socket.destroyed) return Promise.resolve();
	socket.once("close", resolve);
	socket.write(bytes, () => {
		socket.off("close", resolve);
		resolve();
	});
	return promise;
}
