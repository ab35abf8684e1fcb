// ingest/: the thread that follows hosts and verifies messages. It writes nothing to disk.

import type { EngineChoice } from "../config/bounds.ts";
import type { FailureTotals, WorkerFailures } from "../control/failures.ts";
import type { HostUsage } from "../control/host-details.ts";
import type { HostWorkerView, LastRejection, WorkerView } from "../control/why.ts";
import type { HostCommand, HostDelays, HostEvent } from "../hosts/messages.ts";
import { HostTallies } from "../hosts/tallies.ts";
import { IDENTITY_CACHE_LIMITS, IdentityCache } from "../identity/cache.ts";
import type { IdentityMirror } from "../identity/mirror.ts";
import { DidResolver } from "../identity/resolver.ts";
import { INDEX_MARK } from "../index/mark.ts";
import { openPatientReader } from "../index/patient-reader.ts";
import type { IndexReader } from "../index/store.ts";
import { Handover } from "../log/handover.ts";
import { Marks } from "../log/marks.ts";
import { LogPosition } from "../log/position.ts";
import type { Strictness } from "../log/record/policy-facts.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { gauge } from "../observe/metric.ts";
import { openIdentityMirror } from "../plc/identity-mirror.ts";
import type { LenientEvent, LocalStatusChange, PlacesCommand, PlacesEvent } from "../policy/messages.ts";
import { contain } from "../runtime/boundary.ts";
import { Doorbell } from "../runtime/doorbell.ts";
import { LogLimiter } from "../runtime/log-limiter.ts";
import type { NoService, Served } from "../runtime/requests.ts";
import { RingReader, RingWriter } from "../runtime/ring.ts";
import { StartError } from "../runtime/start-error.ts";
import { endThreadOnFailure, serveRole, type WorkerRole } from "../runtime/thread.ts";
import type { WorkerContext } from "../runtime/worker-context.ts";
import { type Tracer, tracerOf } from "../tracing/tracer.ts";
import type { Engine } from "../verify/engine.ts";
import { EngineError } from "../verify/select.ts";
import { TimedEngine } from "../verify/timed.ts";
import { USER_AGENT } from "../version.ts";
import { AccountCache } from "./did/accounts.ts";
import { Operator } from "./did/operator.ts";
import { Places } from "./did/places.ts";
import { RepoStatusProbe } from "./did/repo-status.ts";
import { Shard, type ShardOptions } from "./did/shard.ts";
import { ShardTracer } from "./did/shard-tracer.ts";
import { Budget } from "./host/budget.ts";
import { Hosts } from "./host/hosts.ts";
import { HostFailures } from "./host-failures.ts";
import { LastRejections } from "./last-rejections.ts";
import type { Peer } from "./peer-link.ts";
import { Routes } from "./routes.ts";
import { IngestWhy } from "./why.ts";

const enginesNative = gauge(
	"engines_native",
	"ingest workers that verify with the native engine",
	"If it is 0, the log line at the start says why the engine does not load: often the temporary folder does not allow execution.",
);
const enginesPortable = gauge(
	"engines_portable",
	"ingest workers that verify with the portable engine",
	"If it is not 0, verification takes ten times the processor: the log line at the start says why the native engine does not load.",
);

type UsedSettings =
	| "ingestWorkers"
	| "plcHost"
	| "plcMirror"
	| "plcMirrorLagMaxMs"
	| "identityCacheSize"
	| "hostBufferBytes"
	| "ingestBufferBytes"
	| "allowInsecureHosts"
	| "lenientSyncValidation"
	| "verifyEngine";

export interface IngestOptions extends WorkerContext<UsedSettings> {
	/** Number of this worker, from 0. */
	worker: number;
	/** The workers' rings to the sequencer, by number. This worker writes to its own, and reads how far the others are durable. */
	handovers: SharedArrayBuffer[];
	/** Rings between this worker and each other one. */
	peers: { worker: number; outbound: SharedArrayBuffer; inbound: SharedArrayBuffer; doorbell: SharedArrayBuffer }[];
	doorbell: SharedArrayBuffer;
	sequencerDoorbell: SharedArrayBuffer;
	hostTallies: SharedArrayBuffer;
	/** The hosts with a strictness of their own. */
	strictness: readonly [hostname: string, strictness: Strictness][];
}

/** Account states in memory, of all ingest workers together. Each takes about 170 bytes. */
const ACCOUNT_CACHE_ENTRIES = 500_000;

