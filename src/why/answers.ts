/** `pass`: it holds nothing. `hold`: no message gets through until it changes. `unknown`: the relay can't say now. */
export type Effect = "pass" | "hold" | "unknown";

/** One answer of a gate. */
export interface AnswerRule {
	readonly effect: Effect;
	/** For the owner of a PDS. */
	readonly words: string;
	/** What they can do; null if there is nothing to do. */
	readonly action: string | null;
}

const ASK_CRAWL =
	'ask this relay to follow the PDS: POST /xrpc/com.atproto.sync.requestCrawl with {"hostname": "YOUR-PDS"}';
const ASK_OPERATOR = "write to the operator of this relay";

const unknown: AnswerRule = {
	effect: "unknown",
	words: "The relay can't say this now; `detail` says why.",
	action: "ask again in a minute",
};

/**
 * The gates that a message passes, in their order, and all that each may answer. The names are part of the API and must not change
 * once they are published. docs/why.md shows this list.
 */
export const WHY_ANSWERS = {
	/** The relay follows the host that the account's messages come from. */
	"host-known": {
		known: pass("The relay knows the host."),
		"host-unknown": hold("The relay does not know this host, so it gets none of its messages.", ASK_CRAWL),
		"account-unseen": hold(
			"The relay has never had a message of this account, and does not know where it lives.",
			`ask for the account's PDS with host=YOUR-PDS; if the relay does not know it, ${ASK_CRAWL}; then write a post`,
		),
		unknown,
	},
	/** The operator of the relay lets the host in. */
	"host-allowed": {
		allowed: pass("The host is not banned."),
		"host-banned": hold("The operator of this relay has banned the host.", ASK_OPERATOR),
		"domain-banned": hold("The operator of this relay has banned a domain that the host belongs to.", ASK_OPERATOR),
		"relay-itself": hold(
			"The host is a relay itself. Relays that follow each other would make a loop.",
			"make the name lead to a PDS, then write to the operator of this relay, who can ask for the host anew",
		),
		unknown,
	},
	/** The host's stream is open. */
	"host-connected": {
		connected: pass("The relay is connected to the host."),
		"in-turn": hold(
			"The relay is about to dial the host, or is dialling it now.",
			"wait a minute; if this stays, see that the PDS and its proxy run",
		),
		down: hold(
			"The relay could not connect to the host, or lost the connection. It tries again and again, at least once an hour.",
			"see `detail`; when the fault is mended, requestCrawl has the relay dial at once",
		),
		"relay-stopping": hold("The relay is shutting down.", "wait until it is back"),
		unknown,
	},
	/** No limit of the host's messages is reached. Beyond a limit messages wait; none is dropped. */
	limits: {
		"within-limits": pass("Nothing waits because of a limit."),
		"others-wait": pass(
			"Messages of other accounts of the host wait because of its limits. Those of this account pass.",
		),
		"host-waits": hold(
			"The host sends more messages than its limits allow. They wait, and none is lost.",
			"wait until the host sends less; for a lasting need, write to the operator of this relay",
		),
		"account-waits": hold(
			"The account has used up its share of the host's limits. Its messages wait, and none is lost.",
			"wait until it sends less, as after an import; the other accounts of the host are not affected",
		),
		unknown,
	},
	/** The relay knows the account's signing key and PDS. */
	identity: {
		resolved: pass("The DID document was found, with a signing key."),
		"not-needed-yet": pass("The DID document is looked up when the next message comes."),
		"lookup-waits": hold(
			"Messages wait until the DID document is found: the PLC directory, or the host of the did:web, does not answer.",
			"wait; for a did:web, see that https://DOMAIN/.well-known/did.json can be fetched",
		),
		"did-not-found": hold("The DID is not registered.", "see that the DID is the account's, and register it"),
		"did-tombstoned": hold(
			"The DID was given up for good in the PLC directory.",
			"nothing brings it back after 72 hours; before, the owner of a rotation key can undo it",
		),
		"document-invalid": hold("The DID document is invalid.", "correct the DID document; `detail` says what is wrong"),
		"no-signing-key": hold(
			"The DID document has no usable #atproto signing key.",
			"set the signing key of the account's PDS in the DID document",
		),
		unknown,
	},
	/** The PDS in the DID document is the host that sends. */
	pds: {
		matches: pass("The DID document names the host that the relay follows."),
		"not-compared-yet": pass("There is nothing to compare yet."),
		"no-pds": hold(
			"The DID document names no usable PDS.",
			"set the #atproto_pds service in the DID document to the https origin of the PDS",
		),
		"other-host-sends": hold(
			"A host sends messages of this account, but the DID document names another PDS, so they are refused.",
			"if the account has moved, set its new PDS in the DID document; if not, stop the old PDS",
		),
		unknown,
	},
	/** The account is active, both at its PDS and here. */
	status: {
		active: pass("The account is active, here and at its PDS."),
		"not-told-yet": pass("Nothing was said of the account's status yet, so it counts as active."),
		"taken-down-here": hold("The operator of this relay has taken the account down.", ASK_OPERATOR),
		"suspended-here": hold("The operator of this relay has suspended the account.", ASK_OPERATOR),
		"held-here": hold("The operator of this relay has set a status that holds the account.", ASK_OPERATOR),
		"inactive-at-pds": hold(
			"The PDS says that the account is not active.",
			"activate the account at its PDS; its next #account message reaches this relay",
		),
		"deleted-at-pds": hold(
			"The PDS says that the account is deleted.",
			"if it lives on, have the PDS send an #account message that says so",
		),
		unknown,
	},
	/** The host's accounts have room here. */
	quota: {
		"has-room": pass("The account has a place among those of its host."),
		"no-account": pass("There is no account yet that would need a place."),
		"no-room": hold(
			"The host has more accounts than this relay takes from it. This one waits for a place.",
			"delete accounts that are not used, or write to the operator of this relay for a higher limit",
		),
		unknown,
	},
	/** The account's messages keep the protocol's rules. */
	repo: {
		accepted: pass("The last message of the account was accepted."),
		"accepted-since": pass("A message was rejected, and others were accepted since."),
		"nothing-yet": pass("No commit of the account has come yet."),
		"some-rejected": pass("The last message that was rejected from this host is told for information."),
		rejected: hold(
			"The last message of the account broke a rule, and none was accepted since.",
			"see `detail` and `advice`; the reasons are explained in docs/reasons.md",
		),
		unknown,
	},
	/** The relay can write its log, without which no message is passed on. */
	log: {
		written: pass("The relay writes its log."),
		stalled: hold(
			"The relay can't write its log now, so the messages of all accounts wait. None is lost.",
			"wait: the fault is the relay's own, and its operator can see it",
		),
		unknown,
	},
} as const satisfies Record<string, Readonly<Record<string, AnswerRule>>>;

export type GateName = keyof typeof WHY_ANSWERS;
export type AnswerName<G extends GateName = GateName> = { [N in G]: keyof (typeof WHY_ANSWERS)[N] }[G] & string;

/** Every gate, in the order in which a message passes them. */
export const GATE_NAMES = Object.keys(WHY_ANSWERS) as GateName[];

/** The gates that a question for a host is about. The others are those of an account. */
export const HOST_GATES: ReadonlySet<GateName> = new Set([
	"host-known",
	"host-allowed",
	"host-connected",
	"limits",
	"repo",
	"log",
]);

export function ruleOf(gate: GateName, answer: string): AnswerRule {
	const rules: Readonly<Record<string, AnswerRule>> = WHY_ANSWERS[gate];
	const rule = Object.hasOwn(rules, answer) ? rules[answer] : undefined;
	if (rule === undefined) throw new RangeError(`the gate ${gate} has no answer ${answer}`);
	return rule;
}

function pass(words: string): AnswerRule {
	return { effect: "pass", words, action: null };
}

function hold(words: string, action: string): AnswerRule {
	return { effect: "hold", words, action };
}
