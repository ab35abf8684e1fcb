import {
	type LinkMessage,
	type NoService,
	type RequestLimits,
	RequestLink,
	type Served,
	type Service,
} from "../../src/runtime/requests.ts";
import { FakeTiming } from "../sim/fake-timing.ts";

const LIMITS: RequestLimits = { max: 1_000, perClientMax: 1_000 };

/** Both ends of the requests between two threads, in one thread. Messages are held back until the test delivers them. */
export class LinkPair<Methods extends Service<Methods>> {
	readonly timing = new FakeTiming();
	readonly asker: RequestLink<Methods, NoService>;
	readonly server: RequestLink<NoService, Methods>;
	readonly requests: LinkMessage[] = [];
	readonly answers: LinkMessage[] = [];

	constructor(service: Served<Methods>, limits = LIMITS) {
		const { timing } = this;
		this.asker = new RequestLink({ send: (message) => this.requests.push(message), limits, timing });
		this.server = new RequestLink({
			send: (message) => this.answers.push(message),
			serves: () => service,
			limits,
			timing,
		});
	}

	/** Delivers all requests, has them answered, and delivers the answers. */
	async deliver(): Promise<void> {
		await Promise.all(this.requests.splice(0).map((request) => this.server.take(request)));
		await Promise.all(this.answers.splice(0).map((answer) => this.asker.take(answer)));
	}
}
