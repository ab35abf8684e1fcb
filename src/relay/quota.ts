import type { Config } from "../config/settings.ts";
import type { HostManager } from "../hosts/manager.ts";
import type { IndexReader } from "../index/store.ts";
import type { Appender } from "../log/appender.ts";
import { controlEntry } from "../log/record/entry.ts";
import type { Counters } from "../observe/counters.ts";
import { Quota } from "../policy/quota.ts";
import { systemTiming } from "../runtime/timing.ts";
import { workerOf } from "../runtime/worker-of.ts";
import { hostRules, type Policy } from "./policy.ts";
import { at } from "./shared-memory.ts";
import type { IngestThread } from "./threads.ts";

/** How long a worker may take to have the admission of an account durable. More than a stall of the log that passes soon. */
const ADMIT_MS_MAX = 20_000;

interface QuotaParts extends Policy {
	config: Config;
	hosts: Pick<HostManager, "hostIdOf" | "goodDaysOf">;
	/** Of an index that has caught up with the log. */
	reader: IndexReader;
	appender: Appender;
	counters: Counters;
	ingest: readonly IngestThread[];
}

/** Counts the accounts of hosts. To be called before the ingest workers start. */
export function loadQuota(parts: QuotaParts): Promise<Quota> {
	const { config, hosts, reader, appender, counters, ingest } = parts;
	return Quota.load({
		reader,
		hostIdOf: (hostname) => hosts.hostIdOf(hostname),
		limitOf: hostRules(config, parts, hosts).accountLimitOf,
		answer: (worker, command) => at(ingest, worker).command(command),
		async admit(did, hostId) {
			const { requests } = at(ingest, workerOf(did, ingest.length));
			const reply = await requests.request("admitWaiting", [did, hostId], { timeoutMs: ADMIT_MS_MAX });
			return reply.answered && reply.answer.isAdmitted;
		},
		recount: (host) => appender.append(controlEntry("recount", { host })),
		counters,
		timing: systemTiming,
	});
}
