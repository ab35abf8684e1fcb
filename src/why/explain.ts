// why/: which gates a message of an account or a host passes, and which one holds it now, in words. It changes nothing.

import { isActive } from "../account/status.ts";
import type {
	AccountView,
	ControlView,
	DelayView,
	HostView,
	IdentityView,
	LastRejection,
	Told,
} from "../control/why.ts";
import { REJECTION_REASONS, type RejectionReason } from "../protocol/reasons.ts";
import { tidToMicroseconds } from "../protocol/syntax.ts";
import { REJECTION_ADVICE } from "./advice.ts";
import { type AnswerName, GATE_NAMES, type GateName, HOST_GATES, ruleOf } from "./answers.ts";

/** All that was found out for an answer. */
export interface WhyFacts {
	/** The DID that is asked for; null if a host is. */
	did: string | null;
	view: Told<ControlView>;
	/** Null if no message of the account was seen, and the operator has said nothing of it. */
	account: Told<AccountView | null>;
	/** Null if it was not looked up yet. */
	identity: Told<IdentityView | null>;
}

/** What is told of a gate beyond its answer. Texts in it may be a stranger's. */
export type GateFacts = Readonly<Record<string, string | number | boolean | null>>;

export interface Gate {
	gate: GateName;
	/** `not-reached`: a gate before it holds. */
	state: "pass" | "hold" | "unknown" | "not-reached";
	answer: string;
	/** What the answer means. One of the texts in `answers.ts`. */
	words: string;
	/** More about it; null if there is no more to say. */
	detail: string | null;
	/** What the owner of the PDS can do; null unless the gate holds. */
	action: string | null;
	facts: GateFacts;
}

/** `not-known`: the relay knows nothing of the account or the host. `unknown`: no gate holds, and one can't be judged now. */
export type Verdict = "passes" | "held" | "not-known" | "unknown";

export interface Explanation {
	verdict: Verdict;
	/** The gate that holds, and there is at most one; null if none does. */
	heldBy: GateName | null;
	/** In their order. */
	gates: Gate[];
}

interface Finding<G extends GateName> {
	answer: AnswerName<G>;
	detail?: string | null;
	facts?: GateFacts;
}

/** Which gates messages pass now, and which one holds them. Pure. */
export function explain(facts: WhyFacts): Explanation {
	const names = facts.did === null ? GATE_NAMES.filter((name) => HOST_GATES.has(name)) : GATE_NAMES;
	let heldBy: GateName | null = null;
	const gates: Gate[] = [];
	for (const name of names) {
		const gate = judge(name, facts);
		if (heldBy !== null) gates.push({ ...gate, state: "not-reached", action: null });
		else gates.push(gate);
		if (gate.state === "hold") heldBy ??= name;
	}
	return { verdict: verdictOf(gates, heldBy), heldBy, gates };
}

function verdictOf(gates: readonly Gate[], heldBy: GateName | null): Verdict {
	if (heldBy === "host-known") return "not-known";
	if (heldBy !== null) return "held";
	return gates.some(({ state }) => state === "unknown") ? "unknown" : "passes";
}

function judge(gate: GateName, whyFacts: WhyFacts): Gate {
	const { answer, detail = null, facts = {} } = JUDGES[gate](whyFacts);
	const { effect, words, action } = ruleOf(gate, answer);
	return { gate, state: effect, answer, words, detail, action: effect === "pass" ? null : action, facts };
}

