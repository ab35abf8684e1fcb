import { describe, expect, test } from "bun:test";
import { joinFrame } from "../../src/sim/message.ts";
import { Oracle } from "./oracle.ts";

const HOST = "host.example.com";

/** An oracle that was told of `count` messages of one DID, each with a different text. */
function oracleOf(count: number): Oracle {
	const oracle = new Oracle();
	for (let i = 1; i <= count; i++) oracle.send(HOST, i, { type: "commit", did: "did:plc:a", body: bodyOf(i) });
	return oracle;
}

function bodyOf(mark: number): object {
	return { repo: "did:plc:a", rev: `rev ${mark}`, padding: { mark } };
}

/** The frame with which a relay passes a message on. */
function frameOf(mark: number, seq: number, changes: object = {}): Uint8Array {
	return joinFrame({ op: 1, t: "#commit" }, { ...bodyOf(mark), seq, ...changes });
}

test("a relay that does everything right has no violations", () => {
	const oracle = oracleOf(3);
	const [live, late] = [oracle.witness("live"), oracle.witness("late")];
	for (const witness of [live, late]) for (const mark of [1, 2, 3]) witness.receive(frameOf(mark, mark * 10));
	oracle.expectAll(live);
	oracle.expectAll(late);
	expect(oracle.violations).toEqual([]);
	expect(oracle.seqsLeftOut).toBe(27);
});

describe("seqs that stand for no message", () => {
	/** An oracle whose one witness got messages with these seqs, after its verdict. */
	function judged(seqHoleMax: number, ...seqs: number[]): string[] {
		const oracle = new Oracle(seqHoleMax);
		for (const [at, seq] of seqs.entries()) {
			oracle.send(HOST, at + 1, { type: "commit", did: "did:plc:a", body: bodyOf(at + 1) });
			oracle.witness("live").receive(frameOf(at + 1, seq));
		}
		oracle.expectDense();
		return oracle.violations;
	}

	test("are not allowed for a relay that publishes only what is synced, from the first seq on", () => {
		expect(judged(0, 1, 2, 3)).toEqual([]);
		expect(judged(0, 1, 2, 4)).toEqual([expect.stringContaining("1 right before seq 4")]);
		expect(judged(0, 2, 3)).toEqual([expect.stringContaining("1 right before seq 2")]);
	});

	test("may be few at each crash for other relays", () => {
		expect(judged(5, 1, 7, 13)).toEqual([]);
		expect(judged(5, 1, 8, 9)).toEqual([expect.stringContaining("6 right before seq 8")]);
	});

	test("may be as many as there are messages of deleted accounts that no consumer got", () => {
		const oracle = new Oracle();
		for (const mark of [1, 2, 3])
			oracle.send(HOST, mark, { type: "commit", did: "did:plc:a", body: bodyOf(mark) }, "in the end");
		const live = oracle.witness("live");
		live.receive(frameOf(1, 1));
		oracle.mayLeaveOut("did:plc:a");
		live.receive(frameOf(3, 3));
		oracle.expectAll(live);
		oracle.expectDense();
		expect(oracle.violations).toEqual([]);
	});
});

