//! Binary CIDs.

use crate::digest::sha256;
use crate::limits::{CID_BYTES, VARINT_BYTES_MAX};

pub type Cid = [u8; CID_BYTES];

/// CIDv1, dag-cbor, sha2-256, 32 bytes of digest.
pub const BLESSED_PREFIX: [u8; 4] = [0x01, 0x71, 0x12, 0x20];

const VERSION: u8 = 0x01;
const CODEC_RAW: u8 = 0x55;
/// A CID of version 0 is the multihash alone: sha2-256, and 32 bytes of digest.
const V0_PREFIX: [u8; 2] = [0x12, 0x20];
const V0_BYTES: usize = 34;

/// Whether a binary CID has the one form that is allowed for commits, MST nodes and new records (rulebook 2.8, 2.11).
pub fn is_blessed(cid: &[u8]) -> bool {
    cid.len() == CID_BYTES && cid.starts_with(&BLESSED_PREFIX)
}

/// Whether a binary CID has a form that the data model allows: CIDv1 of dag-cbor or raw bytes, by sha2-256 (rulebook 2.13).
pub fn is_data_model(cid: &[u8]) -> bool {
    let [version, codec, hash, length] = BLESSED_PREFIX;
    cid.len() == CID_BYTES
        && cid[0] == version
        && (cid[1] == codec || cid[1] == CODEC_RAW)
        && cid[2] == hash
        && cid[3] == length
}

/// Whether the bytes are one complete CID of any codec and hash, with nothing after it (rulebook 2.13). It is either version 0, or
/// version 1 with varints in their shortest form and a digest of the length that it states.
pub fn is_whole(cid: &[u8]) -> bool {
    is_data_model(cid) || cid.len() == V0_BYTES && cid.starts_with(&V0_PREFIX) || is_whole_v1(cid).is_some()
}

fn is_whole_v1(cid: &[u8]) -> Option<()> {
    let (&VERSION, rest) = cid.split_first()? else { return None };
    let (_codec, rest) = split_varint(rest)?;
    let (_hash, rest) = split_varint(rest)?;
    let (length, digest) = split_varint(rest)?;
    (length == digest.len() as u64).then_some(())
}

/// The value of a varint in its shortest form, and the bytes after it.
fn split_varint(bytes: &[u8]) -> Option<(u64, &[u8])> {
    let end = 1 + bytes.iter().take(VARINT_BYTES_MAX).position(|&byte| byte < 0x80)?;
    let (varint, rest) = bytes.split_at(end);
    if end > 1 && varint[end - 1] == 0 {
        return None;
    }
    Some((varint.iter().rev().fold(0, |value, &byte| value << 7 | u64::from(byte & 0x7f)), rest))
}

/// The CID of a DAG-CBOR block.
pub fn cid_of(block: &[u8]) -> Cid {
    let mut cid = [0; CID_BYTES];
    cid[..4].copy_from_slice(&BLESSED_PREFIX);
    cid[4..].copy_from_slice(&sha256(&[block]));
    cid
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cid(prefix: &[u8], digest_length: usize) -> Vec<u8> {
        [prefix, &vec![7; digest_length]].concat()
    }

    #[test]
    fn whole_cids_are_told_from_broken_ones() {
        for (bytes, whole, data_model) in [
            (cid(&[0x01, 0x71, 0x12, 0x20], 32), true, true),
            (cid(&[0x01, 0x55, 0x12, 0x20], 32), true, true),
            (cid(&[0x01, 0x70, 0x12, 0x20], 32), true, false),
            (cid(&[0x01, 0x71, 0x13, 0x40], 64), true, false),
            (cid(&[0x01, 0x80, 0x04, 0xa0, 0xe4, 0x02, 0x20], 32), true, false),
            (cid(&[0x12, 0x20], 32), true, false),
            (cid(&[0x01, 0x71, 0x00, 0x00], 0), true, false),
            (cid(&[], 0), false, false),
            (cid(&[0x07], 0), false, false),
            (cid(&[0x00; 36], 0), false, false),
            (cid(&[0x02, 0x71, 0x12, 0x20], 32), false, false),
            (cid(&[0x01, 0x71, 0x12, 0x20], 31), false, false),
            (cid(&[0x01, 0x71, 0x12, 0x20], 33), false, false),
            (cid(&[0x12, 0x20], 33), false, false),
            (cid(&[0x01, 0xf1, 0x00, 0x12, 0x20], 32), false, false),
            (cid(&[0x01, 0x71, 0x12, 0xa0, 0x00], 32), false, false),
            (cid(&[0x01, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x01, 0x12, 0x20], 32), false, false),
            (cid(&[0x01, 0x80, 0x80, 0x80], 0), false, false),
        ] {
            assert_eq!(is_whole(&bytes), whole, "whole {bytes:02x?}");
            assert_eq!(is_data_model(&bytes), data_model, "data model {bytes:02x?}");
        }
    }
}