const JUDGES: { readonly [G in GateName]: (facts: WhyFacts) => Finding<G> } = {
	"host-known": (facts) =>
		withView(facts, ({ hostname, host }) => {
			if (host !== null) return { answer: "known", facts: { hostname } };
			if (hostname !== null) return { answer: "host-unknown", facts: { hostname } };
			// Without the index, another host may be known.
			if ("untold" in facts.account) return unknown(facts.account.untold);
			if ("untold" in facts.identity) return unknown(facts.identity.untold);
			return { answer: "account-unseen" };
		}),
	"host-allowed": (facts) => withHost(facts, "allowed", judgeAllowed),
	"host-connected": (facts) => withHost(facts, "connected", judgeConnected),
	limits: (facts) =>
		withView(facts, ({ delays }) =>
			"untold" in delays ? unknown(delays.untold) : judgeDelays(delays.told, facts.did !== null),
		),
	identity: (facts) =>
		"untold" in facts.identity
			? unknown(facts.identity.untold)
			: judgeIdentity(facts.identity.told, rejectionsOf(facts), waitingOf(facts)),
	pds: judgePds,
	status: ({ account }) => ("untold" in account ? unknown(account.untold) : judgeStatus(account.told)),
	quota: ({ account }) => ("untold" in account ? unknown(account.untold) : judgeQuota(account.told)),
	repo: (facts) => withView(facts, (view) => (facts.did === null ? judgeHostRepo(view) : judgeRepo(facts, view))),
	log: (facts) =>
		withView(facts, ({ logStall }) =>
			logStall === null ? { answer: "written" } : { answer: "stalled", detail: logStall },
		),
};

function unknown(why: string): { answer: "unknown"; detail: string } {
	return { answer: "unknown", detail: why };
}

function withView<G extends GateName>(
	{ view }: WhyFacts,
	judgeView: (view: ControlView) => Finding<G>,
): Finding<G> | ReturnType<typeof unknown> {
	return "untold" in view ? unknown(view.untold) : judgeView(view.told);
}

/** @param otherwise the answer for a host that is not known, which an earlier gate has said */
function withHost<G extends GateName>(
	facts: WhyFacts,
	otherwise: AnswerName<G>,
	judgeHost: (host: HostView) => Finding<G>,
): Finding<G> | ReturnType<typeof unknown> {
	return withView<G>(facts, ({ host }) => (host === null ? { answer: otherwise } : judgeHost(host)));
}

function judgeAllowed({ hostname, ban, phase, lastError }: HostView): Finding<"host-allowed"> {
	if (ban?.by === "host") return { answer: "host-banned", facts: { hostname } };
	if (ban !== null) return { answer: "domain-banned", facts: { hostname, domain: ban.domain } };
	if (phase === "barred") return { answer: "relay-itself", detail: lastError?.text ?? null, facts: { hostname } };
	return { answer: "allowed", facts: { hostname } };
}

function judgeConnected(host: HostView): Finding<"host-connected"> {
	const { phase, connectedAtMs, lastEventMs, failures, nextAttemptMs, lastError } = host;
	const facts = {
		connectedAt: timeOf(connectedAtMs),
		lastMessageAt: timeOf(lastEventMs),
		failures,
		nextAttemptAt: timeOf(nextAttemptMs),
		lastError: lastError?.text ?? null,
		lastErrorAt: timeOf(lastError?.atMs ?? null),
	};
	if (phase === "connected") return { answer: "connected", facts };
	if (phase === "stopped") return { answer: "relay-stopping", facts };
	if (lastError === null) return { answer: "in-turn", facts };
	return { answer: "down", detail: `${lastError.text}; ${lastError.advice}`, facts };
}

function judgeDelays(delays: DelayView | null, isAccount: boolean): Finding<"limits"> {
	if (delays === null) return { answer: "within-limits" };
	const { messages, bytes, accounts, leftOut, forMs, next, account, isLeftOut } = delays;
	const reason = isAccount ? account : next;
	const facts = {
		waitingMessages: messages,
		waitingBytes: bytes,
		waitingAccounts: accounts,
		leftOutAccounts: leftOut,
		waitingForMs: Math.round(forMs),
		window: reason?.window ?? null,
		limitOf: reason?.limitOf ?? null,
	};
	if (!isAccount) return { answer: "host-waits", facts };
	if (account === null && !isLeftOut) return { answer: "others-wait", facts };
	return { answer: account?.limitOf === "host" ? "host-waits" : "account-waits", facts };
}

