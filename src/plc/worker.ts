import { openPatiently } from "../index/open.ts";
import { patienceOf } from "../index/patient-reader.ts";
import type { Counters } from "../observe/counters.ts";
import { contain } from "../runtime/boundary.ts";
import { startOnPath } from "../runtime/start-error.ts";
import { endThreadOnFailure, serveRole, type WorkerRole } from "../runtime/thread.ts";
import { yieldToDataPath } from "../runtime/thread-priority.ts";
import type { WorkerContext } from "../runtime/worker-context.ts";
import { selectSignatureCheck } from "../verify/signature-check.ts";
import { USER_AGENT } from "../version.ts";
import { fetchPage } from "./export-page.ts";
import { ExportStream } from "./export-stream.ts";
import { MirrorFollower } from "./follower.ts";
import { Mirror } from "./mirror.ts";
import { mirrorPlace, openMirrorStore } from "./open.ts";
import { RotationKeys } from "./rotation-keys.ts";
import type { MirrorStore } from "./store.ts";

export type MirrorStart = WorkerContext<"plcHost" | "verifyEngine">;

const LAG_INTERVAL_MS = 1_000;

/** The thread that mirrors the PLC directory. Ready when its tables are open. Takes no commands. */
serveRole<MirrorStart, never, never>((): WorkerRole<MirrorStart, never> => {
	const stopped = new AbortController();
	let store: MirrorStore;
	let follower: MirrorFollower;
	let running: Promise<void>;

	async function start({ config }: MirrorStart, counters: Counters): Promise<void> {
		yieldToDataPath("plc");
		const { plcHost: directory, databaseUrl, verifyEngine } = config;
		const keys = new RotationKeys(selectSignatureCheck(verifyEngine));
		const clock = Date.now;
		const place = mirrorPlace(databaseUrl);
		const patiently = <Opened>(open: () => Promise<Opened>): Promise<Opened> =>
			startOnPath("databaseUrl", place, () => openPatiently(databaseUrl, patienceOf(counters), open));
		store = await patiently(() => openMirrorStore(databaseUrl));
		const mirror = await patiently(() => Mirror.open({ store, directory, keys, counters, clock }));
		const options = { directory, userAgent: USER_AGENT, clock };
		follower = new MirrorFollower({
			mirror,
			directory: {
				page: (after) => fetchPage(after, { ...options, signal: stopped.signal }),
				stream: (seq, onChange) => new ExportStream({ ...options, seq, onChange }),
			},
			counters,
			clock,
			sleep: Bun.sleep,
		});
		setInterval(() => contain("the mirror's timer", () => mirror.noteLag()), LAG_INTERVAL_MS);
		running = follower.run();
		endThreadOnFailure(running);
	}

	async function drain(): Promise<void> {
		follower.stop();
		stopped.abort();
		await running;
		await store.close();
	}

	return { start, command: () => undefined, drain };
});
