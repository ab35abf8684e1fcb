import { isRelay } from "../../protocol/relay-token.ts";
import { PARAMETER_ERRORS } from "./answers.ts";
import type { CheckedRelay } from "./checked-relay.ts";
import type { Connection, SeenMessage } from "./connection.ts";
import type { FrameFault } from "./frame-faults.ts";
import type { Check } from "./rule.ts";
import { FailCheck, SkipCheck } from "./verdict.ts";
import type { StreamRecord } from "./watch.ts";

/** The firehose's record. @throws SkipCheck if the relay did not accept the connection */
async function opened(relay: CheckedRelay): Promise<StreamRecord & { seconds: number }> {
	const record = await relay.stream();
	if (record.live.server === null) throw new SkipCheck("the firehose can't be opened");
	return { ...record, seconds: relay.options.streamMs / 1000 };
}

/** A check that frames do not have a fault. */
function without(fault: FrameFault, rule: Omit<Check, "run">): Check {
	return {
		...rule,
		async run(relay) {
			const { faults, live, zero, seconds } = await opened(relay);
			const text = faults.of(fault);
			if (text !== null) throw new FailCheck(text);
			const count = live.messages.length + zero.messages.length;
			if (count === 0) throw new SkipCheck(`no message came in ${seconds} s`);
			return `${count} messages`;
		},
	};
}

/** What a connection did instead of what it should have done. */
function insteadOf({ error, messages, end, infos }: Connection): string {
	if (error !== null) return `the error ${error}`;
	const [first] = messages;
	if (first !== undefined) return `seq ${first.seq} came first`;
	const [info] = infos;
	if (info !== undefined) return `#info ${info.name}, and no message`;
	return end === null ? "nothing came" : end.text;
}

