//! The signed commit object (rulebook 2.8).

use crate::cbor::{Major, Malformed, MapKeys, Read, Scanner, write_head};
use crate::cid::is_blessed;
use crate::limits::{DID_CHARS_MAX, RECORD_BYTES_MAX};
use crate::span::Span;
use crate::syntax::is_tid;

const COMMIT_VERSION: u64 = 3;
const TID_CHARS: usize = 13;

pub struct Commit<'a> {
    pub did: &'a [u8],
    pub rev: &'a [u8],
    /// Where the binary CID of the MST's root lies in the frame.
    pub data: Span,
    /// Of any length.
    pub signature: &'a [u8],
    /// The signed bytes: the same map without `sig`, including fields that we don't know. They are a new head, and the bytes before
    /// and after the pair of `sig`.
    unsigned_head: Vec<u8>,
    unsigned_pairs: [&'a [u8]; 2],
}

impl Commit<'_> {
    /// The bytes that were signed, in pieces.
    pub fn unsigned(&self) -> [&[u8]; 3] {
        let [before, behind] = self.unsigned_pairs;
        [&self.unsigned_head, before, behind]
    }
}

#[derive(Default)]
struct Fields<'a> {
    did: Option<&'a [u8]>,
    rev: Option<&'a [u8]>,
    data: Option<Span>,
    /// The outer option: whether the field is there. It may be null but not absent, since that would change the signed bytes.
    prev: Option<Option<&'a [u8]>>,
    version: Option<u64>,
    /// The signature, and the offsets at which its pair of key and value begins and ends.
    signature: Option<(&'a [u8], usize, usize)>,
}

/// Reads a commit block. The scan accepts only canonical DAG-CBOR, so encoding the commit again would give the same bytes, and the
/// unsigned form can be cut out of the block.
pub fn read_commit(frame: &[u8], block: Span) -> Read<Commit<'_>> {
    let bytes = &frame[..block.end()];
    let mut scanner = Scanner::canonical(bytes, block.start());
    let mut fields = Fields::default();
    let pairs = scanner.map()?;
    let pairs_start = scanner.offset();
    let mut keys = MapKeys::default();
    for _ in 0..pairs {
        scan_pair(&mut scanner, &mut keys, &mut fields)?;
    }
    scanner.expect_end()?;
    let data = fields.data.filter(|cid| is_blessed(cid.of(frame))).ok_or(Malformed)?;
    let prev = fields.prev.ok_or(Malformed)?;
    if fields.version != Some(COMMIT_VERSION) || !prev.is_none_or(is_blessed) {
        return Err(Malformed);
    }
    let (signature, pair_start, pair_end) = fields.signature.ok_or(Malformed)?;
    let mut unsigned_head = Vec::with_capacity(5);
    write_head(&mut unsigned_head, Major::Map, pairs - 1);
    Ok(Commit {
        did: fields.did.ok_or(Malformed)?,
        rev: fields.rev.filter(|rev| is_tid(rev)).ok_or(Malformed)?,
        data,
        signature,
        unsigned_head,
        unsigned_pairs: [&bytes[pairs_start..pair_start], &bytes[pair_end..]],
    })
}

fn scan_pair<'a>(scanner: &mut Scanner<'a>, keys: &mut MapKeys<'a>, fields: &mut Fields<'a>) -> Read<()> {
    let start = scanner.offset();
    match keys.next(scanner)? {
        b"did" => fields.did = Some(scanner.text(DID_CHARS_MAX)?),
        b"rev" => fields.rev = Some(scanner.text(TID_CHARS)?),
        b"data" => {
            let length = scanner.cid()?.len();
            fields.data = Some(Span::new(scanner.offset() - length, length));
        }
        b"prev" => fields.prev = Some(if scanner.null() { None } else { Some(scanner.cid()?) }),
        b"version" => fields.version = Some(scanner.unsigned()?),
        b"sig" => {
            let signature = scanner.bytes(RECORD_BYTES_MAX)?;
            fields.signature = Some((signature, start, scanner.offset()));
        }
        _ => scanner.skip(1)?,
    }
    Ok(())
}
