/** The path under which a directory exports its operations, and that of its stream. */
const EXPORT = /^\/export\b/;

/**
 * The relay's way to the PLC directory. It passes requests on, and notes them. Nobody else uses it, so what it has seen is what
 * the relay has asked.
 */
export class DirectoryTap {
	/** Paths of requests for what a DID says, in the order in which they came. */
	readonly resolved: string[] = [];
	/** Requests for the export. */
	exports = 0;
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
		if (EXPORT.test(pathname)) this.exports++;
		else this.resolved.push(pathname);
		if (this.refusesToResolve && !EXPORT.test(pathname)) return new Response("for a test", { status: 503 });
		const answer = await fetch(this.#directory + pathname + search);
		const headers = { "content-type": answer.headers.get("content-type") ?? "" };
		return new Response(await answer.arrayBuffer(), { status: answer.status, headers });
	}
}