/** How often low-water marks are written to the log. After a crash, hosts are asked again for the messages of about this time. */
const CURSOR_INTERVAL_MS = 1_000;
/** How often the host manager is told from which hosts messages come. */
const HEARD_INTERVAL_MS = 30_000;
/** How often the host manager is told how many messages have come and failed. What is not told when the relay stops is forgotten. */
const COUNTS_INTERVAL_MS = 60_000;
const WAKE_INTERVAL_MS = 1_000;
/** How long a drain waits for messages on their way. The cursors stay before those that are left then. */
const DRAIN_TIMEOUT_MS = 4_000;

/** Limits the debug lines about rejections: one in this time for each host and reason. */
const REJECTION_LINES = { intervalMs: 60_000, keysMax: 10_000 };

/** Makes this thread's engine according to the settings. */
export type CreateEngine = (choice: EngineChoice, counters: Counters) => Engine;

/** From an ingest worker to the control thread. */
export type IngestEvent = HostEvent | LenientEvent | PlacesEvent;

/** From the control thread to an ingest worker. */
export type IngestCommand = HostCommand | PlacesCommand;

/** What the control thread may ask of an ingest worker. */
export interface IngestService {
	/** Sets the operator's status of an account whose DID this worker has. Resolves when that is durable. */
	setLocalStatus(change: LocalStatusChange): Promise<{ before: string | null }>;
	/** Gives an account that waits at this host its place there, if it still waits. Resolves when that is durable, and reported. */
	admitWaiting(did: string, hostId: number): Promise<{ isAdmitted: boolean }>;
	/** What waits because of limits: of this host, or of all its hosts (null), of which `DELAYED_HOSTS_MAX` at most are told. */
	delays(hostId: number | null): Promise<HostDelays[]>;
	/** What is known of an account whose DID this worker has. @param hostIds hosts that may have sent messages of it */
	whyAccount(did: string, hostIds: readonly number[]): Promise<WorkerView>;
	/** What is known of a host: of what waits if this worker follows it, and of messages that this worker has rejected. */
	whyHost(hostId: number, did: string | null): Promise<HostWorkerView>;
	/** What has come of the hosts of this worker with an id above the first one, up to the last one. */
	usage(afterId: number, lastId: number): Promise<HostUsage[]>;
	/** How many messages of each host have failed at this worker. */
	failureTotals(): Promise<FailureTotals[]>;
	/** What has failed of the messages of these hosts at this worker. Hosts of which nothing has are left out. */
	failures(hostIds: readonly number[]): Promise<WorkerFailures[]>;
	/** The last rejections at this worker, one for each host and reason, the latest first. */
	latestRejections(limit: number): Promise<LastRejection[]>;
	/** How strict to be from now on with messages of a host, of the DIDs that this worker has; null: as with all other hosts. */
	setStrictness(hostname: string, strictness: Strictness | null): Promise<void>;
}

/** Runs an ingest worker in this thread, with the engine that the thread's entry file makes. */
export function serveIngest(createEngine: CreateEngine): void {
	serveRole<IngestOptions, IngestCommand, IngestEvent, NoService, IngestService>(
		(emit) => new IngestWorker(createEngine, emit),
	);
}

/** @throws StartError if the engine that the settings ask for does not work here */
function makeEngine(createEngine: CreateEngine, choice: EngineChoice, counters: Counters): TimedEngine {
	try {
		const engine = createEngine(choice, counters);
		counters.add(engine.name === "native" ? enginesNative : enginesPortable);
		return new TimedEngine(engine, counters);
	} catch (error) {
		if (error instanceof EngineError) throw new StartError("verifyEngine", error.message, { cause: error });
		throw error;
	}
}

