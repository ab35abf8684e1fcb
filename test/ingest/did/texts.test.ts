import { expect, test } from "bun:test";
import { foldRecords } from "../../../src/index/fold.ts";
import { decodeFact } from "../../../src/log/record/message-facts.ts";
import { storable } from "../../../src/protocol/text.ts";
import type { SimMessage } from "../../../src/sim/message.ts";
import { Rng } from "../../../src/sim/rng.ts";
import { NO_ROWS } from "../../index/records.ts";
import { anyUtf8Text } from "../../sim/any-text.ts";
import { ShardRig } from "./shard-rig.ts";

const MESSAGES = 400;

/** A message of any kind with an odd text in one of its fields; in most cases it would pass with another text. */
function oddMessage(message: SimMessage, rng: Rng): { message: SimMessage; text: string; field: string } {
	const texts = Object.entries(message.body).filter(([, value]) => typeof value === "string");
	const [field, before] = rng.int(2) === 0 ? ["status", "takendown"] : rng.pick(texts);
	const odd = anyUtf8Text(rng);
	const text = rng.int(3) === 0 ? odd : `${before}${odd}`;
	return { message: { ...message, body: { ...message.body, [field]: text } }, text, field };
}

test.each([true, false])(
	"no text with a NUL gets into a row, whichever field has it (strict: %p)",
	async (strict) => {
		const rng = new Rng(`odd texts ${strict}`);
		const rig = new ShardRig({ strict });
		const account = await ShardRig.account("odd texts");
		rig.identity(account);
		let passedOdd = 0;
		for (let seq = 1; seq <= MESSAGES; seq++) {
			const made = rng.pick([
				() => account.account(true, "x"),
				() => account.identity("a.example.com"),
				async () => (account.rev === null || rng.int(2) === 0 ? account.commit() : account.sync()),
			]);
			const { message, text, field } = oddMessage(await made(), rng);
			rig.passTime();
			rig.send(message, seq);
			await rig.settle();
			for (const entry of rig.entries()) {
				const fact = decodeFact(entry);
				if (fact === null) continue;
				const record = { ...entry, lsn: 1, seq: 1, timeUs: 0 };
				const [row] = foldRecords([record], NO_ROWS).accounts;
				for (const value of Object.values(row ?? {}))
					if (typeof value === "string") expect(value).toBe(storable(value));
				if (message.type === "account" && field === "status") {
					expect(row?.upstreamStatus).toBe(text);
					passedOdd++;
				}
			}
		}
		expect(passedOdd).toBeGreaterThan(10);
		expect(rig.rejected["status-syntax"]).toBeGreaterThan(10);
		expect(rig.rejected["internal-error"]).toBeUndefined();
		expect(rig.outcomes.length).toBe(MESSAGES);
	},
	120_000,
);

test("a status with a NUL is refused also of an account that the operator has taken down", async () => {
	const account = await ShardRig.account("taken down");
	const row = {
		...{ id: 1, did: account.did, host: 1, hostSeq: 0, lastTimeMs: 0, upstreamActive: true, upstreamStatus: null },
		...{ localStatus: "takendown", waitingSinceUs: null, statusLsn: 1, rev: null, commit: null, data: null },
	};
	const rig = new ShardRig({ accounts: [row] });
	rig.identity(account);
	rig.send(account.account(false, "sus\0pended"), 1);
	await rig.settle();
	expect(rig.entries()).toEqual([]);
	expect(rig.rejected).toEqual({ "status-syntax": 1 });
});
