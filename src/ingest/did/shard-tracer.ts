import type { RejectionReason } from "../../protocol/reasons.ts";
import { steadyMs } from "../../runtime/steady-clock.ts";
import type { Tracer } from "../../tracing/tracer.ts";
import type { TimedEngine } from "../../verify/timed.ts";
import type { Arrival, ArrivalTrace } from "../arrival.ts";

/** Takes notes of the traced messages of a shard. */
export class ShardTracer {
	readonly #tracer: Pick<Tracer, "isSampled" | "note">;
	readonly #engine: Pick<TimedEngine, "beganMs" | "endedMs">;
	readonly #clock: () => number;

	/** @param engine the one that verifies the shard's messages @param clock as `steadyMs` */
	constructor(
		tracer: Pick<Tracer, "isSampled" | "note">,
		engine: Pick<TimedEngine, "beganMs" | "endedMs">,
		clock: () => number = steadyMs,
	) {
		this.#tracer = tracer;
		this.#engine = engine;
		this.#clock = clock;
	}

	/** What is remembered of a message that has come; null if it is not traced. */
	begin({ sender, message }: Arrival): ArrivalTrace | null {
		if (!this.#tracer.isSampled(sender.hostId, message.seq)) return null;
		return { attempts: 0, attemptMs: 0, identityBeganMs: 0, identityEndedMs: 0 };
	}

	/** The message is tried now. */
	tried(trace: ArrivalTrace): void {
		trace.attempts++;
		trace.attemptMs = this.#clock();
	}

	/** The message waits for its identity from now on. */
	asked(trace: ArrivalTrace): void {
		if (trace.identityBeganMs === 0) trace.identityBeganMs = this.#clock();
	}

	answered(trace: ArrivalTrace): void {
		trace.identityEndedMs = this.#clock();
	}

	/** What the message waited for has failed, so it is rejected without being tried. */
	failed(trace: ArrivalTrace): void {
		trace.attemptMs = Number.POSITIVE_INFINITY;
	}

	/** The message is rejected for this reason, or handed over (null). Called right after it was tried. */
	settled(arrival: Arrival, trace: ArrivalTrace, reason: RejectionReason | null): void {
		const { sender, message, receivedMs, takenOnMs } = arrival;
		const { attempts, attemptMs, identityBeganMs, identityEndedMs } = trace;
		const { beganMs, endedMs } = this.#engine;
		this.#tracer.note({
			...{ type: "settled", host: sender.hostId, upstreamSeq: message.seq },
			...{ did: message.did, hostname: sender.hostname, kind: message.type },
			...{ reason, attempts, receivedMs, takenOnMs, settledMs: this.#clock() },
			identity: identityBeganMs === 0 ? null : { beganMs: identityBeganMs, endedMs: identityEndedMs },
			// An earlier verification was another message's, or one before a wait.
			verification: beganMs >= attemptMs ? { beganMs, endedMs } : null,
		});
	}
}
