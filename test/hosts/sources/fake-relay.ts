import type { Fetch } from "../../../src/net/outbound-fetch.ts";
import type { Rng } from "../../../src/sim/rng.ts";

export interface ListedHost {
	hostname: string;
	status?: string;
}

/** Another relay, by the requests that it gets: it has some hosts, small pages of any size, and fails now and then. */
export class FakeRelay {
	readonly hosts: readonly ListedHost[];
	readonly #rng: Rng;
	/** Failures that one page may cost in a row. */
	readonly #failuresMax: number;
	#failures = 0;
	/** The cursor of each request, null for none. */
	readonly asked: (string | null)[] = [];
	readonly userAgents = new Set<string | null>();

	constructor(hosts: readonly ListedHost[], rng: Rng, failuresMax = 0) {
		this.hosts = hosts;
		this.#rng = rng;
		this.#failuresMax = failuresMax;
	}

	readonly fetch: Fetch = async (url, init) => {
		const cursor = url.searchParams.get("cursor");
		this.asked.push(cursor);
		this.userAgents.add(new Headers(init.headers).get("User-Agent"));
		if (this.#failures < this.#failuresMax && this.#rng.int(2) === 0) {
			this.#failures++;
			return this.#fail();
		}
		this.#failures = 0;
		const from = Number.parseInt(cursor ?? "0", 10);
		const hosts = this.hosts.slice(from, from + this.#rng.int(Number(url.searchParams.get("limit")) / 50));
		const end = from + hosts.length;
		return Response.json({
			hosts,
			...(end < this.hosts.length || this.#rng.int(2) === 0 ? this.#cursor(from, end) : {}),
		});
	};

	/** An empty page has the cursor of a page that is yet to come. */
	#cursor(from: number, end: number): { cursor: string } {
		return { cursor: end === from ? `${end} ${this.asked.length}` : String(end) };
	}

	#fail(): Response {
		if (this.#rng.int(3) === 0) throw new Error("the connection was refused");
		const status = this.#rng.pick([429, 500, 503]);
		return new Response("busy", { status, headers: this.#rng.int(2) === 0 ? { "Retry-After": "7" } : {} });
	}
}
