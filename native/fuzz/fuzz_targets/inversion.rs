//! MST nodes and ops. Mutations would never get past the hashes, so the input has the blocks without their CIDs:
//! how many blocks there are, each with its length in two bytes, then how many ops, then the ops. The root is the last
//! block. In blocks and ops, a CID whose digest begins with ff and an index is that of the earlier block at this index.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use standpipe_verifier::Verifier;
use standpipe_verifier::cid::{BLESSED_PREFIX, Cid, cid_of};

thread_local! {
    static VERIFIER: RefCell<Verifier> = RefCell::new(Verifier::new(1 << 20));
}

fuzz_target!(|input: &[u8]| {
    if let Some((bytes, car_length, ops)) = build(input) {
        VERIFIER.with_borrow_mut(|verifier| {
            let first = verifier.invert(&bytes, car_length, ops);
            assert!(first.is_some(), "a panic");
            // Nothing of one call may show in the next.
            assert_eq!(verifier.invert(&bytes, car_length, ops), first);
        });
    }
});

/// A CAR, the root behind it, and the ops behind that; the CAR's length and how many ops there are said to be.
fn build(input: &[u8]) -> Option<(Vec<u8>, usize, usize)> {
    let (&count, mut rest) = input.split_first()?;
    let mut cids: Vec<Cid> = Vec::new();
    let mut sections = Vec::new();
    for _ in 0..count {
        let (length, behind) = rest.split_first_chunk::<2>()?;
        let (block, behind) = behind.split_at_checked(usize::from(u16::from_be_bytes(*length)))?;
        rest = behind;
        let block = link(block, &cids);
        let cid = cid_of(&block);
        write_section(&mut sections, &[&cid, &block]);
        cids.push(cid);
    }
    let root = cids.last()?;
    let (&ops, rest) = rest.split_first()?;
    let mut bytes = Vec::new();
    write_section(&mut bytes, &[b"\xa2\x65roots\x81\xd8\x2a\x58\x25\x00", root, b"\x67version\x01"]);
    bytes.extend_from_slice(&sections);
    let car_length = bytes.len();
    bytes.extend_from_slice(root);
    bytes.extend_from_slice(&link(rest, &cids));
    Some((bytes, car_length, usize::from(ops)))
}

/// Puts CIDs in the places that are kept for them.
fn link(bytes: &[u8], cids: &[Cid]) -> Vec<u8> {
    let mut linked = bytes.to_vec();
    let mut at = 0;
    while let Some(place) = linked.get_mut(at..at + size_of::<Cid>()) {
        if place.starts_with(&BLESSED_PREFIX)
            && place[4] == 0xff
            && let Some(cid) = cids.get(usize::from(place[5]))
        {
            place.copy_from_slice(cid);
        }
        at += 1;
    }
    linked
}

fn write_section(out: &mut Vec<u8>, chunks: &[&[u8]]) {
    let mut left = chunks.iter().map(|chunk| chunk.len()).sum::<usize>();
    while left >= 0x80 {
        out.push(left as u8 | 0x80);
        left >>= 7;
    }
    out.push(left as u8);
    out.extend(chunks.iter().copied().flatten());
}
