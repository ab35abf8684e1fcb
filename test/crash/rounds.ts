import { SimConsumer } from "../../src/sim/consumer.ts";
import { SimNetwork } from "../../src/sim/network.ts";
import { RelayProcess } from "../../src/sim/relay-process.ts";
import { Rng } from "../../src/sim/rng.ts";
import { RELAY_COMMAND, until } from "../relay/rig.ts";
import { type PostgresServer, startPostgres } from "../sim/postgres.ts";
import type { StoreUnderTest } from "../sim/store-under-test.ts";
import { Load } from "./load.ts";
import { ACTS, type Act, Misbehaviour, RARE_ACTS } from "./misbehaviour.ts";
import { MOMENT_NAMES, MOMENT_WEIGHTS, MOMENTS, type Moment } from "./moments.ts";
import { Oracle, type Witness } from "./oracle.ts";

/** Rounds with the state of one relay. More rounds need more relays, each with its own seed. */
const ROUNDS_PER_RIG = 25;
/** Relays under test at a time. */
const RIGS_AT_ONCE = 2;
const HOSTS = 3;
const ACCOUNTS = 12;
/** The smallest size that the relay accepts, so that segments end often. */
const SEGMENT_BYTES = 1024 * 1024;
/** A relay that delivers nothing for this long has lost something, or hangs. */
const WAIT_MS_MAX = 120_000;
/** The round in which a rig has its rare act, and the number of rigs among which one has a rare act. */
const RARE_ROUND = 5;
const RARE_RIGS = 2;
/**
 * How many seqs a crash may leave out in sync mode `write`: twice the number of messages that are published between two syncs. That
 * may be all that the hosts have sent while the relay was down. In mode `always` a crash leaves out none.
 */
const SEQ_HOLE_MAX = 10_000;
/** How long after the relay a server that was killed may start. */
const DATABASE_LATE_MS_MAX = 1_500;
/** The slow consumer takes at most this many messages from one connection. */
const SLOW_MESSAGES_MAX = 200;

type SyncMode = "always" | "write";

export interface CrashOptions {
	rounds: number;
	/** Decides the traffic and the moments of the kills. Their timing still depends on the machine. */
	seed: string;
	/** Where the relays have their index. */
	store: StoreUnderTest;
	/** Number of the first relay to run, to repeat one that failed in the middle of a longer run. */
	firstRig?: number;
	/** Called after each round. */
	onRound?: (summary: CrashSummary) => void;
}

/** Results of all rounds so far. */
export interface CrashSummary {
	rounds: number;
	sent: number;
	delivered: number;
	/** Rounds in which the relay was killed while the live consumer did not have all messages that were sent. */
	killedInFlight: number;
	/** Seqs that no message has. In sync mode `write` a start after a crash leaves some out. */
	seqsLeftOut: number;
	moments: Record<Moment, number>;
	/** How often misbehaving hosts did each act. */
	acts: Record<Act, number>;
	/** Messages of misbehaving hosts that had to arrive in the end. */
	owedToMisbehaving: number;
}

/** One relay with its hosts and consumers, killed again and again on the same state. */
class CrashRig {
	readonly #rng: Rng;
	readonly #network: SimNetwork;
	readonly #relay: RelayProcess;
	/** The server of the relay's index; null if that is SQLite. */
	readonly #postgres: PostgresServer | null;
	readonly #load: Load;
	readonly #oracle: Oracle;
	readonly #live: Witness;
	readonly #slow: Witness;
	readonly #misbehaviour: Misbehaviour;
	readonly #liveConsumer: SimConsumer;
	readonly #slowConsumer: SimConsumer;
	/** How many messages the slow consumer still takes from this connection. */
	#slowLeft = 0;
	#startMs = 0;
	#wasInFlight = false;
	readonly #onExit = (): void => this.#relay.kill();

