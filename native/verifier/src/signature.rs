//! ECDSA over SHA-256, on both curves (rulebook 3).

use aws_lc_rs::digest::{Digest, SHA256};
use secp256k1::{Message, ecdsa};

use crate::keys::{Curve, KeyCache, PUBLIC_KEY_BYTES, PublicKey};
use crate::reason::Reason;

const SCALAR_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 2 * SCALAR_BYTES;

type Scalar = [u8; SCALAR_BYTES];

/// The order n of a curve, and n/2 rounded down.
struct Bounds {
    order: Scalar,
    half_order: Scalar,
}

const K256: Bounds = Bounds {
    order: scalar(0xffff_ffff_ffff_ffff_ffff_ffff_ffff_fffe, 0xbaae_dce6_af48_a03b_bfd2_5e8c_d036_4141),
    half_order: scalar(0x7fff_ffff_ffff_ffff_ffff_ffff_ffff_ffff, 0x5d57_6e73_57a4_501d_dfe9_2f46_681b_20a0),
};
const P256: Bounds = Bounds {
    order: scalar(0xffff_ffff_0000_0000_ffff_ffff_ffff_ffff, 0xbce6_faad_a717_9e84_f3b9_cac2_fc63_2551),
    half_order: scalar(0x7fff_ffff_8000_0000_7fff_ffff_ffff_ffff, 0xde73_7d56_d38b_cf42_79dc_e561_7e31_92a8),
};

const fn scalar(high: u128, low: u128) -> Scalar {
    let (high, low) = (high.to_be_bytes(), low.to_be_bytes());
    let mut bytes = [0; SCALAR_BYTES];
    let mut i = 0;
    while i < 16 {
        bytes[i] = high[i];
        bytes[16 + i] = low[i];
        i += 1;
    }
    bytes
}

/// Checks a signature over a digest: 64 bytes of r and s, both within [1, n-1], with s not above n/2 on either curve.
pub fn check_signature(
    signature: &[u8],
    digest: &[u8; 32],
    curve: Curve,
    public_key: &[u8; PUBLIC_KEY_BYTES],
    keys: &mut KeyCache,
) -> Result<(), Reason> {
    let Bounds { order, half_order } = match curve {
        Curve::K256 => &K256,
        Curve::P256 => &P256,
    };
    if signature.len() != SIGNATURE_BYTES {
        return Err(Reason::SignatureEncoding);
    }
    let (r, s) = signature.split_at(SCALAR_BYTES);
    let in_range = |scalar: &[u8]| scalar.iter().any(|&byte| byte != 0) && scalar < &order[..];
    if !in_range(r) || !in_range(s) {
        return Err(Reason::SignatureEncoding);
    }
    if s > &half_order[..] {
        return Err(Reason::SignatureHighS);
    }
    let key = keys.get(curve, public_key).ok_or(Reason::SignatureInvalid)?;
    if verifies(key, signature, digest) { Ok(()) } else { Err(Reason::SignatureInvalid) }
}

/// Verifies by the library alone, without our own range checks.
pub fn verifies(key: &PublicKey, signature: &[u8], digest: &[u8; 32]) -> bool {
    match key {
        PublicKey::K256(key) => ecdsa::Signature::from_compact(signature)
            .is_ok_and(|signature| ecdsa::verify(&signature, Message::from_digest(*digest), key).is_ok()),
        PublicKey::P256(key) => Digest::import_less_safe(digest, &SHA256)
            .is_ok_and(|digest| key.verify_digest_sig(&digest, signature).is_ok()),
    }
}
