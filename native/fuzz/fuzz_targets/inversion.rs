//! The input is MST nodes and ops. Mutated blocks would not match their hashes, so the input has blocks without CIDs: the number of
//! blocks (one byte), each block after its length in two bytes, the number of ops (one byte), then the ops. The root is the last
//! block. A CID in blocks and ops whose digest begins with ff and an index stands for the CID of the earlier block at this index.

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
            // A call must leave nothing that changes the result of the next one.
            assert_eq!(verifier.invert(&bytes, car_length, ops), first);
        });
    }
});

/// Returns a CAR followed by the root and the ops; the length of the CAR; and the number of ops that the input states.
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

/// Puts the real CIDs in place of those that stand for them.
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
