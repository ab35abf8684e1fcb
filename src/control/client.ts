import { networkOf } from "../net/network.ts";
import type { RequestLimits, Requests, Served, Unanswered } from "../runtime/requests.ts";
import { WORKER_REQUEST_LIMITS } from "../runtime/thread.ts";
import { type Control, type Refusal, type Requester, refusal } from "./api.ts";

/** More than a probe of a host and the wait for it may take together. */
export const CONTROL_TIMEOUT_MS = 30_000;
const RETRY_AFTER_S = 30;

type Action = keyof Control;
type Arguments = Parameters<Control[Action]>;
type Result = Awaited<ReturnType<Control[Action]>>;

/**
 * The control thread's actions, called from another thread. They never reject: too many requests and a missing answer are
 * results too.
 *
 * @param limits those of `requests`, which error messages name
 */
export function controlOver(requests: Requests<Control>, limits = WORKER_REQUEST_LIMITS): Control {
	const ask = async (action: Action, args: Arguments): Promise<Result> => {
		const { admin, ip } = requesterOf(args);
		const client = admin ? null : networkOf(ip);
		const reply = await requests.request(action, args, { timeoutMs: CONTROL_TIMEOUT_MS, client });
		return reply.answered ? reply.answer : refusalFor(reply.why, limits);
	};
	return controlBy(ask);
}

/**
 * The control thread's actions, called on that thread itself.
 *
 * @param served looked up for each call; undefined while the relay starts
 */
export function ownControl(served: () => Served<Control> | undefined): Control {
	const call = async (action: Action, args: Arguments): Promise<Result> => {
		const methods = served();
		if (methods === undefined) return STARTING;
		// Each method takes the arguments of its name, and the interface sees to it that callers give these.
		return await (methods[action] as (...args: Arguments) => Result | Promise<Result>)(...args);
	};
	return controlBy(call);
}

const STARTING = refusal(503, "Starting", "the relay is starting");

/** @param call makes a call of an action; it must not reject but for the relay's own failures */
function controlBy(call: (action: Action, args: Arguments) => Promise<Result>): Control {
	return new Proxy({} as Control, {
		// Callers use only the interface's names. `await` also looks for `then`.
		get: (_target, name) => (name === "then" ? undefined : (...args: Arguments) => call(name as Action, args)),
	});
}

function requesterOf(args: readonly [...others: unknown[], by: Requester]): Requester {
	return args[args.length - 1] as Requester;
}

function refusalFor(why: Unanswered, { max, perClientMax }: RequestLimits): Refusal {
	switch (why) {
		case "full":
			return busy(`${max} requests are being worked on`);
		case "client-full":
			return busy(`${perClientMax} requests from your address are being worked on`);
		case "timeout":
			return refusal(504, "UpstreamTimeout", `no answer within ${CONTROL_TIMEOUT_MS} ms`);
		case "failed":
			return refusal(500, "InternalServerError", "the relay failed to answer this request");
	}
}

function busy(why: string): Refusal {
	return refusal(429, "RateLimitExceeded", `${why}: try again in a minute`, RETRY_AFTER_S);
}
