//! The input is a CAR. Every block that the reader reports must be found by its CID.

#![no_main]

use libfuzzer_sys::fuzz_target;
use standpipe_verifier::car::Blocks;
use standpipe_verifier::span::Span;

fuzz_target!(|input: &[u8]| {
    let mut blocks = Blocks::default();
    let Ok(header) = blocks.read(input, Span::new(0, input.len())) else { return };
    for index in 0..blocks.count() {
        let block = blocks.get(index);
        let found = blocks.find(input, block.cid().of(input)).expect("a block that is there");
        assert_eq!(blocks.get(found).data().of(input), block.data().of(input));
    }
    let _ = blocks.find(input, header.root);
});
