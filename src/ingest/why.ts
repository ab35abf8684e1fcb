import type { HostWorkerView, WorkerView } from "../control/why.ts";
import type { IdentityCache } from "../identity/cache.ts";
import { identityViewOf } from "../why/identity-view.ts";
import type { AccountCache } from "./did/accounts.ts";
import type { Shard } from "./did/shard.ts";
import type { Hosts } from "./host/hosts.ts";
import type { HostFailures } from "./host-failures.ts";
import type { LastRejections } from "./last-rejections.ts";

export interface IngestWhyParts {
	accounts: Pick<AccountCache, "peek">;
	identities: Pick<IdentityCache, "peek">;
	lastRejections: Pick<LastRejections, "of">;
	failures: Pick<HostFailures, "countsOf" | "lastRejection">;
	shard: Pick<Shard, "waitingOf">;
	hosts: Pick<Hosts, "delayView">;
	/** The clock of arrivals. */
	nowMs?: () => number;
}

/** What this worker can tell of why messages do not pass. It looks into its memory only, and changes nothing there. */
export class IngestWhy {
	readonly #parts: IngestWhyParts;

	constructor(parts: IngestWhyParts) {
		this.#parts = parts;
	}

	/** @param hostIds hosts that may have sent messages of the account */
	account(did: string, hostIds: readonly number[]): WorkerView {
		const { accounts, identities, lastRejections, shard, nowMs = () => performance.now() } = this.#parts;
		const lanes = [...new Set(hostIds)].map((hostId) => shard.waitingOf(did, hostId)).filter((lane) => lane !== null);
		const account = accounts.peek(did);
		const resolution = identities.peek(did);
		return {
			account: account === null ? null : viewOf(account),
			identity: resolution === null ? null : identityViewOf(resolution, "memory"),
			rejections: lastRejections.of(did),
			waiting: lanes.reduce((sum, { messages }) => sum + messages, 0),
			waitingForMs: lanes.reduce((longest, { sinceMs }) => Math.max(longest, nowMs() - sinceMs), 0),
		};
	}

	host(hostId: number, did: string | null): HostWorkerView {
		const { failures, hosts } = this.#parts;
		return {
			delays: hosts.delayView(hostId, did),
			rejection: failures.lastRejection(hostId),
			failures: failures.countsOf(hostId),
		};
	}
}

function viewOf(account: NonNullable<ReturnType<AccountCache["peek"]>>): NonNullable<WorkerView["account"]> {
	const { host, hostSeq, upstreamActive, upstreamStatus, localStatus, waitingSinceUs, rev } = account;
	return { host, hostSeq, upstreamActive, upstreamStatus, localStatus, waitingSinceUs, rev };
}
