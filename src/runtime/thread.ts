// runtime/: what a process of several threads is made of. Nothing in it is specific to a relay.

import { secretsOf } from "../config/settings.ts";
import { Counters } from "../observe/counters.ts";
import { setUpLog } from "../observe/log.ts";
import { messageOf } from "../observe/log-value.ts";
import type { ThreadCounters } from "../observe/totals.ts";
import { contain } from "./boundary.ts";
import {
	type LinkMessage,
	type NoService,
	type RequestLimits,
	RequestLink,
	type RequestLinkOptions,
	type Requests,
	type Served,
	type Service,
} from "./requests.ts";
import { StartError } from "./start-error.ts";
import { StateAsker, type StateService, stateService, type ThreadState } from "./thread-state.ts";
import type { WorkerContext } from "./worker-context.ts";

/**
 * How the control thread and its workers talk. They send few messages, by `postMessage`; the data goes through rings and the
 * log. Workers are made once and never terminated. If one fails, the whole process ends, and the supervisor restarts it. A
 * command or an event that fails is only reported, since strangers cause many of them. Whatever needs an answer is a request
 * (`requests.ts`), in either direction.
 */

type ToWorker<Start, Command> =
	| { type: "start"; options: Start }
	| { type: "command"; command: Command }
	| { type: "drain" }
	| StateMessage
	| LinkMessage;

type FromWorker<Event> =
	| { type: "ready"; counters: ThreadCounters }
	| { type: "event"; event: Event }
	| { type: "drained" }
	| { type: "failed"; failure: Failure }
	| StateMessage
	| LinkMessage;

/** Carries a question for a thread's state, or its answer. Independent of the thread's role. */
interface StateMessage {
	type: "state";
	message: LinkMessage;
}

/**
 * Limits of the requests that wait between a worker and the control thread, in each direction. Each holds an HTTP request open.
 */
export const WORKER_REQUEST_LIMITS: RequestLimits = { max: 512, perClientMax: 16 };

/** What ended a thread, in a form that can be sent to another. */
export interface Failure {
	/** The error's message and those of its causes. */
	message: string;
	/** The stack trace, one line per entry. */
	stack: string[];
	/** It was a `StartError`: the settings can't work on this machine, the message says all, and the thread is not at fault. */
	isStart: boolean;
}

/**
 * What a worker's `worker.ts` provides. `Start` and `Command` come from the control thread, which may call the methods of
 * `Serves`.
 */
export interface WorkerRole<Start extends WorkerContext, Command, Serves extends Service<Serves> = NoService> {
	/**
	 * Called once, first. The thread is ready when it resolves.
	 * @param counters what this thread counts
	 */
	start(options: Start, counters: Counters): Promise<void>;
	/** Called for each command, in order, after `start` has resolved. */
	command(command: Command): void;
	/** Finishes what has begun, as far as that takes bounded time. Resolves when it is safe to exit. */
	drain(): Promise<void>;
	/** Answers requests of the control thread once `start` has resolved. They don't wait for commands or the drain. */
	readonly serves?: Served<Serves>;
}

declare const self: Worker;

/**
 * Serves a role in this worker. `role` gets `emit`, which sends an event to the control thread, and `control`, which asks it.
 */
export function serveRole<
	Start extends WorkerContext,
	Command,
	Event,
	Asks extends Service<Asks> = NoService,
	Serves extends Service<Serves> = NoService,
>(role: (emit: (event: Event) => void, control: Requests<Asks>) => WorkerRole<Start, Command, Serves>): void {
	const post = (message: FromWorker<Event>): void => self.postMessage(message);
	// Uncaught errors are reported by us: the runtime's own report comes with pages of minified source.
	const fail = (error: unknown): void => post({ type: "failed", failure: failureOf(error) });
	process.on("uncaughtException", fail);
	process.on("unhandledRejection", fail);
	const link = new RequestLink<Asks, Serves>({
		send: post,
		serves: () => served.serves,
		limits: WORKER_REQUEST_LIMITS,
	});
	const served: WorkerRole<Start, Command, Serves> = role((event) => post({ type: "event", event }), link);
	const state = stateLink((message) => post(message), stateService);
	const started = Promise.withResolvers<void>();
	let before: Promise<void> = Promise.resolve();
	self.onmessage = (received: MessageEvent<ToWorker<Start, Command>>) => {
		const message = received.data;
		if (message.type === "state") {
			endThreadOnFailure(state.take(message.message));
			return;
		}
		if (message.type === "answer") {
			endThreadOnFailure(link.take(message));
			return;
		}
		if (message.type === "request") {
			endThreadOnFailure(started.promise.then(() => link.take(message)));
			return;
		}
		before = before.then(async () => {
			if (message.type === "start") {
				const { config } = message.options;
				setUpLog({ level: config.logLevel, format: config.logFormat, secrets: secretsOf(config) });
				const counters = new Counters();
				await served.start(message.options, counters);
				started.resolve();
				post({ type: "ready", counters: counters.share() });
			} else if (message.type === "command") {
				contain("a thread's command", () => served.command(message.command));
			} else {
				await served.drain();
				post({ type: "drained" });
			}
		});
		endThreadOnFailure(before);
	};
}

