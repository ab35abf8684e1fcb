// @atproto/sync, which checks every commit's signature and proofs against the PLC directory.
import { IdResolver } from "@atproto/identity";
import { Firehose, FirehoseSubscriptionError, MemoryRunner } from "@atproto/sync";
import { cursor, describeOp, relay, reportConnection, reportEvent, reportFault, reportOp } from "./report.mjs";

/** Finishes the events that it holds before it returns the cursor. Otherwise a reconnect would bring them again. */
class FinishingRunner extends MemoryRunner {
	async getCursor() {
		await this.processAll();
		return super.getCursor();
	}
}

function handleEvent(event) {
	const { seq, did, rev } = event;
	switch (event.event) {
		case "sync":
			return reportEvent({ kind: "sync", seq, did, rev });
		case "identity":
			return reportEvent({ kind: "identity", seq, did, handle: event.handle ?? null });
		case "account":
			return reportEvent({ kind: "account", seq, did, active: event.active, status: event.status ?? null });
		default: {
			const path = `${event.collection}/${event.rkey}`;
			return reportOp({ seq, did, rev, op: describeOp({ action: event.event, path, cid: event.cid }) });
		}
	}
}

const firehose = new Firehose({
	service: relay,
	runner: new FinishingRunner({ startCursor: Number(cursor) }),
	// With its own `fetch`, it refuses hosts on loopback.
	idResolver: new IdResolver({ plcUrl: process.env.PLC_ORIGIN, fetch: globalThis.fetch }),
	// Otherwise handles would be looked up in the DNS.
	unauthenticatedHandles: true,
	maxReconnectSeconds: 1,
	subscriptionReconnectDelay: 250,
	handleEvent,
	onError: (error) => {
		if (error instanceof FirehoseSubscriptionError) reportConnection(String(error.cause));
		else reportFault(error);
	},
});
firehose.start();
