import { encode } from "@atcute/cbor";
import { FRAME_BYTES_MAX } from "../../src/protocol/limits.ts";
import { REJECTION_REASON_NAMES, type RejectionReason } from "../../src/protocol/reasons.ts";
import type { SimAccount } from "../../src/sim/account.ts";
import { BROKEN_COMMIT_REASONS, brokenCommit } from "../../src/sim/broken-commit.ts";
import { linkOf, sealCommit, sealSync, signCommit } from "../../src/sim/commit.ts";
import { encodeFrame, joinFrame, type SimMessage } from "../../src/sim/message.ts";
import type { SimNetwork } from "../../src/sim/network.ts";
import { firstMessages } from "../../src/sim/traffic.ts";

/** What a test needs after the bad message was sent. */
export interface BadOutcome {
	/** The account whose next good message must be accepted after `heal`. */
	account: SimAccount;
	/** Ends the situation that the reason needed, with the messages that a PDS would send about it. */
	heal: () => void;
}

/** The reasons that a message can cause. An internal error needs a bug in the relay, and a throttled account a relay with a limit. */
export type BadReason = Exclude<RejectionReason, "internal-error" | "account-throttled">;

export const BAD_REASONS = REJECTION_REASON_NAMES.filter(
	(reason): reason is BadReason => reason !== "internal-error" && reason !== "account-throttled",
);

type BadScript = (network: SimNetwork, account: SimAccount) => Promise<BadOutcome>;

/** The account's next commit, sealed but not applied, so that the one after it is good whatever becomes of this one. */
async function looseCommit(account: SimAccount): Promise<SimMessage> {
	const draft = await account.draft([account.newRecord()]);
	return sealCommit(draft, signCommit(draft.commit, account.key));
}

/** The frame of an `#identity` of the account, with a further field of `paddingBytes`. */
function identityFrame(network: SimNetwork, account: SimAccount, paddingBytes = 0): Uint8Array<ArrayBuffer> {
	const message = account.identity();
	if (paddingBytes > 0) message.body.padding = "x".repeat(paddingBytes);
	return encodeFrame(message, network.hostOf(account).lastSeq + 1);
}

/** A script that sends bytes, or a text message, that are not a valid frame. */
function rawScript(
	reason: RejectionReason,
	make: (network: SimNetwork, account: SimAccount) => Uint8Array<ArrayBuffer> | string,
): BadScript {
	return async (network, account) => {
		network.sendRaw(account, make(network, account), reason);
		return { account, heal: () => undefined };
	};
}

/** A script that sends a good commit of an account that no relay has seen before, and whose identity is broken. */
function strangerScript(
	reason: RejectionReason,
	disorder: (network: SimNetwork, did: string) => void,
	makeStranger = (network: SimNetwork): Promise<SimAccount> => network.addAccount(),
): BadScript {
	return async (network) => {
		const stranger = await makeStranger(network);
		// Its repo has a history that was never sent, so that only the identity decides about the commit.
		await stranger.commit();
		disorder(network, stranger.did);
		network.send(stranger, await looseCommit(stranger), reason);
		const heal = (): void => {
			network.plc.clearFaults();
			network.moveAccount(stranger, network.hostOf(stranger));
			network.send(stranger, stranger.identity());
			network.send(stranger, stranger.account(true));
		};
		return { account: stranger, heal };
	};
}

/** A good commit, and after it a `#sync` of another signed commit with the same rev. */
const sendFork: BadScript = async (network, account) => {
	const data = account.data;
	network.send(account, await account.commit());
	if (data === null || account.rev === null) throw new Error("the account needs a commit");
	const commit = { did: account.did, version: 3, data: linkOf(data), rev: account.rev, prev: null };
	const fork = await sealSync(commit, signCommit(commit, account.key), account.clock.datetime());
	network.send(account, fork, "sync-fork");
	return { account, heal: () => undefined };
};