/**
 * For work that nobody awaits. A failure of it is a fault of ours: it is thrown outside of the promise, which ends the thread
 * and, with it, the process.
 */
export function endThreadOnFailure(work: Promise<unknown>): void {
	work.catch((error: unknown) => {
		setTimeout(() => {
			throw error;
		});
	});
}

/** An error in the form in which it is sent and logged. */
export function failureOf(error: unknown): Failure {
	if (error instanceof StartError) return { message: error.message, stack: [], isStart: true };
	const lines = error instanceof Error ? (error.stack ?? "").split("\n") : [];
	const stack = lines.filter((line) => line.startsWith("    at ")).map((line) => line.trim());
	return { message: messageOf(error), stack, isStart: false };
}

/** The control thread's end of a worker. `Asks` is what the worker may ask of it, and `Serves` what it may ask of the worker. */
export class Thread<
	Start extends WorkerContext,
	Command,
	Event,
	Asks extends Service<Asks> = NoService,
	Serves extends Service<Serves> = NoService,
> {
	readonly #worker: Worker;
	/** Such as `ingest 0`. */
	readonly name: string;
	/** Asks the worker. */
	readonly requests: Requests<Serves>;
	readonly #state: StateAsker;
	readonly #ready = Promise.withResolvers<ThreadCounters>();
	readonly #drained = Promise.withResolvers<void>();

	/**
	 * @param name for messages, such as `ingest 0`
	 * @param url of the worker's entry file
	 * @param onFailure called when the worker dies; it must end the process
	 * @param serves gives what answers the worker's requests, if anything does; called for each request
	 */
	constructor(
		name: string,
		url: URL,
		onEvent: (event: Event) => void,
		onFailure: (name: string, failure: Failure) => void,
		serves: () => Served<Asks> | undefined = () => undefined,
	) {
		this.name = name;
		this.#worker = new Worker(url.href, { name });
		const state = stateLink<StateService>((message) => this.#post(message));
		this.#state = new StateAsker(state);
		const link = new RequestLink<Serves, Asks>({
			send: (message) => this.#post(message),
			serves,
			limits: WORKER_REQUEST_LIMITS,
		});
		this.requests = link;
		this.#worker.onmessage = (received: MessageEvent<FromWorker<Event>>) => {
			const message = received.data;
			if (message.type === "event") contain(`an event of ${name}`, () => onEvent(message.event));
			else if (message.type === "ready") this.#ready.resolve(message.counters);
			else if (message.type === "failed") onFailure(name, message.failure);
			else if (message.type === "drained") this.#drained.resolve();
			else if (message.type === "state") endThreadOnFailure(state.take(message.message));
			else endThreadOnFailure(link.take(message));
		};
		this.#worker.onerror = (event) => onFailure(name, { message: event.message, stack: [], isStart: false });
	}

	/**
	 * Starts the role. Resolves when it is ready, with its counters, which include what it has counted by then.
	 * @param transfer those objects in the options that move to the worker, such as ports
	 */
	start(options: Start, transfer: Bun.Transferable[] = []): Promise<ThreadCounters> {
		this.#worker.postMessage({ type: "start", options } satisfies ToWorker<Start, Command>, transfer);
		return this.#ready.promise;
	}

	/** The state of the thread now. Its event loop answers, also while the role starts or drains. Never rejects. */
	state(): Promise<ThreadState> {
		return this.#state.ask();
	}

	command(command: Command): void {
		this.#post({ type: "command", command });
	}

	drain(): Promise<void> {
		this.#post({ type: "drain" });
		return this.#drained.promise;
	}

	#post(message: ToWorker<Start, Command>): void {
		this.#worker.postMessage(message);
	}
}

/** One end of the requests for a thread's state, which every thread answers. */
function stateLink<Theirs extends Service<Theirs> = NoService, Ours extends Service<Ours> = NoService>(
	send: (message: StateMessage) => void,
	serves?: Served<Ours>,
): RequestLink<Theirs, Ours> {
	return new RequestLink<Theirs, Ours>({
		send: (message) => send({ type: "state", message }),
		serves: () => serves,
		limits: WORKER_REQUEST_LIMITS,
	});
}

/** One end of the requests between two threads that have a channel of their own. The other thread has the other port. */
export function linkOver<Theirs extends Service<Theirs>, Ours extends Service<Ours> = NoService>(
	port: MessagePort,
	options: Omit<RequestLinkOptions<Ours>, "send">,
): RequestLink<Theirs, Ours> {
	const link = new RequestLink<Theirs, Ours>({ ...options, send: (message) => port.postMessage(message) });
	port.onmessage = (event) => endThreadOnFailure(link.take(event.data as LinkMessage));
	return link;
}