describe("a violation", () => {
	test("a message that never came, with a note whether it was acknowledged to its host", () => {
		const oracle = oracleOf(3);
		oracle.acknowledge(HOST, 2);
		const live = oracle.witness("live");
		live.receive(frameOf(1, 1));
		oracle.expectAll(live);
		expect(oracle.violations).toEqual([
			`live never got message 2 (${HOST} seq 2, did:plc:a), which was acknowledged to its host`,
			`live never got message 3 (${HOST} seq 3, did:plc:a), which was not acknowledged`,
		]);
	});

	test("a message that another consumer got was skipped, although it was not due", () => {
		const oracle = new Oracle();
		for (const mark of [1, 2, 3])
			oracle.send(HOST, mark, { type: "commit", did: "did:plc:a", body: bodyOf(mark) }, "perhaps");
		const [live, late] = [oracle.witness("live"), oracle.witness("late")];
		for (const mark of [1, 2, 3]) live.receive(frameOf(mark, mark));
		for (const mark of [1, 3]) late.receive(frameOf(mark, mark));
		oracle.expectAll(live);
		oracle.expectAll(late);
		expect(oracle.violations).toEqual(["late was not given seq 2, and got seq 3 after it"]);
	});

	test("a message that came twice, with another seq or the same one", () => {
		for (const seq of [1, 2]) {
			const oracle = oracleOf(1);
			const live = oracle.witness("live");
			live.receive(frameOf(1, 1));
			live.receive(frameOf(1, seq));
			expect(oracle.violations).toContain(`live got message 1 twice, again with seq ${seq}`);
		}
	});

	test("a seq that does not rise", () => {
		const oracle = oracleOf(2);
		const live = oracle.witness("live");
		live.receive(frameOf(1, 2));
		live.receive(frameOf(2, 1));
		expect(oracle.violations).toEqual(["live got seq 1 after seq 2"]);
	});

	test("messages of one DID in another order than sent", () => {
		const oracle = oracleOf(2);
		const live = oracle.witness("live");
		live.receive(frameOf(2, 1));
		live.receive(frameOf(1, 2));
		expect(oracle.violations).toEqual(["live got message 1 of did:plc:a after 2"]);
	});

	test("a message that breaks a rule came", () => {
		const oracle = oracleOf(1);
		oracle.send(HOST, 2, { type: "commit", did: "did:plc:a", body: bodyOf(2) }, "never");
		const live = oracle.witness("live");
		live.receive(frameOf(1, 1));
		live.receive(frameOf(2, 2));
		expect(oracle.violations).toEqual(["live got message 2, which breaks a rule"]);
	});

	test("a seq that stands for two messages, as only two consumers together can tell", () => {
		const oracle = oracleOf(2);
		oracle.witness("live").receive(frameOf(1, 1));
		oracle.witness("late").receive(frameOf(2, 1));
		expect(oracle.violations).toEqual(["seq 1 is used for messages 1 and 2"]);
	});

	test("a message with two seqs", () => {
		const oracle = oracleOf(1);
		oracle.witness("live").receive(frameOf(1, 1));
		oracle.witness("late").receive(frameOf(1, 2));
		expect(oracle.violations).toEqual(["message 1 has the seqs 1 and 2"]);
	});

	test("a message that is not as it was sent", () => {
		const oracle = oracleOf(1);
		oracle.witness("live").receive(frameOf(1, 1, { rev: "another" }));
		expect(oracle.violations).toEqual(["live got message 1 changed"]);
	});

	test("a message that nobody sent", () => {
		const oracle = oracleOf(1);
		oracle.witness("live").receive(frameOf(2, 1));
		expect(oracle.violations).toEqual(["live got a #commit with seq 1 that no host sent"]);
	});

	test("an error, and an announced gap", () => {
		const oracle = oracleOf(1);
		const live = oracle.witness("live");
		live.receive(joinFrame({ op: -1 }, { error: "FutureCursor" }));
		live.receive(joinFrame({ op: 1, t: "#info" }, { name: "OutdatedCursor" }));
		expect(oracle.violations).toEqual([
			'live got an error or info frame: {"error":"FutureCursor"}',
			'live got an error or info frame: {"name":"OutdatedCursor"}',
		]);
	});
});

describe("of a host that misbehaves", () => {
	const of = (mark: number) => ({ type: "commit", did: "did:plc:a", body: bodyOf(mark) });

	test("messages that are due in the end are waited for apart from those that are due soon", () => {
		const oracle = oracleOf(1);
		oracle.send("odd.example.com", 1, of(2), "in the end");
		const live = oracle.witness("live");
		live.receive(frameOf(1, 1));
		expect([live.count, oracle.soonCount, oracle.lateCount, oracle.hasAll(live)]).toEqual([1, 1, 1, false]);
		live.receive(frameOf(2, 2));
		expect([live.count, oracle.hasAll(live)]).toEqual([1, true]);
	});

	test("commits and syncs from before a deletion may be left out, but messages about the account may not", () => {
		const oracle = new Oracle();
		oracle.send("odd.example.com", 1, of(1), "in the end");
		oracle.send("odd.example.com", 2, { ...of(2), type: "account" }, "in the end");
		oracle.mayLeaveOut("did:plc:a");
		oracle.send("odd.example.com", 3, of(3), "in the end");
		const late = oracle.witness("late");
		oracle.expectAll(late);
		expect(oracle.violations.map((violation) => violation.slice(0, 24))).toEqual([
			"late never got message 2",
			"late never got message 3",
		]);
	});

	test("messages that it lost itself need not come, but must not come twice or changed", () => {
		const oracle = new Oracle();
		for (const mark of [1, 2, 3]) oracle.send("odd.example.com", mark, of(mark), "in the end");
		const live = oracle.witness("live");
		live.receive(frameOf(1, 1));
		oracle.forgive("odd.example.com", live);
		expect(oracle.hasAll(live)).toBe(true);
		oracle.expectAll(live);
		expect(oracle.violations).toEqual([]);
		live.receive(frameOf(2, 2));
		live.receive(frameOf(2, 3));
		live.receive(frameOf(3, 4, { rev: "another" }));
		expect(oracle.violations).toEqual([
			"message 2 has the seqs 2 and 3",
			"live got message 2 twice, again with seq 3",
			"live got message 3 changed",
		]);
	});
});