/** Makes the worker's shard, which finds identities, verifies messages, and hands them over. */
function createShard(parts: {
	config: IngestOptions["config"];
	index: IndexReader;
	mirror: IdentityMirror | null;
	accounts: AccountCache;
	places: Places;
	handover: Handover;
	engine: TimedEngine;
	tracer: Tracer | null;
	failures: HostFailures;
	counters: Counters;
}): { shard: Shard; identities: IdentityCache; lastRejections: LastRejections } {
	const { config, index, mirror, accounts, places, handover, engine, tracer, failures, counters } = parts;
	const allowInsecure = config.allowInsecureHosts;
	const identities = new IdentityCache({
		resolver: new DidResolver({ plcUrl: config.plcHost, allowInsecure, userAgent: USER_AGENT }),
		allowInsecure,
		stored: (did) => index.identity(did),
		mirror,
		mirrorLagMaxMs: config.plcMirrorLagMaxMs,
		onResolved: (facts) => shard.logDidDocument(facts),
		mayWaitForWeb: (hostId) => shard.mayWaitForWeb(hostId),
		counters,
		limits: { ...IDENTITY_CACHE_LIMITS, entriesMax: Math.ceil(config.identityCacheSize / config.ingestWorkers) },
	});
	const lastRejections = new LastRejections();
	const shard: Shard = new Shard({
		accounts,
		identities,
		repoStatus: new RepoStatusProbe({ guard: { allowInsecure }, userAgent: USER_AGENT, counters }),
		places,
		handover,
		rules: { engine, strict: !config.lenientSyncValidation, clock: Date.now, counters },
		allowLocalhost: allowInsecure,
		tracer: tracer && new ShardTracer(tracer, engine),
		onRejection: logRejections(),
		failures,
		lastRejections,
	});
	return { shard, identities, lastRejections };
}

/** Logs rejections at level debug. */
function logRejections(): ShardOptions["onRejection"] {
	const log = logOf("ingest");
	const limiter = new LogLimiter(REJECTION_LINES);
	return ({ sender, message }, rejection) => {
		const { hostname } = sender;
		const omitted = limiter.take(`${hostname} ${rejection.reason}`);
		if (omitted === null) return;
		log.debug("rejected {type} {seq} of {did} from {host}: {detail}", {
			type: message.type,
			seq: message.seq,
			did: message.did,
			host: hostname,
			detail: rejection.message,
			...(omitted > 0 ? { omitted } : {}),
		});
	};
}

function openPeer({ worker, outbound, inbound, doorbell }: IngestOptions["peers"][number]): Peer {
	return {
		worker,
		outbound: new RingWriter(outbound),
		inbound: new RingReader(inbound),
		doorbell: new Doorbell(doorbell),
	};
}

/** What the hosts of a worker need of its settings and its memory. */
function hostSettings({ config, worker, hostTallies }: IngestOptions) {
	return {
		budget: new Budget(config.ingestBufferBytes),
		hostBufferBytes: config.hostBufferBytes,
		userAgent: USER_AGENT,
		worker,
		tallies: new HostTallies(hostTallies),
	};
}

/** What a started worker has. */
interface Parts {
	hosts: Hosts;
	shard: Shard;
	operator: Operator;
	why: IngestWhy;
	places: Places;
	failures: HostFailures;
	handover: Handover;
	doorbell: Doorbell;
}

/** An ingest worker: follows its hosts, and works on the messages of its DIDs. */
class IngestWorker implements WorkerRole<IngestOptions, IngestCommand, IngestService> {
	readonly #createEngine: CreateEngine;
	readonly #emit: (event: IngestEvent) => void;
	/** Set by `start`. */
	#parts: Parts | null = null;
	readonly serves: Served<IngestService> = {
		delays: (hostId) => this.#parts?.hosts.delays(hostId) ?? [],
		usage: (afterId, lastId) => this.#parts?.hosts.usage(afterId, lastId) ?? [],
		admitWaiting: (did, hostId) => this.#admitWaiting(did, hostId),
		setLocalStatus: (change) => this.#started().operator.setLocalStatus(change),
		whyAccount: (did, hostIds) => this.#started().why.account(did, hostIds),
		whyHost: (hostId, did) => this.#started().why.host(hostId, did),
		failureTotals: () => this.#parts?.failures.totals() ?? [],
		failures: (hostIds) => this.#parts?.failures.of(hostIds) ?? [],
		latestRejections: (limit) => this.#parts?.failures.latest(limit) ?? [],
		setStrictness: (hostname, strictness) => this.#started().shard.setStrictness(hostname, strictness),
	};

	constructor(createEngine: CreateEngine, emit: (event: IngestEvent) => void) {
		this.#createEngine = createEngine;
		this.#emit = emit;
	}

