//! The input is a commit block. The bytes that are taken as signed must be a canonical item, shorter than the block by its `sig`.

#![no_main]

use libfuzzer_sys::fuzz_target;
use standpipe_verifier::cbor::{Strictness, skip_item};
use standpipe_verifier::commit::read_commit;
use standpipe_verifier::span::Span;

fuzz_target!(|input: &[u8]| {
    let Ok(commit) = read_commit(input, Span::new(0, input.len())) else { return };
    let unsigned = commit.unsigned().concat();
    assert_eq!(skip_item(&unsigned, 0, Strictness::Canonical), Ok(unsigned.len()));
    assert!(unsigned.len() + commit.signature.len() < input.len());
});