/** Messages that wait for so long are not just on their way: a lookup takes up to 5 s. */
const STUCK_AFTER_MS = 10_000;

/** What rejections say of an identity that nobody has in memory any more. */
const IDENTITY_ANSWERS: Partial<Record<RejectionReason, AnswerName<"identity">>> = {
	"identity-not-found": "did-not-found",
	"identity-tombstoned": "did-tombstoned",
	"identity-unresolvable": "lookup-waits",
	"identity-malformed": "document-invalid",
};

function judgeIdentity(
	identity: IdentityView | null,
	rejections: readonly LastRejection[],
	{ waiting, isStuck }: Waiting,
): Finding<"identity"> {
	if (identity === null) {
		const rejection = rejections.find(({ reason, passedSince }) => !passedSince && reason in IDENTITY_ANSWERS);
		const answer = rejection === undefined ? undefined : IDENTITY_ANSWERS[rejection.reason];
		if (answer !== undefined) return { answer, detail: rejection?.detail ?? null };
		return { answer: waiting > 0 ? "lookup-waits" : "not-needed-yet", facts: { waitingMessages: waiting } };
	}
	const { outcome, detail, signingKey, pds, resolvedAtMs, knownFrom } = identity;
	const facts = { signingKey, pds, resolvedAt: timeOf(resolvedAtMs), knownFrom };
	switch (outcome) {
		case "resolved":
			if (signingKey !== null && isStuck)
				return { answer: "lookup-waits", facts: { ...facts, waitingMessages: waiting } };
			return { answer: signingKey === null ? "no-signing-key" : "resolved", detail, facts };
		case "not-found":
			return { answer: "did-not-found", detail, facts };
		case "tombstoned":
			return { answer: "did-tombstoned", detail, facts };
		case "malformed":
			return { answer: "document-invalid", detail, facts };
		case "unavailable":
			return { answer: "lookup-waits", detail, facts };
	}
}

/** A stranger could send messages of any account: they count only as long as the PDS in the document was never the account's host. */
function judgePds(facts: WhyFacts): Finding<"pds"> {
	if ("untold" in facts.identity) return unknown(facts.identity.untold);
	if ("untold" in facts.view) return unknown(facts.view.untold);
	const identity = facts.identity.told;
	if (identity?.outcome !== "resolved") return { answer: "not-compared-yet" };
	const { pdsHost, pdsFault } = identity;
	const { accountHost } = facts.view.told;
	const known = { documentNames: pdsHost, lastMessageFrom: accountHost };
	if (pdsHost === null) return { answer: "no-pds", detail: pdsFault, facts: known };
	const other = rejectionsOf(facts).find(
		({ reason, hostname, passedSince }) => reason === "host-mismatch" && hostname !== pdsHost && !passedSince,
	);
	if (other === undefined || accountHost === pdsHost) return { answer: "matches", facts: known };
	return {
		answer: "other-host-sends",
		detail: `${other.hostname} sends, and the DID document names ${pdsHost}`,
		facts: { ...known, ...rejectionFacts(other) },
	};
}

const HERE: Readonly<Record<string, AnswerName<"status">>> = {
	takendown: "taken-down-here",
	suspended: "suspended-here",
};

function judgeStatus(account: AccountView | null): Finding<"status"> {
	if (account === null) return { answer: "not-told-yet" };
	const { upstreamActive, upstreamStatus, localStatus } = account;
	const facts = {
		activeAtPds: upstreamActive,
		statusAtPds: upstreamStatus,
		statusHere: localStatus,
		active: isActive(account),
	};
	if (localStatus !== null)
		return { answer: (Object.hasOwn(HERE, localStatus) ? HERE[localStatus] : undefined) ?? "held-here", facts };
	if (upstreamActive) return { answer: "active", facts };
	return { answer: upstreamStatus === "deleted" ? "deleted-at-pds" : "inactive-at-pds", detail: upstreamStatus, facts };
}

