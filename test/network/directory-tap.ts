/** The path under which a directory exports its operations, and that of its stream. */
const EXPORT = /^\/export\b/;

/**
 * The relay's way to the PLC directory. It passes requests on, and notes them. Nobody else uses it, so what it has seen is what
 * the relay has asked.
 */
export class DirectoryTap {
	/** What was asked for that is not the export, in the order in which it was asked: DIDs. */
	readonly resolved: string[] = [];
	/** Whether requests for what a DID says are answered by an error. They are noted all the same. */
	refusesToResolve = false;
	readonly #directory: string;
	readonly #server: Bun.Server<undefined>;

	/** @param directory origin of the real one */
	constructor(directory: string) {
		this.#directory = directory;
		this.#server = Bun.serve({ hostname: "127.0.0.1", port: 0, fetch: (request) => this.#answer(request) });
	}

	get origin(): string {
		return `http://127.0.0.1:${this.#server.port}`;
	}

	async stop(): Promise<void> {
		await this.#server.stop(true);
	}

	async #answer({ url }: Request): Promise<Response> {
		const { pathname, search } = new URL(url);
		if (!EXPORT.test(pathname)) {
			this.resolved.push(decodeURIComponent(pathname.slice(1)));
			if (this.refusesToResolve) return new Response("for a test", { status: 503 });
		}
		const answer = await fetch(this.#directory + pathname + search);
		const headers = { "content-type": answer.headers.get("content-type") ?? "" };
		return new Response(await answer.arrayBuffer(), { status: answer.status, headers });
	}
}
