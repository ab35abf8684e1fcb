import type { DelayedAccount } from "../../src/control/delays.ts";
import type {
	AccountView,
	ControlView,
	DelayView,
	HostView,
	IdentityView,
	LastRejection,
	Told,
	WorkerView,
} from "../../src/control/why.ts";
import type { RejectionReason } from "../../src/protocol/reasons.ts";
import type { WhyFacts } from "../../src/why/explain.ts";

export const DID = "did:plc:ewvi7nxzyoun6zhxrhs64oiz";
export const PDS = "pds.example.com";
export const OTHER = "other.example.com";

/** What the gates of an account answer, in their order, if nothing holds it. */
export const ALL_PASS = [
	...["known", "allowed", "connected", "within-limits", "resolved"],
	...["matches", "active", "has-room", "accepted", "written"],
];

const AT_MS = Date.UTC(2026, 10, 26);

export const HOST: HostView = {
	hostname: PDS,
	phase: "connected",
	ban: null,
	connectedAtMs: AT_MS,
	lastEventMs: AT_MS + 1,
	failures: 0,
	nextAttemptMs: null,
	lastError: null,
};

export const ACCOUNT: AccountView = {
	host: 1,
	hostSeq: 17,
	upstreamActive: true,
	upstreamStatus: null,
	localStatus: null,
	waitingSinceUs: null,
	rev: "3l4w7ujaqsk2x",
};

export const IDENTITY: IdentityView = {
	outcome: "resolved",
	detail: null,
	signingKey: "did:key:zQ3sh",
	pds: `https://${PDS}`,
	pdsHost: PDS,
	pdsFault: null,
	resolvedAtMs: AT_MS,
	knownFrom: "memory",
};

export const WORKER: WorkerView = { account: ACCOUNT, identity: IDENTITY, rejections: [], waiting: 0, waitingForMs: 0 };

export function rejection(reason: RejectionReason, others: Partial<LastRejection> = {}): LastRejection {
	return {
		...{ hostname: PDS, did: DID, type: "commit", reason, detail: `${reason}: it is wrong`, upstreamSeq: 18 },
		...{ atMs: AT_MS + 2, passedSince: false },
		...others,
	};
}

export function delays(limitOf: DelayedAccount["limitOf"], isOwn: boolean): DelayView {
	const account: DelayedAccount = { did: DID, messages: 3, bytes: 300, forMs: 20, window: "hour", limitOf };
	return {
		...{ forMs: 20, messages: 3, bytes: 300, accounts: 1, leftOut: 0, next: account, isLeftOut: false },
		account: isOwn ? account : null,
	};
}

/** Facts that can be changed, of an account of which everything passes. */
export class Facts {
	did: string | null = DID;
	view: ControlView = {
		hostname: PDS,
		host: HOST,
		accountHost: PDS,
		worker: { told: WORKER },
		delays: { told: null },
		hostRejection: { told: null },
		hostFailures: { told: [] },
		logStall: null,
	};
	noView: string | null = null;
	account: Told<AccountView | null> = { told: ACCOUNT };
	identity: Told<IdentityView | null> = { told: IDENTITY };

	host(change: Partial<HostView>): void {
		this.view = { ...this.view, host: { ...(this.view.host ?? HOST), ...change } };
	}

	worker(change: (worker: WorkerView) => Partial<WorkerView>): void {
		const { worker } = this.view;
		const before = worker !== null && "told" in worker ? worker.told : WORKER;
		this.view = { ...this.view, worker: { told: { ...before, ...change(before) } } };
	}

	reject(...rejections: LastRejection[]): void {
		this.worker((worker) => ({ rejections: [...rejections, ...worker.rejections] }));
	}

	resolved(change: Partial<IdentityView>): void {
		this.identity = { told: { ...IDENTITY, ...change } };
	}

	accountIs(change: Partial<AccountView>): void {
		this.account = { told: { ...ACCOUNT, ...change } };
	}

	get all(): WhyFacts {
		const { did, noView, account, identity } = this;
		return { did, account, identity, view: noView === null ? { told: this.view } : { untold: noView } };
	}
}