	private constructor(
		rng: Rng,
		network: SimNetwork,
		relay: RelayProcess,
		postgres: PostgresServer | null,
		syncMode: SyncMode,
	) {
		this.#oracle = new Oracle(syncMode === "always" ? 0 : SEQ_HOLE_MAX);
		this.#live = this.#oracle.witness("the live consumer");
		this.#slow = this.#oracle.witness("the slow consumer");
		this.#rng = rng;
		this.#network = network;
		this.#relay = relay;
		this.#postgres = postgres;
		this.#load = new Load(network, this.#oracle);
		this.#misbehaviour = new Misbehaviour(network.rng.fork("misbehaviour"), network, this.#oracle, this.#live);
		this.#liveConsumer = new SimConsumer(relay.firehoseOrigin, {
			eventsMax: 1,
			onFrame: (frame) => this.#live.receive(frame),
		});
		this.#slowConsumer = new SimConsumer(relay.firehoseOrigin, {
			eventsMax: 1,
			onFrame: (frame) => {
				this.#slow.receive(frame);
				if (--this.#slowLeft === 0) this.#slowConsumer.pause();
			},
		});
	}

	static async start(seed: string, syncMode: SyncMode, store: StoreUnderTest): Promise<CrashRig> {
		const network = new SimNetwork({ seed, hosts: HOSTS, accounts: ACCOUNTS });
		await network.start();
		const postgres = store === "postgres" ? await startPostgres() : null;
		const database: Record<string, string> =
			postgres === null ? {} : { DATABASE_URL: (await postgres.newDatabase()).url };
		const relay = await RelayProcess.create({
			command: RELAY_COMMAND,
			plcUrl: network.plc.url,
			env: { RELAY_SYNC_MODE: syncMode, RELAY_SEGMENT_BYTES: String(SEGMENT_BYTES), ...database },
		});
		const rig = new CrashRig(new Rng(`${seed}/moments`), network, relay, postgres, syncMode);
		try {
			await rig.#begin();
		} catch (error) {
			await rig.stop();
			throw error;
		}
		return rig;
	}

	get oracle(): Oracle {
		return this.#oracle;
	}

	get acts(): Record<Act, number> {
		return this.#misbehaviour.acts;
	}

	/** How many messages of the hosts that behave well the live consumer has. */
	get delivered(): number {
		return this.#live.count;
	}

	/** The folder of the relay's log, index and output. */
	get stateDirectory(): string {
		return this.#relay.logDirectory;
	}

	/** Runs to a drawn moment, kills the relay there, and starts everything again. */
	async round(rare: Act | null): Promise<{ moment: Moment; wasInFlight: boolean }> {
		const moment = this.#rng.weighted(MOMENT_WEIGHTS[this.#postgres === null ? "sqlite" : "postgres"]);
		await this.#misbehaviour.round(this.#relay, rare);
		if (this.#rng.int(4) === 0) await this.#load.newcomer();
		await MOMENTS[moment]({
			rng: this.#rng,
			load: this.#load,
			relay: this.#relay,
			postgres: this.#postgres,
			kill: () => {
				this.#wasInFlight = this.#oracle.soonCount > this.#live.count;
				this.#relay.kill();
			},
			live: this.#live,
			sentCount: () => this.#oracle.soonCount,
			until: (condition) => this.#liveConsumer.until(condition, WAIT_MS_MAX),
			startMs: this.#startMs,
		});
		await this.#relay.exited();
		await this.#liveConsumer.until(() => !this.#liveConsumer.connected, WAIT_MS_MAX);
		this.#slowConsumer.abort();
		this.#misbehaviour.relayEnded();
		await Promise.all([this.#up(), this.#healPostgres()]);
		for (const { hostname, cursors } of this.#network.hosts) {
			for (const cursor of cursors.splice(0)) this.#oracle.acknowledge(hostname, cursor ?? 0);
		}
		return { moment, wasInFlight: this.#wasInFlight };
	}

	/** Waits until everything has arrived, also at a consumer that replays the whole log, and stops the relay cleanly. */
	async finish(): Promise<void> {
		await this.#load.stop();
		const replay = this.#oracle.witness("the replaying consumer");
		const replayer = new SimConsumer(this.#relay.firehoseOrigin, {
			eventsMax: 1,
			onFrame: (frame) => replay.receive(frame),
		});
		this.#slowLeft = 0;
		this.#slowConsumer.abort();
		const arrived = new AbortController();
		const asking = this.#misbehaviour.askAgain(this.#relay, arrived.signal);
		try {
			await this.#liveConsumer.until(() => this.#oracle.hasAll(this.#live), WAIT_MS_MAX);
		} finally {
			arrived.abort();
			await asking;
		}
		await Promise.all([goOn(this.#slowConsumer), replayer.connect(0)]);
		await this.#slowConsumer.until(() => this.#oracle.hasAll(this.#slow), WAIT_MS_MAX);
		await replayer.until(() => this.#oracle.hasAll(replay), WAIT_MS_MAX);
		const code = await this.#relay.stop();
		if (code !== 0) throw new Error(`the relay ended with code ${code}`);
	}

	/** The oracle's violations, after `finish` is over or has failed. */
	judge(): string[] {
		this.#oracle.expectAll(this.#live);
		this.#oracle.expectAll(this.#slow);
		this.#oracle.expectDense();
		return this.#oracle.violations;
	}

	async stop(): Promise<void> {
		await this.#load.stop();
		this.#relay.kill();
		await this.#relay.exited();
		process.off("exit", this.#onExit);
		await this.#misbehaviour.stop();
		await this.#network.stop();
		await this.#postgres?.stop();
	}

	async remove(): Promise<void> {
		await this.#relay.remove();
	}

	/** Starts a server that a moment has killed, some time after the relay's start begins. */
	async #healPostgres(): Promise<void> {
		if (this.#postgres === null || this.#postgres.isRunning) return;
		await Bun.sleep(this.#rng.int(DATABASE_LATE_MS_MAX));
		await this.#postgres.start();
	}

	/** Starts a relay without data, and has it follow the hosts. */
	async #begin(): Promise<void> {
		process.on("exit", this.#onExit);
		await this.#up();
		const { hosts } = this.#network;
		for (const host of hosts) await this.#relay.requestCrawl(host.hostname);
		await this.#misbehaviour.begin(this.#relay);
		await until(() => hosts.every((host) => host.connections > 0) && this.#misbehaviour.isFollowed);
		// Until a host's first message is durable, the relay has no cursor of the host, and begins at the host's live end after a crash.
		this.#load.introduce();
		this.#misbehaviour.introduce();
		await this.#liveConsumer.until(() => this.#oracle.hasAll(this.#live), WAIT_MS_MAX);
		this.#load.start();
	}

	async #up(): Promise<void> {
		const startedAtMs = performance.now();
		await this.#relay.start();
		this.#startMs = performance.now() - startedAtMs;
		this.#slowLeft = 1 + this.#rng.int(SLOW_MESSAGES_MAX);
		await Promise.all([this.#liveConsumer, this.#slowConsumer].map(goOn));
	}
}

/** Connects after the last message, or else at the log's beginning. Without a cursor, a consumer would miss messages. */
function goOn(consumer: SimConsumer): Promise<void> {
	return consumer.connect(consumer.cursor ?? 0);
}

/**
 * Kills relays at seeded moments, starts them again on the same data, and has an oracle compare what the hosts sent with what each
 * consumer got.
 *
 * @throws {Error} at the first violation, with the seed and round to repeat it; the relay's data is kept for inspection
 */
export async function runRounds({ rounds, seed, store, firstRig = 0, onRound }: CrashOptions): Promise<CrashSummary> {
	const moments = Object.fromEntries(MOMENT_NAMES.map((moment) => [moment, 0])) as Record<Moment, number>;
	const acts = Object.fromEntries(ACTS.map((act) => [act, 0])) as Record<Act, number>;
	const counts = { rounds: 0, sent: 0, delivered: 0, killedInFlight: 0, seqsLeftOut: 0, owedToMisbehaving: 0 };
	const summary: CrashSummary = { ...counts, moments, acts };
	let next = 0;
	let failed = false;
	const rigs = Math.ceil(rounds / ROUNDS_PER_RIG);
	const worker = async (): Promise<void> => {
		while (next < rigs && !failed) {
			const at = next++;
			try {
				const count = Math.min(ROUNDS_PER_RIG, rounds - at * ROUNDS_PER_RIG);
				await runRig({ at: firstRig + at, rounds: count, seed, store, onRound }, summary);
			} catch (error) {
				failed = true;
				throw error;
			}
		}
	};
	const ended = await Promise.allSettled(Array.from({ length: RIGS_AT_ONCE }, worker));
	for (const end of ended) if (end.status === "rejected") throw end.reason;
	return summary;
}

type RigOptions = Pick<CrashOptions, "rounds" | "seed" | "store"> & {
	/** Number of the relay. */
	at: number;
	onRound: CrashOptions["onRound"];
};

async function runRig({ at, seed, store, rounds, onRound }: RigOptions, summary: CrashSummary): Promise<void> {
	const syncMode = at % 2 === 0 ? "always" : "write";
	const rig = await CrashRig.start(`${seed}/${at}`, syncMode, store);
	let round = 0;
	let moment: Moment | null = null;
	let failure: unknown = null;
	try {
		for (; round < rounds && rig.oracle.violations.length === 0; round++) {
			const done = await rig.round(round === RARE_ROUND ? rareActOf(at) : null);
			moment = done.moment;
			summary.rounds++;
			summary.moments[moment]++;
			if (done.wasInFlight) summary.killedInFlight++;
			onRound?.(summary);
		}
		if (rig.oracle.violations.length === 0) await rig.finish();
	} catch (error) {
		failure = error;
	} finally {
		await rig.stop();
	}
	const violations = rig.judge();
	if (failure !== null || violations.length > 0) {
		const what = failure === null ? violations : [String(failure), ...violations];
		throw new Error(
			`rig ${at} failed in round ${round}, the last moment was ${moment}; its relay's state is kept in ${rig.stateDirectory}; ` +
				`to repeat: make crash STORE=${store} RIG=${at} ROUNDS=${ROUNDS_PER_RIG} SEED=${JSON.stringify(seed)}\n  ${what.join("\n  ")}`,
		);
	}
	summary.sent += rig.oracle.soonCount;
	summary.owedToMisbehaving += rig.oracle.lateCount;
	for (const act of ACTS) summary.acts[act] += rig.acts[act];
	summary.delivered += rig.delivered;
	if (syncMode === "write") summary.seqsLeftOut += rig.oracle.seqsLeftOut;
	await rig.remove();
}

/** The rare act of a relay under test, if it has one. Each act falls to every fourth relay. */
function rareActOf(at: number): Act | null {
	return at % RARE_RIGS === 0 ? (RARE_ACTS[(at / RARE_RIGS) % RARE_ACTS.length] ?? null) : null;
}