	async start(options: IngestOptions, counters: Counters): Promise<void> {
		const { config } = options;
		const position = new LogPosition(options.log.position);
		const applied = new Marks(options.log.marks).mark(INDEX_MARK.name);
		const index = await openPatientReader(config.databaseUrl, options.log.marks, counters);
		const rings = options.handovers.map((buffer) => new RingWriter(buffer));
		const own = rings[options.worker];
		if (own === undefined) throw new RangeError(`no ring for worker ${options.worker}`);
		const doorbell = new Doorbell(options.doorbell);
		const handover = new Handover(options.worker, own, new Doorbell(options.sequencerDoorbell), counters);

		const engine = makeEngine(this.#createEngine, config.verifyEngine, counters);
		const accounts = new AccountCache(index, Math.ceil(ACCOUNT_CACHE_ENTRIES / config.ingestWorkers), counters);
		const places = new Places(options.worker, this.#emit);
		const mirror = await openIdentityMirror(config, counters);
		const failures = new HostFailures(counters);
		const tracer = tracerOf(options.trace, counters);
		const parts = { config, index, mirror, accounts, places, handover, engine, tracer, failures, counters };
		const { shard, identities, lastRejections } = createShard(parts);
		for (const [hostname, strictness] of options.strictness) shard.setStrictness(hostname, strictness);
		const routes = new Routes(options.worker, options.peers.map(openPeer), (arrival) => shard.submit(arrival));
		const hosts = new Hosts({
			...hostSettings(options),
			counters,
			failures,
			deliver: (arrival) => routes.route(arrival),
			emit: this.#emit,
			acknowledged: (ring) => rings[ring]?.acknowledged() ?? 0,
			handover,
		});

		const operator = new Operator({ accounts, handover, places, clock: Date.now });
		const why = new IngestWhy({ accounts, identities, lastRejections, failures, shard, hosts });
		this.#parts = { hosts, shard, handover, doorbell, operator, places, why, failures };

		const keepBooks = (): void => {
			hosts.storeCursors();
			identities.measure();
			accounts.noteProgress({
				position: handover.position,
				acknowledged: () => handover.acknowledged(),
				applied: () => applied.lsn ?? 0,
				published: () => position.snapshot(),
			});
			const hostnames = shard.takeLenient();
			if (hostnames.length > 0) this.#emit({ type: "lenient", hostnames });
		};
		setInterval(() => contain("the cursors' timer", keepBooks), CURSOR_INTERVAL_MS);
		reportOnHosts(hosts, failures);
		endThreadOnFailure(
			runLoop(doorbell, () => {
				handover.noteDurable();
				shard.ringHasRoom();
				operator.noteProgress();
				routes.receive();
			}),
		);
	}

	command(command: IngestCommand): void {
		if (command.type === "places") this.#parts?.places.answered(command.granted);
		else this.#parts?.hosts.command(command);
	}

	async #admitWaiting(did: string, hostId: number): Promise<{ isAdmitted: boolean }> {
		const { operator, places } = this.#started();
		const isAdmitted = await operator.admitWaiting(did, hostId);
		// The report must not come after the answer, or the place would be free in between.
		places.flush();
		return { isAdmitted };
	}

	#started(): Parts {
		if (this.#parts === null) throw new Error("a request came before the start");
		return this.#parts;
	}

	async drain(): Promise<void> {
		if (this.#parts === null) return;
		const { hosts, handover, doorbell } = this.#parts;
		hosts.stopAll();
		const endMs = performance.now() + DRAIN_TIMEOUT_MS;
		while (!(hosts.settled && handover.settled) && performance.now() < endMs) {
			handover.flush();
			await doorbell.sleep(doorbell.ticket(), 20);
		}
		hosts.storeCursors();
		handover.flush();
	}
}

/** Tells the host manager from time to time what comes of hosts. */
function reportOnHosts(hosts: Hosts, failures: HostFailures): void {
	setInterval(() => contain("the report of hosts", () => hosts.reportHeard()), HEARD_INTERVAL_MS);
	const reportCounts = (): void => hosts.reportCounts(failures.takeFaults());
	setInterval(() => contain("the report of counts", reportCounts), COUNTS_INTERVAL_MS);
}

/** Calls `work` each time the doorbell rings, and at least once a second. */
async function runLoop(doorbell: Doorbell, work: () => void): Promise<never> {
	for (;;) {
		const ticket = doorbell.ticket();
		work();
		// `sleep` gave the event loop no turn. Sockets and timers must get theirs, however often others ring.
		if (!(await doorbell.sleep(ticket, WAKE_INTERVAL_MS))) await new Promise(setImmediate);
	}
}
