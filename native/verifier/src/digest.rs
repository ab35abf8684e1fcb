//! SHA-256, by the processor's instructions for it if it has them.

use sha2::block_api::compress256;
use sha2::{Digest, Sha256};

use crate::limits::PATH_BYTES_MAX;

const BLOCK_BYTES: usize = 64;
/// The last block holds at most this much of the message; the rest is padding and length.
const LAST_BLOCK_BYTES_MAX: usize = BLOCK_BYTES - 9;
const INITIAL_STATE: [u32; 8] =
    [0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19];

/// The digest of the concatenated chunks.
pub fn sha256(chunks: &[&[u8]]) -> [u8; 32] {
    let mut hasher = Sha256::new();
    for chunk in chunks {
        hasher.update(chunk);
    }
    hasher.finalize().into()
}

/// Finds the heights of MST keys: half the number of leading zero bits in their SHA-256, rounded down (rulebook 2.11.1).
///
/// The keys of a node share prefixes, which their encoding leaves out. So the hash states after each block of the previous key are
/// kept, and the cost of a key is proportional to its bytes in the node. Without this, a node of a few kilobytes could make us hash
/// a megabyte.
pub struct KeyHeights {
    /// `states[i]` is the hash state after the previous key's first `i` blocks, for each `i` up to `known`.
    states: [[u32; 8]; PATH_BYTES_MAX / BLOCK_BYTES + 1],
    known: usize,
}

impl Default for KeyHeights {
    fn default() -> Self {
        Self { states: [INITIAL_STATE; PATH_BYTES_MAX / BLOCK_BYTES + 1], known: 0 }
    }
}

impl KeyHeights {
    /// The height of a key of at most 1,024 bytes. Its first `shared` bytes must be those of the key of the previous call.
    pub fn height(&mut self, key: &[u8], shared: usize) -> u8 {
        let (blocks, tail) = key.as_chunks::<BLOCK_BYTES>();
        for index in self.known.min(shared / BLOCK_BYTES)..blocks.len() {
            let mut state = self.states[index];
            compress256(&mut state, &blocks[index..=index]);
            self.states[index + 1] = state;
        }
        self.known = blocks.len();
        leading_zeros(&finish(self.states[blocks.len()], tail, key.len())) / 2
    }
}

/// Hashes the rest of a message of `length` bytes, with its padding.
fn finish(mut state: [u32; 8], tail: &[u8], length: usize) -> [u32; 8] {
    let mut last = [[0; BLOCK_BYTES]; 2];
    last[0][..tail.len()].copy_from_slice(tail);
    last[0][tail.len()] = 0x80;
    let count = if tail.len() <= LAST_BLOCK_BYTES_MAX { 1 } else { 2 };
    last[count - 1][BLOCK_BYTES - 8..].copy_from_slice(&(length as u64 * 8).to_be_bytes());
    compress256(&mut state, &last[..count]);
    state
}

fn leading_zeros(state: &[u32; 8]) -> u8 {
    let zero_words = state.iter().take_while(|&&word| word == 0).count();
    let rest = state.get(zero_words).map_or(0, |word| word.leading_zeros());
    (zero_words as u32 * 32 + rest) as u8
}

#[cfg(test)]
mod tests {
    use super::*;

    fn height_by_digest(key: &[u8]) -> u8 {
        let digest = sha256(&[key]);
        let zeros = digest.iter().take_while(|&&byte| byte == 0).count();
        ((zeros * 8) as u32 + digest.get(zeros).map_or(0, |byte| byte.leading_zeros())) as u8 / 2
    }

    #[test]
    fn heights_of_the_specification() {
        for (key, height) in [
            ("", 0),
            ("asdf", 0),
            ("blue", 1),
            ("2653ae71", 0),
            ("88bfafc7", 2),
            ("2a92d355", 4),
            ("884976f5", 6),
            ("app.bsky.feed.post/454397e440ec", 4),
            ("app.bsky.feed.post/9adeb165882c", 8),
        ] {
            assert_eq!(KeyHeights::default().height(key.as_bytes(), 0), height, "{key}");
        }
    }

    #[test]
    fn shared_prefixes_change_no_height() {
        let mut heights = KeyHeights::default();
        let mut previous: Vec<u8> = Vec::new();
        for i in 0..4000usize {
            let length = i * 37 % (PATH_BYTES_MAX + 1);
            let mut key: Vec<u8> = (0..length).map(|at| (at / 64) as u8).collect();
            if let Some(last) = key.last_mut() {
                *last = i as u8;
            }
            let shared = key.iter().zip(&previous).take_while(|(a, b)| a == b).count();
            assert_eq!(heights.height(&key, shared), height_by_digest(&key), "{length} bytes, {shared} shared");
            previous = key;
        }
    }
}