export const STREAM_CHECKS = {
	"stream-opens": {
		severity: "must",
		expected: "`subscribeRepos` accepts a WebSocket without a cursor",
		source: "specification: event stream; rulebook 1.1",
		async run(relay) {
			const { live } = await relay.stream();
			if (live.server === null) throw new FailCheck(insteadOf(live));
			return `Server: ${live.server}`;
		},
	},
	"stream-server": {
		severity: "should",
		expected:
			"the answer to the upgrade has `atproto-relay` in its `Server` header, by which relays do not follow each other in a circle",
		source: "rulebook 1.7.6",
		async run(relay) {
			const { live } = await opened(relay);
			if (!isRelay(live.server ?? "")) throw new FailCheck(`Server: ${live.server}`);
			return `Server: ${live.server}`;
		},
	},
	"stream-binary": without("text", {
		severity: "must",
		expected: "all messages of the WebSocket are binary",
		source: "specification: event stream; rulebook 1.2.7",
	}),
	"stream-frames": without("malformed", {
		severity: "must",
		expected:
			"each frame is two objects of canonical DAG-CBOR, with the plain header and the fields that the lexicon requires",
		source: "specification: event stream; rulebook 1.2",
	}),
	"stream-types": without("unknown-type", {
		severity: "must",
		expected: "messages are of the types `#commit`, `#sync`, `#identity`, `#account` and `#info`",
		source: "lexicon: subscribeRepos; rulebook 2",
	}),
	"stream-blocks": without("blocks", {
		severity: "must",
		expected:
			"the CAR of each `#commit` and `#sync` is well-formed and has the commit block, with the DID and rev of the message",
		source: "specification: sync; rulebook 2.6, 2.7",
	}),
	"stream-limits": without("limits", {
		severity: "must",
		expected:
			"frames have up to 5,000,000 bytes, a `#commit` up to 200 ops and 2,000,000 bytes of `blocks`, a `#sync` up to 10,000",
		source: "specification: sync; rulebook 1.2.9, 2.1, 2.2",
	}),
	"stream-order": without("order", {
		severity: "must",
		expected: "`seq` rises with each message of a connection",
		source: "specification: event stream; rulebook 1.5",
	}),
	"stream-live": {
		severity: "must",
		expected: "without a cursor the stream begins with what is new",
		source: "specification: event stream; rulebook 1.6",
		async run(relay) {
			const { live, later, seconds } = await opened(relay);
			const [first, second] = [live.messages[0], later.messages[0]];
			if (first === undefined || second === undefined) throw new SkipCheck(`too few messages came in ${seconds} s`);
			if (second.seq <= first.seq)
				throw new FailCheck(`a later connection begins with seq ${second.seq}, an earlier one with ${first.seq}`);
			return `begins with seq ${second.seq}`;
		},
	},
	"stream-resume": {
		severity: "must",
		expected:
			"after a cursor comes exactly what follows it, without a gap or a repeat, also from the replay on to live messages",
		source: "lexicon: subscribeRepos; rulebook 1.6",
		async run(relay) {
			const { resumed, seconds } = await opened(relay);
			if (resumed === null) throw new SkipCheck(`too few messages came in ${seconds} s`);
			return checkResumed(resumed.base, resumed.from);
		},
	},
	"stream-same-frames": {
		severity: "must",
		expected: "a replay has the same bytes under a seq as the live stream had",
		source: "rulebook 1.5, 1.6",
		async run(relay) {
			const { resumed, seconds } = await opened(relay);
			if (resumed === null) throw new SkipCheck(`too few messages came in ${seconds} s`);
			const hashes = new Map(resumed.base.messages.map(({ seq, hash }) => [seq, hash]));
			const both = resumed.from.messages.filter(({ seq }) => hashes.has(seq));
			const other = both.find(({ seq, hash }) => hashes.get(seq) !== hash);
			if (other !== undefined) throw new FailCheck(`seq ${other.seq} has other bytes`);
			if (both.length === 0) throw new SkipCheck("no message came twice");
			return `${both.length} messages`;
		},
	},
	"stream-cursor-zero": {
		severity: "must",
		expected: "`cursor=0` gives all that the relay has, from the oldest message on",
		source: "specification: event stream; rulebook 1.6",
		async run(relay) {
			const { live, zero, seconds } = await opened(relay);
			const [oldest, first] = [zero.messages[0], live.messages[0]];
			if (oldest === undefined) {
				if (first === undefined && zero.server !== null && !zero.isOver)
					throw new SkipCheck(`no message came in ${seconds} s`);
				throw new FailCheck(insteadOf(zero));
			}
			if (first !== undefined && oldest.seq > first.seq)
				throw new FailCheck(`it begins with seq ${oldest.seq}, although seq ${first.seq} came before`);
			return `begins with seq ${oldest.seq}`;
		},
	},
	"stream-outdated-cursor": {
		severity: "must",
		expected:
			"a cursor from before the window is answered with `#info` `OutdatedCursor` first, and then with the whole window",
		source: "lexicon: subscribeRepos; rulebook 1.6",
		async run(relay) {
			const { outdated } = await opened(relay);
			if (outdated === null) throw new SkipCheck("the relay has all from its first message on");
			if (!outdated.infos.some(({ name, after }) => name === "OutdatedCursor" && after === 0))
				throw new FailCheck(`cursor=1: ${insteadOf(outdated)}`);
			const [first] = outdated.messages;
			if (first === undefined) throw new FailCheck(`after \`OutdatedCursor\`: ${outdated.end?.text ?? "no message"}`);
			return `\`OutdatedCursor\`, and then seq ${first.seq}`;
		},
	},
	"stream-future-cursor": {
		severity: "must",
		expected: "a cursor from the future is answered with the error frame `FutureCursor`",
		source: "lexicon: subscribeRepos; rulebook 1.6",
		async run(relay) {
			const { future } = await opened(relay);
			if (future.error !== "FutureCursor" || future.messages.length > future.afterError)
				throw new FailCheck(insteadOf(future));
			return "`FutureCursor`";
		},
	},
	"stream-error-closes": {
		severity: "must",
		expected: "the relay closes the connection right after an error frame",
		source: "specification: event stream; rulebook 1.2.4",
		async run(relay) {
			const { future } = await opened(relay);
			if (future.error === null) throw new SkipCheck("no error frame came");
			if (future.afterError > 0) throw new FailCheck("frames came after the error frame");
			if (future.end === null) throw new FailCheck("it stayed open");
			return future.end.text;
		},
	},
	"stream-cursor-malformed": {
		severity: "must",
		expected: "a cursor that is no number from 0 on is refused: with HTTP 400, or with an error frame `InvalidRequest`",
		source: "rulebook 1.1.4",
		async run(relay) {
			const { malformed } = await opened(relay);
			for (const { cursor, connection } of malformed) {
				const { end, error } = connection;
				const isRefused = end?.status === 400 || PARAMETER_ERRORS.some((name) => name === error);
				if (!isRefused) throw new FailCheck(`cursor=${cursor}: ${insteadOf(connection)}`);
			}
			return malformed.map(({ cursor }) => cursor).join(", ");
		},
	},
} as const satisfies Record<string, Check>;

function checkResumed(base: Connection, from: Connection): string {
	const [first] = base.messages;
	const seqs = ({ messages }: { messages: readonly SeenMessage[] }, seqMax: number): number[] =>
		messages.map(({ seq }) => seq).filter((seq) => seq <= seqMax);
	if (from.messages.length === 0) throw new FailCheck(insteadOf(from));
	const seqMax = Math.min(base.lastSeq, from.lastSeq);
	const wanted = seqs(base, seqMax).slice(1);
	const got = seqs(from, seqMax);
	const cursor = `cursor=${first?.seq}`;
	for (let at = 0; at < Math.max(wanted.length, got.length); at++) {
		if (wanted[at] !== got[at])
			throw new FailCheck(`${cursor}: seq ${got[at] ?? "-"} came, not ${wanted[at] ?? "-"}, as message ${at + 1}`);
	}
	if (got.length === 0) throw new FailCheck(`${cursor}: nothing that came before`);
	return `${got.length} messages after ${cursor}`;
}
