//! Binary CIDs.

use crate::digest::sha256;
use crate::limits::CID_BYTES;

pub type Cid = [u8; CID_BYTES];

/// CIDv1, dag-cbor, sha2-256, 32 bytes of digest.
pub const BLESSED_PREFIX: [u8; 4] = [0x01, 0x71, 0x12, 0x20];

/// Whether a binary CID has the one form that commits, MST nodes and new records are linked by (rulebook 2.8, 2.11).
pub fn is_blessed(cid: &[u8]) -> bool {
    cid.len() == CID_BYTES && cid.starts_with(&BLESSED_PREFIX)
}

/// The CID of a DAG-CBOR block.
pub fn cid_of(block: &[u8]) -> Cid {
    let mut cid = [0; CID_BYTES];
    cid[..4].copy_from_slice(&BLESSED_PREFIX);
    cid[4..].copy_from_slice(&sha256(&[block]));
    cid
}
