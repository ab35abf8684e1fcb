import type { HostCommand, HostEvent } from "../hosts/messages.ts";
import { IDENTITY_CACHE_LIMITS, IdentityCache } from "../identity/cache.ts";
import { DidResolver } from "../identity/resolver.ts";
import { patientReader } from "../index/patient-reader.ts";
import { Handover } from "../log/handover.ts";
import { LogHead } from "../log/local/head.ts";
import type { Counters } from "../observe/counters.ts";
import { logOf } from "../observe/log.ts";
import { LogLimiter } from "../observe/log-limiter.ts";
import { contain } from "../runtime/boundary.ts";
import { Doorbell } from "../runtime/doorbell.ts";
import { RingReader, RingWriter } from "../runtime/ring.ts";
import { StartError } from "../runtime/start-error.ts";
import { endThreadOnFailure, serveRole, type WorkerRole } from "../runtime/thread.ts";
import type { WorkerContext } from "../runtime/worker-context.ts";
import type { Engine, EngineChoice } from "../verify/engine.ts";
import { EngineError } from "../verify/select.ts";
import { USER_AGENT } from "../version.ts";
import { arrivalOf } from "./arrival.ts";
import { AccountCache } from "./did/accounts.ts";
import { RepoStatusProbe } from "./did/repo-status.ts";
import { Shard } from "./did/shard.ts";
import { Budget } from "./host/budget.ts";
import { Hosts } from "./host/hosts.ts";
import { Routes } from "./routes.ts";

type UsedSettings =
	| "ingestWorkers"
	| "plcHost"
	| "identityCacheSize"
	| "hostBufferBytes"
	| "ingestBufferBytes"
	| "allowInsecureHosts"
	| "lenientSyncValidation"
	| "verifyEngine";

export interface IngestOptions extends WorkerContext<UsedSettings> {
	/** Number of this worker, from 0. */
	worker: number;
	/** Rings to the sequencer, of all workers by number: this one writes its own and reads how far the others are durable. */
	handovers: SharedArrayBuffer[];
	/** Rings between this worker and each other one. */
	peers: { worker: number; outbound: SharedArrayBuffer; inbound: SharedArrayBuffer; doorbell: SharedArrayBuffer }[];
	doorbell: SharedArrayBuffer;
	sequencerDoorbell: SharedArrayBuffer;
}

/** Account states in memory, over all ingest workers: about 400 bytes each. */
const ACCOUNT_CACHE_ENTRIES = 500_000;

/** Low-water cursors go to the log this often: a crash asks hosts again for about as much. */
const CURSOR_INTERVAL_MS = 1_000;
const WAKE_INTERVAL_MS = 1_000;
/** How long a drain waits for what is on its way. The cursors stay behind what it leaves. */
const DRAIN_TIMEOUT_MS = 4_000;

/** A host's rejections for one reason make a debug line this often at most. */
const REJECTION_LINES = { intervalMs: 60_000, keysMax: 10_000 };

/** Makes this thread's engine, as the operator wants it. */
export type CreateEngine = (choice: EngineChoice, counters: Counters) => Engine;

/** Serves an ingest worker in this thread, with the engine that its entry file makes. */
export function serveIngest(createEngine: CreateEngine): void {
	serveRole<IngestOptions, HostCommand, HostEvent>((emit) => ingestRole(createEngine, emit));
}

/** @throws StartError if the engine that the settings ask for does not work here */
function makeEngine(createEngine: CreateEngine, choice: EngineChoice, counters: Counters): Engine {
	try {
		return createEngine(choice, counters);
	} catch (error) {
		if (error instanceof EngineError) throw new StartError("verifyEngine", error.message, { cause: error });
		throw error;
	}
}

