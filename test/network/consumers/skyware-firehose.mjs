// @skyware/firehose, a decoder without checks. It reconnects only after silence, so this script makes a new connection instead.
import { Firehose } from "@skyware/firehose";
import { WebSocket } from "ws";
import { cursor, describeOp, relay, reportConnection, reportEvent, reportFault } from "./report.mjs";

const RECONNECT_DELAY_MS = 250;

function connect(from) {
	const firehose = new Firehose({ relay, cursor: from, ws: WebSocket, autoReconnect: false });
	firehose.on("commit", ({ seq, repo: did, rev, ops }) =>
		reportEvent({ kind: "commit", seq, did, rev, ops: ops.map(describeOp) }),
	);
	firehose.on("sync", ({ seq, did, rev }) => reportEvent({ kind: "sync", seq, did, rev }));
	firehose.on("identity", ({ seq, did, handle = null }) => reportEvent({ kind: "identity", seq, did, handle }));
	firehose.on("account", ({ seq, did, active, status = null }) =>
		reportEvent({ kind: "account", seq, did, active, status }),
	);
	firehose.on("info", reportFault);
	firehose.on("unknown", reportFault);
	firehose.on("error", ({ error }) => reportFault(error));
	firehose.on("open", () => reportConnection("open"));
	// A refused or broken connection gives an error and a close. The close is enough.
	firehose.on("websocketError", () => {});
	firehose.on("close", (lastSeq) => {
		reportConnection("closed");
		setTimeout(() => connect(lastSeq), RECONNECT_DELAY_MS);
	});
	firehose.start();
}

connect(cursor);