function judgeQuota(account: AccountView | null): Finding<"quota"> {
	if (account === null) return { answer: "no-account" };
	const { waitingSinceUs } = account;
	if (waitingSinceUs === null) return { answer: "has-room" };
	// A worker does not know since when.
	return { answer: "no-room", facts: { waitingSince: waitingSinceUs === 0 ? null : timeOf(waitingSinceUs / 1000) } };
}

function judgeRepo(facts: WhyFacts, { hostname }: ControlView): Finding<"repo"> {
	if ("untold" in facts.account) return unknown(facts.account.untold);
	const { view } = facts;
	if ("told" in view && view.told.worker !== null && "untold" in view.told.worker)
		return unknown(view.told.worker.untold);
	const account = facts.account.told;
	const rejection = rejectionsOf(facts).find((last) => last.hostname === hostname && !isOfOtherGate(last.reason));
	const known = {
		...acceptedFacts(account),
		...(rejection === undefined ? {} : rejectionFacts(rejection)),
	};
	if (rejection === undefined)
		return { answer: (account?.rev ?? null) === null ? "nothing-yet" : "accepted", facts: known };
	return { answer: rejection.passedSince ? "accepted-since" : "rejected", detail: rejection.detail, facts: known };
}

function judgeHostRepo({ hostRejection }: ControlView): Finding<"repo"> {
	if ("untold" in hostRejection) return unknown(hostRejection.untold);
	const rejection = hostRejection.told;
	if (rejection === null) return { answer: "accepted" };
	return {
		answer: "some-rejected",
		detail: rejection.detail,
		facts: { did: rejection.did, ...rejectionFacts(rejection) },
	};
}

const OTHER_GATES: ReadonlySet<RejectionReason> = new Set(["host-mismatch", "account-inactive", "account-throttled"]);

/** Rejections that an earlier gate tells of. */
function isOfOtherGate(reason: RejectionReason): boolean {
	return OTHER_GATES.has(reason) || reason in IDENTITY_ANSWERS;
}

function acceptedFacts(account: AccountView | null): GateFacts {
	const rev = account?.rev ?? null;
	return {
		acceptedRev: rev,
		acceptedRevAt: rev === null ? null : timeOf(Math.floor(tidToMicroseconds(rev) / 1000)),
		acceptedSeqOfPds: account?.hostSeq ?? null,
	};
}

function rejectionFacts({ hostname, type, reason, upstreamSeq, atMs }: LastRejection): GateFacts {
	return {
		rejectedFrom: hostname,
		rejectedType: type,
		rejectedReason: reason,
		rejectedMeaning: REJECTION_REASONS[reason].meaning,
		rejectedSeqOfPds: upstreamSeq,
		rejectedAt: timeOf(atMs),
		advice: REJECTION_ADVICE[reason],
	};
}

function rejectionsOf({ view }: WhyFacts): readonly LastRejection[] {
	if ("untold" in view || view.told.worker === null || "untold" in view.told.worker) return [];
	return view.told.worker.told.rejections;
}

interface Waiting {
	/** Messages of the account that wait at its worker. */
	waiting: number;
	/** Whether they have been waiting for too long to be on their way, and for nothing but a lookup. */
	isStuck: boolean;
}

function waitingOf({ view, account }: WhyFacts): Waiting {
	if ("untold" in view || view.told.worker === null || "untold" in view.told.worker)
		return { waiting: 0, isStuck: false };
	const { waiting, waitingForMs } = view.told.worker.told;
	// Without the index, they may wait for the account's row.
	const mayBeOther = view.told.logStall !== null || "untold" in account;
	return { waiting, isStuck: waitingForMs >= STUCK_AFTER_MS && !mayBeOther };
}

/** Of times that strangers wrote, not all are dates. */
function timeOf(ms: number | null): string | null {
	if (ms === null) return null;
	const date = new Date(ms);
	return Number.isNaN(date.getTime()) ? null : date.toISOString();
}
