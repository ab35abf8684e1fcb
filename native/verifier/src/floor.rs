//! A lower bound of the time to verify, for the bench: it checks the same signatures with the same libraries, and hashes the same
//! bytes, but does nothing else.

use crate::car::Blocks;
use crate::commit::read_commit;
use crate::digest::sha256;
use crate::frame::scan_frame;
use crate::keys::{Curve, PUBLIC_KEY_BYTES, PublicKey};
use crate::signature::verifies;
use crate::span::Span;

/// The parts of a good message, found in advance.
struct Prepared {
    frame: Vec<u8>,
    blocks: Vec<Span>,
    unsigned: Vec<u8>,
    signature: Vec<u8>,
    key: PublicKey,
}

/// Messages whose blocks can be hashed and whose signatures can be verified without looking at anything else.
#[derive(Default)]
pub struct Floor {
    messages: Vec<Prepared>,
}

impl Floor {
    /// Adds a message. Returns none if it has no commit that can be read.
    pub fn add(&mut self, frame: &[u8], curve: Curve, public_key: &[u8; PUBLIC_KEY_BYTES]) -> Option<()> {
        let message = scan_frame(frame).ok()??;
        let mut blocks = Blocks::default();
        let root = blocks.read(frame, message.blocks).ok()?.root;
        let block = blocks.get(blocks.find(frame, root)?).data();
        let commit = read_commit(frame, block).ok()?;
        self.messages.push(Prepared {
            blocks: (0..blocks.count()).map(|index| blocks.get(index).data()).collect(),
            unsigned: commit.unsigned().concat(),
            signature: commit.signature.to_vec(),
            key: PublicKey::parse(curve, public_key)?,
            frame: frame.to_vec(),
        });
        Some(())
    }

    /// Hashes and verifies every message once. Returns how many of the signatures are valid.
    pub fn run(&self) -> usize {
        self.messages.iter().filter(|message| message.run()).count()
    }
}

impl Prepared {
    fn run(&self) -> bool {
        let digests = self.blocks.iter().map(|block| sha256(&[block.of(&self.frame)])[0]);
        // The digests are used, so that the optimiser does not remove them.
        std::hint::black_box(digests.fold(0, |all, byte| all ^ byte));
        verifies(&self.key, &self.signature, &sha256(&[&self.unsigned]))
    }
}
