/**
 * What a record says to the index, so that the index never parses a frame. Message facts are small fixed layouts, since
 * one is made for every message; control facts are DAG-CBOR.
 */

/** Of a `commit` or `sync` record: the account's repo is now at this commit. CIDs are binary, 36 bytes. */
export interface RepoFacts {
	did: string;
	rev: string;
	commit: Uint8Array;
	data: Uint8Array;
}

/** Of an `account` record: the account's status at its host. */
export interface AccountFacts {
	did: string;
	active: boolean;
	status: string | null;
}

/** Of an `identity` record. */
export interface IdentityFacts {
	did: string;
}

/** Of a `cursors` record: everything that these hosts sent up to `seq` is in the log or finally rejected. */
export interface CursorsFacts {
	cursors: { host: number; seq: number }[];
}

/** Host states of `com.atproto.sync.defs#hostStatus`. */
export type HostStatus = "active" | "idle" | "offline" | "throttled" | "banned";

/** Of a `host` record: the host's whole row, but for its cursor. */
export interface HostFacts {
	id: number;
	/** Lower-case DNS name, or `localhost:PORT`. */
	hostname: string;
	/** Connected to by ws:// instead of wss://. */
	insecure: boolean;
	status: HostStatus;
	/** Forget the cursor: the host starts again at its live end. */
	resetCursor: boolean;
}

/** Of a `didDocument` record: what a DID resolved to. */
export interface DidDocumentFacts {
	did: string;
	/** `did:key` of the #atproto signing key, or null where the document has no usable one. */
	signingKey: string | null;
	/** Origin of the #atproto_pds service, such as `https://pds.example`, or null. */
	pds: string | null;
	/** The PLC directory answered 410. */
	tombstoned: boolean;
	resolvedAtMs: number;
}
