import { expect, test } from "bun:test";
import { SimConsumer } from "../../src/sim/consumer.ts";
import type { RelayProcess } from "../../src/sim/relay-process.ts";
import { Rng } from "../../src/sim/rng.ts";
import { isIndexed, RelayRig, until } from "./rig.ts";

const ROUNDS = 15;
/** An index that is lost now and then has to come back from the log. */
const ROUNDS_PER_LOSS = 4;
const OPERATORS = 3;
const DIDS = ["a", "b", "c"].map((letter) => `did:plc:${letter.repeat(24)}`);
const DOMAINS = ["one.example.com", "two.example.com"];

/** Something that an operator can set, and the values that it may have now. More than one if the relay was killed before it answered. */
class Subject {
	readonly name: string;
	readonly values: readonly unknown[];
	/** Sets a value. Resolves with whether the relay answered that it is set. */
	readonly set: (relay: RelayProcess, value: unknown) => Promise<boolean>;
	may: Set<unknown>;

	constructor(name: string, values: readonly unknown[], set: Subject["set"]) {
		this.name = name;
		this.values = values;
		this.set = set;
		this.may = new Set([values[0]]);
	}
}

/** Whether a call was answered with success; false if the relay was killed meanwhile. */
async function isDone(relay: RelayProcess, path: string, body: object): Promise<boolean> {
	try {
		const { status } = await relay.admin(path, body);
		// To lift a ban that is not there is refused, and leaves what was to be.
		if (status !== 200 && status !== 404) throw new RangeError(`${path} answered ${status}`);
		return true;
	} catch (error) {
		if (error instanceof RangeError) throw error;
		return false;
	}
}

const ACCOUNT_PATHS = new Map<unknown, string>([
	[null, "reverseTakedown"],
	["takendown", "takeDown"],
	["suspended", "suspend"],
]);

function subjects(): Subject[] {
	return [
		...DIDS.map(
			(did) =>
				new Subject(did, [...ACCOUNT_PATHS.keys()], (relay, value) =>
					isDone(relay, `repo/${ACCOUNT_PATHS.get(value)}`, { did }),
				),
		),
		...DOMAINS.map(
			(domain) =>
				new Subject(domain, [false, true], (relay, value) =>
					isDone(relay, value === true ? "subs/banDomain" : "subs/unbanDomain", { Domain: domain }),
				),
		),
		new Subject("newHostsPerDayMax", [50, 1, 2, 3], (relay, value) =>
			isDone(relay, "settings", { newHostsPerDayMax: value }),
		),
	];
}

/** What holds after a start, by subject. */
async function held(relay: RelayProcess): Promise<Map<string, unknown>> {
	await until(async () => isIndexed((await relay.stats()).log));
	const { accounts } = (await relay.admin("repo/takedowns")).json as { accounts: { did: string; status: string }[] };
	const { banned_domains: domains } = (await relay.admin("subs/listDomainBans")).json as { banned_domains: string[] };
	const { newHostsPerDayMax } = (await relay.admin("settings")).json as { newHostsPerDayMax: number };
	return new Map<string, unknown>([
		...DIDS.map((did) => [did, accounts.find((account) => account.did === did)?.status ?? null] as const),
		...DOMAINS.map((domain) => [domain, domains.includes(domain)] as const),
		["newHostsPerDayMax", newHostsPerDayMax],
	]);
}

test("what an operator was told is set holds after a kill at any moment; of what was not answered, all or nothing does", async () => {
	const rng = new Rng("operator crash");
	const rig = await RelayRig.start({ seed: "operator crash", hosts: 1, accounts: 2 }, { RELAY_INGEST_WORKERS: "2" });
	const { relay, network } = rig;
	const all = subjects();
	let answered = 0;
	let unanswered = 0;
	try {
		for (let round = 0; round < ROUNDS; round++) {
			let isKilled = false;
			const operate = async (own: readonly Subject[]): Promise<void> => {
				while (!isKilled) {
					const subject = rng.pick(own);
					const value = rng.pick(subject.values);
					subject.may.add(value);
					if (await subject.set(relay, value)) {
						subject.may = new Set([value]);
						answered++;
					} else unanswered++;
				}
			};
			// Each subject has one operator, so that what comes last is known.
			const operators = Array.from({ length: OPERATORS }, (_, at) =>
				operate(all.filter((_one, index) => index % OPERATORS === at)),
			);
			const target = answered + 1 + rng.int(40);
			await until(async () => {
				for (const account of network.accounts) network.send(account, await account.commit());
				return answered >= target;
			});
			relay.kill();
			isKilled = true;
			await Promise.all([relay.exited(), ...operators]);
			if (round % ROUNDS_PER_LOSS === ROUNDS_PER_LOSS - 1) relay.removeIndex();
			await relay.start();
			for (const [name, value] of await held(relay)) {
				const subject = all.find((one) => one.name === name);
				expect([round, name, subject?.may.has(value)]).toEqual([round, name, true]);
				if (subject !== undefined) subject.may = new Set([value]);
			}
		}
		// The operator's next word on an account is told to consumers, whatever they were told before a kill.
		const holds = await held(relay);
		for (const did of DIDS)
			expect(await isDone(relay, `repo/${ACCOUNT_PATHS.get(holds.get(did))}`, { did })).toBe(true);
		const told = new Map<string, string | null>();
		const replayer = new SimConsumer(relay.firehoseOrigin, {
			onEvent: ({ type, did, status }) => type === "account" && told.set(did, status),
		});
		const { lastSeq } = (await relay.stats()).log;
		await replayer.connect(0);
		await replayer.until(() => (replayer.cursor ?? 0) >= lastSeq);
		await replayer.disconnect();
		for (const did of DIDS) expect([did, told.get(did)]).toEqual([did, holds.get(did) as string | null]);
		expect(replayer.orderViolations).toBe(0);
		expect(answered).toBeGreaterThan(ROUNDS);
		expect(unanswered).toBeGreaterThan(0);
	} finally {
		await rig.stop();
	}
}, 600_000);
