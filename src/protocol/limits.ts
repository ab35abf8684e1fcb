/**
 * Every limit that the protocol sets, and those that we chose because the protocol asks for a limit but gives no number. Units
 * come last in each name. Rulebook sections are in brackets.
 */

/** A WebSocket message, all overhead included [1.2.9]. */
export const FRAME_BYTES_MAX = 5_000_000;
/** How much of that an arriving message must leave free: our seq may be longer, and the relay may add fields [2.9]. */
export const FRAME_ROOM_BYTES = 1_000;
/** The CAR slice of a `#commit` [2.1]. */
export const COMMIT_BLOCKS_BYTES_MAX = 2_000_000;
/** The CAR of a `#sync`, which holds the commit block only [2.2]. */
export const SYNC_BLOCKS_BYTES_MAX = 10_000;
/** Ops in a `#commit` [2.1]. */
export const COMMIT_OPS_MAX = 200;
/** A record of a repo; the specification's softer 1,000,000 is not enforced [2.1]. */
export const REPO_RECORD_BYTES_MAX = 1_048_576;
/** The greatest `seq` or other integer: numbers are exact up to this [1.5, 2.13]. */
export const INTEGER_MAX = Number.MAX_SAFE_INTEGER;

/** Nesting of CBOR containers [2.13]. */
export const CBOR_DEPTH_MAX = 32;
/** Elements of one CBOR container in a block [2.13]. */
export const CBOR_CONTAINER_ITEMS_MAX = 131_072;
/** Elements of one CBOR container in header and payload. Consumers in Go fail on a longer one [2.13]. */
export const FRAME_CONTAINER_ITEMS_MAX = 8_192;
/** A CBOR map key [2.13]. */
export const CBOR_KEY_BYTES_MAX = 8_192;
/** A binary CID, wherever one is read [2.13]. */
export const CID_BYTES_MAX = 100;
/** A binary CIDv1 of a sha2-256 hash: version, codec, hash code, length, digest. */
export const CID_BYTES = 36;
/** A varint. With seven bits in each byte, it has 63 bits [2.7, 2.13]. */
export const VARINT_BYTES_MAX = 9;

/** Blocks of one CAR slice. A commit of 200 ops with proofs stays far below this. */
export const CAR_BLOCKS_MAX = 65_536;
/** Roots in a CAR header; the first one counts [2.7]. */
export const CAR_ROOTS_MAX = 16;

/** A record path, which is also the MST key [2.10]. */
export const PATH_BYTES_MAX = 1_024;
/** A record key [2.10]. */
export const RKEY_CHARS_MAX = 512;
/** A collection NSID [2.10]. */
export const NSID_CHARS_MAX = 317;
/** A DID [4]. */
export const DID_CHARS_MAX = 2_048;
/** A host's DNS name. */
export const HOSTNAME_CHARS_MAX = 253;
/** A datetime string [2.13]. */
export const DATETIME_CHARS_MAX = 64;
/** `status` of an `#account`; the known values are far shorter. */
export const STATUS_CHARS_MAX = 128;

/** Entries of one MST node. Keys that were not chosen for their hashes stay far below this [2.11]. */
export const MST_NODE_ENTRIES_MAX = 1_024;
/** Total length of the keys in a commit's MST nodes. Prefix compression lets a small CAR expand to very many bytes [2.11]. */
export const MST_KEY_BYTES_MAX = 16 * 1024 * 1024;
/** Depth of an MST. Nobody has the computing power to find a key that lies deeper [2.11]. */
export const MST_DEPTH_MAX = 32;

/** How far a `rev` may lie in the future [2.6, check 7]. */
export const REV_FUTURE_MS_MAX = 5 * 60 * 1000;
