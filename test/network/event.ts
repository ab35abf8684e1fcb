/** The part of a firehose event that all readers report, so that they can be compared. */
export type FirehoseEvent =
	| { kind: "commit"; seq: number; did: string; rev: string; ops: string[] }
	| { kind: "sync"; seq: number; did: string; rev: string }
	| { kind: "identity"; seq: number; did: string; handle: string | null }
	| { kind: "account"; seq: number; did: string; active: boolean; status: string | null };

/** An event without its place in a stream. */
export function describeEvent(event: FirehoseEvent): string {
	switch (event.kind) {
		case "commit":
			return `commit ${event.rev}: ${event.ops.join(", ")}`;
		case "sync":
			return `sync ${event.rev}`;
		case "identity":
			return `identity ${event.handle ?? "-"}`;
		case "account":
			return `account ${event.active ? "active" : "inactive"} ${event.status ?? "-"}`;
	}
}

/** The events of each account, in order. */
export function byAccount(events: readonly FirehoseEvent[]): Record<string, string[]> {
	const streams: Record<string, string[]> = {};
	for (const event of events) {
		streams[event.did] ??= [];
		streams[event.did]?.push(describeEvent(event));
	}
	return streams;
}

/** An event as the relay passes it on: without a handle, since it resolves none. */
export function asRelayed(event: FirehoseEvent): FirehoseEvent {
	return event.kind === "identity" ? { ...event, handle: null } : event;
}

/** An `#account` by the relay's own word. @param status null for an active account */
export function ownAccountEvent({ did }: { did: string }, status: string | null): FirehoseEvent {
	return { kind: "account", seq: 0, did, active: status === null, status };
}

/**
 * The part of a stream that @atproto/sync hands out. It hands out ops, so a commit without ops is not among them. Nor is an account that
 * is throttled: the library knows no such status.
 */
export function asAtprotoSyncTellsIt(events: readonly FirehoseEvent[]): FirehoseEvent[] {
	return events.filter(
		(event) =>
			(event.kind !== "commit" || event.ops.length > 0) && (event.kind !== "account" || event.status !== "throttled"),
	);
}