/** A good commit that is sent by another host than the account's. */
const sendFromOtherHost: BadScript = async (network, account) => {
	const other = network.hosts.find((host) => host !== network.hostOf(account));
	if (other === undefined) throw new Error("a host mismatch needs two hosts");
	network.send(account, await looseCommit(account), "host-mismatch", other);
	return { account, heal: () => undefined };
};

/** A good commit right after the account was deactivated. */
const sendWhileInactive: BadScript = async (network, account) => {
	network.send(account, account.account(false, "deactivated"));
	network.send(account, await looseCommit(account), "account-inactive");
	return { account, heal: () => void network.send(account, account.account(true)) };
};

/** A good commit with the seq of the message before it. */
const sendOldSeq: BadScript = async (network, account) => {
	network.send(account, account.identity());
	const frame = encodeFrame(await looseCommit(account), network.hostOf(account).lastSeq);
	network.sendRaw(account, frame, "seq-not-increasing");
	return { account, heal: () => undefined };
};

const commitScripts = Object.fromEntries(
	BROKEN_COMMIT_REASONS.map((reason): [string, BadScript] => [
		reason,
		async (network, account) => {
			network.send(account, await brokenCommit(reason, account), reason);
			return { account, heal: () => undefined };
		},
	]),
) as Record<(typeof BROKEN_COMMIT_REASONS)[number], BadScript>;

const SCRIPTS: Record<BadReason, BadScript> = {
	...commitScripts,
	/** A text message. */
	"frame-text": rawScript("frame-text", () => "#commit"),
	/** An `#identity` that is good except for one unknown field, which makes it too long. */
	"frame-too-large": rawScript("frame-too-large", (network, account) =>
		identityFrame(network, account, FRAME_BYTES_MAX),
	),
	/** A good frame with a third object after its two. */
	"frame-malformed": rawScript("frame-malformed", (network, account) =>
		Buffer.concat([identityFrame(network, account), encode(null)]),
	),
	/** A header of op 1 without `t`. */
	"frame-header": rawScript("frame-header", (network, account) =>
		joinFrame({ op: 1 }, { ...account.identity().body, seq: network.hostOf(account).lastSeq + 1 }),
	),
	"seq-not-increasing": sendOldSeq,
	"host-mismatch": sendFromOtherHost,
	/** The directory answers 404. */
	"identity-not-found": strangerScript("identity-not-found", (network, did) => network.plc.unregister(did)),
	/** The directory answers 410. */
	"identity-tombstoned": strangerScript("identity-tombstoned", (network, did) => network.plc.tombstone(did)),
	/** The did:web's host answers 500, until healed. For a did:plc, the relay would wait. */
	"identity-unresolvable": strangerScript(
		"identity-unresolvable",
		(network, did) => network.plc.setFault(did, { kind: "status", status: 500 }),
		(network) => network.webAccount(),
	),
	/** The document has no verification method, until healed. */
	"identity-malformed": strangerScript("identity-malformed", (network, did) =>
		network.plc.setFault(did, { kind: "replace", members: { verificationMethod: [] } }),
	),
	/** An `#account` with a NUL in its status. */
	"status-syntax": async (network, account) => {
		network.send(account, account.account(true, "take\0down"), "status-syntax");
		return { account, heal: () => undefined };
	},
	"account-inactive": sendWhileInactive,
	"sync-fork": sendFork,
};

/**
 * Sends a message that a relay must reject for `reason` and no other, and notes it in `network.sent`. All else about the message is
 * right: it is really signed and chains to what was sent before. Good messages that the reason needs before the bad one are sent
 * too, and are noted in `network.sent` as good.
 * @param account one of the network's; reasons about a DID's identity use a new account instead
 */
export async function sendBad(reason: BadReason, network: SimNetwork, account: SimAccount): Promise<BadOutcome> {
	if (account.rev === null) for (const message of await firstMessages(account)) network.send(account, message);
	return SCRIPTS[reason](network, account);
}
