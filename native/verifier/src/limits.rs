//! The limits of `src/protocol/limits.ts`, under the same names.

pub const FRAME_BYTES_MAX: usize = 5_000_000;
pub const COMMIT_BLOCKS_BYTES_MAX: usize = 2_000_000;
pub const SYNC_BLOCKS_BYTES_MAX: usize = 10_000;
pub const COMMIT_OPS_MAX: usize = 200;
pub const RECORD_BYTES_MAX: usize = 1_048_576;
pub const INTEGER_MAX: u64 = (1 << 53) - 1;

pub const CBOR_DEPTH_MAX: usize = 32;
pub const CBOR_CONTAINER_ITEMS_MAX: usize = 131_072;
pub const FRAME_CONTAINER_ITEMS_MAX: usize = 8_192;
pub const CBOR_KEY_BYTES_MAX: usize = 8_192;
pub const CID_BYTES_MAX: usize = 100;
pub const CID_BYTES: usize = 36;
pub const VARINT_BYTES_MAX: usize = 9;

pub const CAR_BLOCKS_MAX: usize = 65_536;
pub const CAR_ROOTS_MAX: usize = 16;

pub const PATH_BYTES_MAX: usize = 1_024;
pub const RKEY_CHARS_MAX: usize = 512;
pub const NSID_CHARS_MAX: usize = 317;
pub const DID_CHARS_MAX: usize = 2_048;
pub const DATETIME_CHARS_MAX: usize = 64;

pub const MST_NODE_ENTRIES_MAX: usize = 1_024;
pub const MST_KEY_BYTES_MAX: usize = 16 * 1024 * 1024;
pub const MST_DEPTH_MAX: u8 = 32;
