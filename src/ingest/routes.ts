import { scanFrame } from "../protocol/frame.ts";
import type { Message } from "../protocol/kinds/table.ts";
import { Damage, reportFailure } from "../runtime/boundary.ts";
import { OnceATurn } from "../runtime/once-a-turn.ts";
import { workerOf } from "../runtime/worker-of.ts";
import { type Arrival, arrivalOf } from "./arrival.ts";
import { FAILED, type Outcome } from "./outcome.ts";
import { type Peer, type PeerEvents, PeerLink } from "./peer-link.ts";

/** Sends each message to the worker that has its DID, and the outcome back to the worker that follows its host. */
export class Routes {
	readonly #worker: number;
	readonly #workers: number;
	readonly #deliver: (arrival: Arrival) => void;
	readonly #links: { worker: number; link: PeerLink; events: PeerEvents }[];
	/** The links by worker number; none for this worker. */
	readonly #linkTo = new Map<number, PeerLink>();
	/** The messages that are at other workers, by their tickets. */
	readonly #away = new Map<number, Arrival>();
	/** Wakes the other workers. */
	readonly #flush = new OnceATurn(() => {
		for (const { link } of this.#links) link.flush();
	});
	#ticket = 0;

	/** @param deliver takes a message to this worker's own shard */
	constructor(worker: number, peers: readonly Peer[], deliver: (arrival: Arrival) => void) {
		this.#worker = worker;
		this.#workers = peers.length + 1;
		this.#deliver = deliver;
		this.#links = peers.map((peer) => {
			const link = new PeerLink(peer);
			this.#linkTo.set(peer.worker, link);
			return { worker: peer.worker, link, events: this.#eventsOf(link) };
		});
	}

	/** Routes a message that came from one of this worker's hosts. */
	route(arrival: Arrival): void {
		const worker = workerOf(arrival.message.did, this.#workers);
		if (worker === this.#worker) {
			this.#deliver(arrival);
			return;
		}
		const link = this.#linkTo.get(worker);
		if (link === undefined) throw new RangeError(`no worker ${worker}`);
		const ticket = ++this.#ticket;
		this.#away.set(ticket, arrival);
		link.sendFrame(arrival.sender, ticket, arrival.frame, arrival.receivedMs);
		this.#flush.schedule();
	}

	/** Handles what the other workers have sent. Returns whether there was anything. */
	receive(): boolean {
		let received = false;
		for (const { link, events } of this.#links) {
			if (link.receive(events)) received = true;
			link.retry();
		}
		return received;
	}

	#eventsOf(link: PeerLink): PeerEvents {
		return {
			frame: (sender, ticket, frame, receivedMs) => {
				const settle = (outcome: Outcome): void => {
					link.sendOutcome(ticket, outcome);
					this.#flush.schedule();
				};
				let message: Message;
				try {
					message = messageOf(frame);
				} catch (error) {
					reportFailure("a routed frame", error, { host: sender.hostname }, frame);
					settle(FAILED);
					return;
				}
				this.#deliver(arrivalOf(sender, frame, message, settle, receivedMs));
			},
			outcome: (ticket, outcome) => {
				const arrival = this.#away.get(ticket);
				if (arrival === undefined) throw new Damage(`no message has the ticket ${ticket}`);
				this.#away.delete(ticket);
				arrival.settle(outcome);
			},
		};
	}
}

/** Scans a frame that the worker of its host has already scanned. */
function messageOf(frame: Uint8Array): Message {
	const scanned = scanFrame(frame);
	if (scanned.kind !== "message") throw new Error("a routed frame is not a message");
	return scanned.message;
}
