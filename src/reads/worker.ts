import type { Control } from "../control/api.ts";
import { createReadsApp } from "../http/reads.ts";
import { openPlainReader } from "../index/patient-reader.ts";
import type { IndexReader } from "../index/store.ts";
import type { Counters } from "../observe/counters.ts";
import { RateLimit } from "../runtime/rate-limit.ts";
import { linkOver, serveRole } from "../runtime/thread.ts";
import { yieldToDataPath } from "../runtime/thread-priority.ts";
import type { WorkerContext } from "../runtime/worker-context.ts";
import { USER_AGENT } from "../version.ts";
import { HandleResolver } from "../why/handle.ts";
import { Inquiry } from "../why/inquiry.ts";
import { READ_LIMITS, type ReadsService } from "./requests.ts";
import { serveReads } from "./serve.ts";

/** The index must exist: its writer makes it before this thread starts. */
export interface ReadsWorkerOptions extends WorkerContext<"readsPerIpPerS" | "allowInsecureHosts"> {
	/** Ports, one to each fan-out thread. */
	ports: MessagePort[];
}

/** A client that was idle may make requests for so many seconds at once. */
const BURST_S = 5;
/** Addresses that are remembered, at some 100 bytes each. */
const ADDRESSES_MAX = 100_000;

serveRole<ReadsWorkerOptions, never, never, Control, ReadsService>((_, control) => {
	let index: IndexReader;
	let reads: ReadsService;

	async function start({ config, log, ports }: ReadsWorkerOptions, counters: Counters): Promise<void> {
		yieldToDataPath("reads");
		index = await openPlainReader(config.databaseUrl, log.marks, counters);
		const { readsPerIpPerS: perS } = config;
		const rateLimit = new RateLimit({ perS, burst: BURST_S * perS, keysMax: ADDRESSES_MAX });
		const allowInsecure = config.allowInsecureHosts;
		const why = {
			inquiry: new Inquiry({ index, control, allowInsecure }),
			handles: new HandleResolver({ guard: { allowInsecure }, userAgent: USER_AGENT, counters }),
			allowInsecure,
		};
		const app = createReadsApp({ index, counters, rateLimit, why });
		reads = serveReads((request, client) => app.fetch(request, client), counters);
		for (const port of ports) linkOver(port, { serves: () => reads, limits: READ_LIMITS });
	}

	return {
		start,
		command: () => undefined,
		drain: () => index.close(),
		serves: { read: (target, ip) => reads.read(target, ip) },
	};
});
