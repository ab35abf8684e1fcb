import { reportFailure } from "../runtime/boundary.ts";
import { type Control, type ControlResult, type CrawlRequester, FAILED } from "./api.ts";

/** The part of it that is about hosts. */
export interface HostControl {
	requestCrawl(hostname: string, by: CrawlRequester): Promise<ControlResult>;
	resetCursor(hostname: string, cursor: number | null): ControlResult;
}

/** A name that a stranger gave us goes to the log no further than this. */
const HOSTNAME_CHARS_SHOWN = 300;

/**
 * What is asked of the control thread, on that thread. Whatever fails is reported and answered: never rejects, but for our own
 * data and disk.
 */
export class ControlServer implements Control {
	readonly #hosts: HostControl;

	constructor(hosts: HostControl) {
		this.#hosts = hosts;
	}

	requestCrawl(hostname: string, by: CrawlRequester): Promise<ControlResult> {
		return answerAbout(hostname, () => this.#hosts.requestCrawl(hostname, by));
	}

	resetCursor(hostname: string, cursor: number | null): Promise<ControlResult> {
		return answerAbout(hostname, () => this.#hosts.resetCursor(hostname, cursor));
	}
}

async function answerAbout(
	hostname: string,
	work: () => ControlResult | Promise<ControlResult>,
): Promise<ControlResult> {
	try {
		return await work();
	} catch (error) {
		reportFailure("a crawl request", error, { host: hostname.slice(0, HOSTNAME_CHARS_SHOWN) });
		return FAILED;
	}
}
