//! Public keys, which are parsed once and cached.

use std::collections::HashMap;
use std::mem;

use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED, ParsedPublicKey};

/// Length of a compressed point.
pub const PUBLIC_KEY_BYTES: usize = 33;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Curve {
    K256,
    P256,
}

pub enum PublicKey {
    K256(secp256k1::PublicKey),
    P256(ParsedPublicKey),
}

impl PublicKey {
    /// None if `bytes` are not a compressed point of the curve.
    pub fn parse(curve: Curve, bytes: &[u8; PUBLIC_KEY_BYTES]) -> Option<Self> {
        match curve {
            Curve::K256 => secp256k1::PublicKey::from_slice(bytes).ok().map(Self::K256),
            Curve::P256 => ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, bytes).ok().map(Self::P256),
        }
    }

    /// Approximate memory of a key in the cache, with its id and table slot. A parsed P-256 key has many small allocations.
    fn held_bytes(curve: Curve) -> usize {
        match curve {
            Curve::K256 => 192,
            Curve::P256 => 1_536,
        }
    }
}

type KeyId = (Curve, [u8; PUBLIC_KEY_BYTES]);

/// Parsed keys within a limit of bytes. There are two generations. A key that is asked for becomes young. When the young keys fill
/// half of the limit, they become the old ones, and the former old ones are forgotten.
pub struct KeyCache {
    young: HashMap<KeyId, PublicKey>,
    old: HashMap<KeyId, PublicKey>,
    young_bytes: usize,
    bytes_max: usize,
}

impl KeyCache {
    pub fn new(bytes_max: usize) -> Self {
        Self { young: HashMap::new(), old: HashMap::new(), young_bytes: 0, bytes_max }
    }

    /// Number of keys in the cache.
    pub fn count(&self) -> usize {
        self.young.len() + self.old.len()
    }

    /// The parsed key; none if `bytes` are not a point of the curve.
    pub fn get(&mut self, curve: Curve, bytes: &[u8; PUBLIC_KEY_BYTES]) -> Option<&PublicKey> {
        let id = (curve, *bytes);
        if !self.young.contains_key(&id) {
            let key = match self.old.remove(&id) {
                Some(key) => key,
                None => PublicKey::parse(curve, bytes)?,
            };
            if self.young_bytes + PublicKey::held_bytes(curve) > self.bytes_max / 2 {
                self.old = mem::take(&mut self.young);
                self.young_bytes = 0;
            }
            self.young_bytes += PublicKey::held_bytes(curve);
            self.young.insert(id, key);
        }
        self.young.get(&id)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Candidates for points of secp256k1, with ascending x. About half of them are points.
    fn points() -> impl Iterator<Item = [u8; PUBLIC_KEY_BYTES]> {
        (1u32..).map(|x| {
            let mut point = [0; PUBLIC_KEY_BYTES];
            point[0] = 2;
            point[29..].copy_from_slice(&x.to_be_bytes());
            point
        })
    }

    #[test]
    fn keeps_within_its_limit() {
        let mut cache = KeyCache::new(20 * PublicKey::held_bytes(Curve::K256));
        let good = points().filter(|point| KeyCache::new(0).get(Curve::K256, point).is_some()).take(100);
        for point in good {
            assert!(cache.get(Curve::K256, &point).is_some());
            assert!(cache.count() <= 20);
        }
        assert!(cache.count() >= 10);
    }

    #[test]
    fn no_point_is_no_key() {
        let mut cache = KeyCache::new(1 << 20);
        assert!(cache.get(Curve::K256, &[0xff; PUBLIC_KEY_BYTES]).is_none());
        assert!(cache.get(Curve::P256, &[0; PUBLIC_KEY_BYTES]).is_none());
        assert_eq!(cache.count(), 0);
    }
}