function ingestRole(
	createEngine: CreateEngine,
	emit: (event: HostEvent) => void,
): WorkerRole<IngestOptions, HostCommand> {
	let hosts: Hosts;
	let handover: Handover;
	let doorbell: Doorbell;

	async function start(options: IngestOptions, counters: Counters): Promise<void> {
		const { config } = options;
		const log = logOf("ingest");
		const head = new LogHead(options.headBuffer);
		const index = patientReader(config.databasePath, counters);
		const rings = options.handovers.map((buffer) => new RingWriter(buffer));
		const own = rings[options.worker];
		if (own === undefined) throw new RangeError(`no ring for worker ${options.worker}`);
		doorbell = new Doorbell(options.doorbell);
		handover = new Handover(options.worker, own, new Doorbell(options.sequencerDoorbell), counters);

		const engine = makeEngine(createEngine, config.verifyEngine, counters);
		counters.add(engine.name === "native" ? "engines_native" : "engines_portable");
		const accounts = new AccountCache(index, Math.ceil(ACCOUNT_CACHE_ENTRIES / config.ingestWorkers), counters);
		const identities = new IdentityCache({
			resolver: new DidResolver({
				plcUrl: config.plcHost,
				allowInsecure: config.allowInsecureHosts,
				userAgent: USER_AGENT,
			}),
			allowInsecure: config.allowInsecureHosts,
			stored: (did) => index.identity(did),
			onResolved: (facts) => shard.logDidDocument(facts),
			mayWaitForWeb: (hostId) => shard.mayWaitForWeb(hostId),
			counters,
			limits: { ...IDENTITY_CACHE_LIMITS, entriesMax: Math.ceil(config.identityCacheSize / config.ingestWorkers) },
		});
		const rejectionLines = new LogLimiter(REJECTION_LINES);
		const shard: Shard = new Shard({
			accounts,
			identities,
			repoStatus: new RepoStatusProbe({
				guard: { allowInsecure: config.allowInsecureHosts },
				userAgent: USER_AGENT,
				counters,
			}),
			handover,
			rules: { engine, strict: !config.lenientSyncValidation, clock: Date.now, counters },
			allowLocalhost: config.allowInsecureHosts,
			onRejection: ({ sender, message }, rejection) => {
				const { hostname } = sender;
				const omitted = rejectionLines.take(`${hostname} ${rejection.reason}`);
				if (omitted === null) return;
				log.debug("rejected {type} {seq} of {did} from {host}: {detail}", {
					type: message.type,
					seq: message.seq,
					did: message.did,
					host: hostname,
					detail: rejection.message,
					...(omitted > 0 ? { omitted } : {}),
				});
			},
		});
		const routes = new Routes(
			options.worker,
			options.peers.map((peer) => ({
				worker: peer.worker,
				outbound: new RingWriter(peer.outbound),
				inbound: new RingReader(peer.inbound),
				doorbell: new Doorbell(peer.doorbell),
			})),
			(sender, frame, message, settle) => shard.submit(arrivalOf(sender, frame, message, settle)),
		);
		hosts = new Hosts({
			budget: new Budget(config.ingestBufferBytes),
			hostBufferBytes: config.hostBufferBytes,
			userAgent: USER_AGENT,
			counters,
			deliver: (sender, frame, message, settle) => routes.route(sender, frame, message, settle),
			emit,
			acknowledged: (ring) => rings[ring]?.acknowledged() ?? 0,
			handover,
		});

		const keepBooks = (): void => {
			hosts.storeCursors();
			accounts.noteProgress({
				position: handover.position,
				acknowledged: () => handover.acknowledged(),
				applied: () => head.applied(),
				head: () => head.snapshot(),
			});
		};
		setInterval(() => contain("the cursors' timer", keepBooks), CURSOR_INTERVAL_MS);
		endThreadOnFailure(
			runLoop(() => {
				shard.ringHasRoom();
				routes.receive();
			}),
		);
	}

	async function runLoop(work: () => void): Promise<never> {
		for (;;) {
			const ticket = doorbell.ticket();
			work();
			// However often others ring, sockets and timers have their turns.
			if (!(await doorbell.sleep(ticket, WAKE_INTERVAL_MS))) await new Promise(setImmediate);
		}
	}

	async function drain(): Promise<void> {
		hosts.stopAll();
		const endMs = performance.now() + DRAIN_TIMEOUT_MS;
		while (!(hosts.settled && handover.settled) && performance.now() < endMs) {
			handover.flush();
			await doorbell.sleep(doorbell.ticket(), 20);
		}
		hosts.storeCursors();
		handover.flush();
	}

	return { start, command: (command) => hosts.command(command), drain };
}
