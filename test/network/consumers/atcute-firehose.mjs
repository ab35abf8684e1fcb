// @atcute/firehose, which checks every message against its lexicon.
import { ComAtprotoSyncSubscribeRepos } from "@atcute/atproto";
import { FirehoseSubscription } from "@atcute/firehose";
import { WebSocket } from "ws";
import { cursor, describeOp, relay, reportConnection, reportEvent, reportFault } from "./report.mjs";

let lastSeq = Number(cursor);

const subscription = new FirehoseSubscription({
	service: relay,
	nsid: ComAtprotoSyncSubscribeRepos.mainSchema,
	params: () => ({ cursor: lastSeq }),
	ws: { WebSocket, minReconnectionDelay: 100, maxReconnectionDelay: 500 },
	onConnectionOpen: () => reportConnection("open"),
	onConnectionClose: ({ code, reason }) => reportConnection(`closed ${code} ${reason}`),
	onError: reportFault,
});

for await (const message of subscription) {
	const { $type, seq, did, rev } = message;
	if (seq !== undefined) lastSeq = seq;
	switch ($type.split("#")[1]) {
		case "commit":
			reportEvent({
				kind: "commit",
				seq,
				did: message.repo,
				rev,
				ops: message.ops.map(({ action, path, cid }) => describeOp({ action, path, cid: cid?.$link })),
			});
			break;
		case "sync":
			reportEvent({ kind: "sync", seq, did, rev });
			break;
		case "identity":
			reportEvent({ kind: "identity", seq, did, handle: message.handle ?? null });
			break;
		case "account":
			reportEvent({ kind: "account", seq, did, active: message.active, status: message.status ?? null });
			break;
		default:
			reportFault(`a message of type ${$type}`);
	}
}
