//! The input is a key (a byte for the curve, 33 for the point) and a frame as a stranger could send it.

#![no_main]

use std::cell::RefCell;

use libfuzzer_sys::fuzz_target;
use standpipe_verifier::keys::Curve;
use standpipe_verifier::{Outcome, SigningKey, Verifier};

thread_local! {
    static VERIFIER: RefCell<Verifier> = RefCell::new(Verifier::new(1 << 20));
}

fuzz_target!(|input: &[u8]| {
    let Some((&[curve, ref public_key @ ..], frame)) = input.split_first_chunk::<34>() else { return };
    let curve = if curve & 1 == 0 { Curve::K256 } else { Curve::P256 };
    let public_key = public_key.try_into().expect("33 bytes");
    VERIFIER.with_borrow_mut(|verifier| {
        let outcome = verifier.verify(frame, SigningKey { curve, public_key });
        // The verifier turns panics into this outcome. Panics are what this target looks for.
        assert!(!matches!(outcome, Outcome::Panic));
    });
});
