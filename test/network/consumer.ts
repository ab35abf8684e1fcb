import { join } from "node:path";
import { Child } from "./child.ts";
import type { FirehoseEvent } from "./event.ts";

/** The libraries that read the relay's firehose, each by a script in consumers/. */
export type ConsumerName = "atproto-sync" | "skyware-firehose" | "atcute-firehose";

export const CONSUMER_NAMES: readonly ConsumerName[] = ["atproto-sync", "skyware-firehose", "atcute-firehose"];

interface ReportedOp {
	seq: number;
	did: string;
	rev: string;
	op: string;
}

/** A line that report.mjs writes. */
interface Report {
	event?: FirehoseEvent;
	op?: ReportedOp;
	fault?: string;
	connection?: string;
}

export interface ConsumerOptions {
	name: ConsumerName;
	/** The Node that runs it. */
	node: string;
	/** The firehose's server, such as `ws://127.0.0.1:2470`. */
	service: string;
	plcOrigin: string;
	cursor?: number;
}

/** A consumer by another author, in a process of its own. It reconnects with its cursor by itself. */
export class Consumer {
	readonly name: ConsumerName;
	/** Events in the order in which the library handed them out. */
	readonly events: FirehoseEvent[] = [];
	/** Faults that the library found in what it received. */
	readonly faults: string[] = [];
	/** Connections opened and closed, as far as the library reports them. */
	readonly connections: string[] = [];
	readonly #child: Child;
	readonly #commits = new Map<number, FirehoseEvent & { kind: "commit" }>();

	constructor({ name, node, service, plcOrigin, cursor = 0 }: ConsumerOptions) {
		this.name = name;
		this.#child = new Child({
			name,
			command: [node, join(import.meta.dir, "consumers", `${name}.mjs`), service, String(cursor)],
			env: { PLC_ORIGIN: plcOrigin },
			onLine: (line) => this.#receive(line),
		});
		void this.#child.exited.then(() => this.faults.push(`${name} ended: ${this.#child.log}`));
	}

	async stop(): Promise<void> {
		await this.#child.stop();
	}

	/** Lets it read nothing until `thaw`. */
	freeze(): void {
		this.#child.freeze();
	}

	thaw(): void {
		this.#child.thaw();
	}

	#receive(line: string): void {
		if (!line.startsWith("{")) return;
		const { event, op, fault, connection } = JSON.parse(line) as Report;
		if (event !== undefined) this.events.push(event);
		if (op !== undefined) this.#addOp(op);
		if (fault !== undefined) this.faults.push(fault);
		if (connection !== undefined) this.connections.push(connection);
	}

	/** Joins the ops of a commit that came op by op. If the commit came twice, each op is there twice. */
	#addOp({ seq, did, rev, op }: ReportedOp): void {
		const begun = this.#commits.get(seq);
		if (begun !== undefined) {
			begun.ops.push(op);
			return;
		}
		const commit = { kind: "commit" as const, seq, did, rev, ops: [op] };
		this.#commits.set(seq, commit);
		this.events.push(commit);
	}
}
