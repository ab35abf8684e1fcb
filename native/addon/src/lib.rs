//! The thin boundary between N-API and the verifier: it unpacks arguments and writes results. The verifier catches panics.

use napi::bindgen_prelude::{Error, Result, Uint8Array, Uint8ArraySlice};
use napi_derive::napi;
use standpipe_verifier::keys::{Curve, PUBLIC_KEY_BYTES};
use standpipe_verifier::reason::Reason;
use standpipe_verifier::{SigningKey, Verifier};

mod result;

/// Version of the result's layout.
#[napi]
pub const LAYOUT_VERSION: u32 = result::LAYOUT_VERSION;

/// Length of a result in bytes.
#[napi]
pub const RESULT_BYTES: u32 = result::RESULT_BYTES as u32;

/// The names of the reasons in the order of their codes, from code 1 on.
#[napi]
pub fn reason_names() -> Vec<&'static str> {
    Reason::NAMES.to_vec()
}

/// Verifies messages one after the other. Each thread has its own.
#[napi(js_name = "Verifier")]
pub struct NativeVerifier {
    verifier: Verifier,
}

#[napi]
impl NativeVerifier {
    #[napi(constructor)]
    pub fn new(key_cache_bytes_max: u32) -> Self {
        Self { verifier: Verifier::new(key_cache_bytes_max as usize) }
    }

    /// Verifies the frame, writes the result and returns its code. The frame must not change during the call.
    #[napi]
    pub fn verify(
        &mut self,
        frame: &[u8],
        public_key: &[u8],
        is_p256: bool,
        mut result: Uint8ArraySlice<'_>,
    ) -> Result<u32> {
        // SAFETY: this is the caller's own memory. Nothing else uses it during this call, and it is not the frame's memory.
        let result = unsafe { result.as_mut() };
        if result.len() < result::RESULT_BYTES {
            return Err(Error::from_reason("the result is too short"));
        }
        let key = SigningKey { curve: curve(is_p256), public_key: point(public_key)? };
        let outcome = self.verifier.verify(frame, key);
        Ok(u32::from(result::write(result, &outcome, self.verifier.touched())))
    }
}

/// Parts of the verifier by themselves, for test vectors that are not whole commits.
#[napi]
impl NativeVerifier {
    /// Returns the code of the reason for which a signature is refused, or 0 if it is valid.
    #[napi]
    pub fn check_signature(
        &mut self,
        message: &[u8],
        signature: &[u8],
        public_key: &[u8],
        is_p256: bool,
    ) -> Result<u32> {
        let key = SigningKey { curve: curve(is_p256), public_key: point(public_key)? };
        let checked = self.verifier.check_signature(message, signature, key);
        Ok(checked.map_or_else(|reason| u32::from(reason.code()), |()| 0))
    }

    /// Undoes ops. `bytes` are a CAR, the root of the tree after the ops, and the ops. Returns the binary CID of the root before
    /// the ops, followed by the list of the collections that they touch. If they can't be undone, returns one byte: the code of
    /// the reason, or of a panic.
    #[napi]
    pub fn invert(&mut self, bytes: &[u8], car_length: u32, ops_count: u32) -> Uint8Array {
        match self.verifier.invert(bytes, car_length as usize, ops_count as usize) {
            Some(Ok(root)) => Uint8Array::from([&root[..], self.verifier.touched()].concat()),
            Some(Err(reason)) => Uint8Array::from(vec![reason.code()]),
            None => Uint8Array::from(vec![result::CODE_PANIC]),
        }
    }
}

/// A lower bound of the time to verify, for the bench: see `floor`.
#[napi(js_name = "Floor")]
#[derive(Default)]
pub struct NativeFloor {
    floor: standpipe_verifier::floor::Floor,
}

#[napi]
impl NativeFloor {
    #[napi(constructor)]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a good message.
    #[napi]
    pub fn add(&mut self, frame: &[u8], public_key: &[u8], is_p256: bool) -> Result<()> {
        self.floor
            .add(frame, curve(is_p256), point(public_key)?)
            .ok_or_else(|| Error::from_reason("the frame has no commit to verify"))
    }

    /// Hashes and verifies every message once. Returns how many of the signatures are valid.
    #[napi]
    pub fn run(&self) -> u32 {
        self.floor.run() as u32
    }
}

fn curve(is_p256: bool) -> Curve {
    if is_p256 { Curve::P256 } else { Curve::K256 }
}

fn point(bytes: &[u8]) -> Result<&[u8; PUBLIC_KEY_BYTES]> {
    bytes.try_into().map_err(|_| Error::from_reason("a public key has 33 bytes"))
}
