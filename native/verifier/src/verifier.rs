//! One frame and one key in, one verdict out: checks 6 and 9 to 13 of the rulebook's table 2.6, in its order.

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::car::{Blocks, Header};
use crate::cbor::Malformed;
use crate::cid::{Cid, is_blessed};
use crate::collections::write_touched;
use crate::commit::{Commit, read_commit};
use crate::digest::{KeyHeights, sha256};
use crate::frame::{CommitFields, RepoMessage, scan_frame};
use crate::inversion::{Pending, invert};
use crate::keys::{Curve, KeyCache, PUBLIC_KEY_BYTES};
use crate::limits::{CID_BYTES, COMMIT_BLOCKS_BYTES_MAX, COMMIT_OPS_MAX, SYNC_BLOCKS_BYTES_MAX};
use crate::mst::{Arena, Tree};
use crate::mst_encode::{cid_of_tree, empty_tree};
use crate::mst_load::Loader;
use crate::ops::{Action, Ops};
use crate::reason::Reason;
use crate::signature::check_signature;
use crate::span::Span;
use crate::syntax::{collection_length, is_datetime};

/// If a message made the working memory larger than this, it is freed before the next message.
const RETAINED_BYTES_MAX: usize = 4 << 20;

/// The key that an account's commits are signed with: a compressed point.
#[derive(Clone, Copy)]
pub struct SigningKey<'a> {
    pub curve: Curve,
    pub public_key: &'a [u8; PUBLIC_KEY_BYTES],
}

/// The result for a `#commit` or `#sync`.
#[derive(Debug)]
pub struct Verdict<'a> {
    /// The first rule broken; none if the message is good. Rules that every relay enforces come before the strict ones.
    pub reason: Option<Reason>,
    /// Set if the message is good, or only the strict rules drop it.
    pub contents: Option<Contents<'a>>,
}

/// The result of one call.
#[derive(Debug)]
pub enum Outcome<'a> {
    Verdict(Verdict<'a>),
    /// The frame is a message that is neither `#commit` nor `#sync`.
    OtherMessage,
    /// The verifier itself failed. Nothing is known of the message, and the next one is not affected.
    Panic,
}

/// The contents of a message, borrowed from its frame. CIDs are binary, 36 bytes each.
#[derive(Clone, Copy, Debug)]
pub struct Contents<'a> {
    pub commit: &'a [u8],
    /// The root of the MST.
    pub data: &'a [u8],
}

/// A message that has passed the checks that every relay makes.
struct Checked<'a> {
    contents: Contents<'a>,
    /// The binary CID of the MST's root in the frame.
    data: Span,
    /// The strict rule that reading the message found broken, if any.
    strict_fault: Option<Reason>,
}

/// Verifies messages one after the other. Keeps working memory and parsed keys from one to the next.
pub struct Verifier {
    work: Workspace,
    keys: KeyCache,
}

#[derive(Default)]
struct Workspace {
    blocks: Blocks,
    ops: Ops,
    arena: Arena,
    heights: KeyHeights,
    loaded: Vec<bool>,
    pending: Vec<Pending>,
    scratch: Vec<u8>,
    /// The encoded list of the collections that the commit touches. No bytes unless the tree was found sound: a list of no
    /// collections has bytes too.
    touched: Vec<u8>,
}

impl Verifier {
    /// `key_cache_bytes_max` limits the memory for parsed public keys.
    pub fn new(key_cache_bytes_max: usize) -> Self {
        Self { work: Workspace::default(), keys: KeyCache::new(key_cache_bytes_max) }
    }

    /// Verifies a frame.
    pub fn verify<'a>(&mut self, frame: &'a [u8], key: SigningKey<'_>) -> Outcome<'a> {
        self.guard(|verifier| verifier.judge(frame, key)).unwrap_or(Outcome::Panic)
    }

    /// Only undoes ops, for test vectors that are not whole commits. `bytes` are a CAR, the root of the tree after the ops, and the
    /// ops, whose paths need only contain a slash. Returns the root before the ops; none if there was a panic.
    pub fn invert(&mut self, bytes: &[u8], car_length: usize, ops_count: usize) -> Option<Result<Cid, Reason>> {
        self.guard(|verifier| verifier.work.invert(bytes, car_length, ops_count))
    }

    /// Only checks a signature, over any message.
    pub fn check_signature(&mut self, message: &[u8], signature: &[u8], key: SigningKey<'_>) -> Result<(), Reason> {
        check_signature(signature, &sha256(&[message]), key.curve, key.public_key, &mut self.keys)
    }

    /// The encoded list of the collections that the commit of the last call touches (see `collections`). No bytes unless its tree
    /// was found sound.
    pub fn touched(&self) -> &[u8] {
        &self.work.touched
    }

    /// Catches a panic, which is a bug of ours. Returns none then, and replaces the working memory, which may be half-written.
    fn guard<T>(&mut self, run: impl FnOnce(&mut Self) -> T) -> Option<T> {
        catch_unwind(AssertUnwindSafe(|| run(self))).map_err(|_| self.work = Workspace::default()).ok()
    }

    fn judge<'a>(&mut self, frame: &'a [u8], key: SigningKey<'_>) -> Outcome<'a> {
        if self.work.capacity_bytes() > RETAINED_BYTES_MAX {
            self.work = Workspace::default();
        }
        let Self { work, keys } = self;
        work.touched.clear();
        let message = match scan_frame(frame) {
            Ok(Some(message)) => message,
            Ok(None) => return Outcome::OtherMessage,
            Err(reason) => return Outcome::Verdict(Verdict { reason: Some(reason), contents: None }),
        };
        let checked = match &message.commit {
            Some(fields) => work.check_commit(frame, &message, fields, key, keys),
            None => work.check_sync(frame, &message, key, keys),
        };
        Outcome::Verdict(match checked {
            Err(reason) => Verdict { reason: Some(reason), contents: None },
            Ok(Checked { contents, data, strict_fault }) => {
                let reason = strict_fault.or_else(|| work.check_strictly(frame, &message, data).err());
                Verdict { reason, contents: Some(contents) }
            }
        })
    }
}

impl<'a> Checked<'a> {
    fn new(frame: &'a [u8], root: &'a [u8], data: Span, strict_fault: Option<Reason>) -> Self {
        Self { contents: Contents { commit: root, data: data.of(frame) }, data, strict_fault }
    }
}

impl Workspace {
    fn capacity_bytes(&self) -> usize {
        // The rest grows with the number of ops or blocks, as `blocks` and `arena` do, and takes less memory than those.
        self.blocks.capacity_bytes() + self.arena.capacity_bytes() + self.scratch.capacity()
    }

    fn invert(&mut self, bytes: &[u8], car_length: usize, ops_count: usize) -> Result<Cid, Reason> {
        let root = Span::new(car_length, CID_BYTES);
        let slash = |path: &[u8]| path.iter().position(|&byte| byte == b'/');
        self.touched.clear();
        self.blocks.read(bytes, Span::new(0, car_length))?;
        self.ops.read(bytes, root.end(), ops_count, slash)?.map_or(Ok(()), Err)?;
        let after = self.load_tree(bytes, root)?;
        let (before, root) = self.undo_ops(bytes, after)?;
        self.list_touched(bytes, before, after);
        Ok(root)
    }

    /// Makes the checks 6 and 9 to 12, in this order.
    fn check_commit<'a>(
        &mut self,
        frame: &'a [u8],
        message: &RepoMessage<'a>,
        fields: &CommitFields<'a>,
        key: SigningKey<'_>,
        keys: &mut KeyCache,
    ) -> Result<Checked<'a>, Reason> {
        check_blocks_length(message.blocks)?;
        if fields.ops_count > COMMIT_OPS_MAX {
            return Err(Reason::OpsTooMany);
        }
        let Header { root, strict_fault } = self.blocks.read(frame, message.blocks)?;
        if root != fields.cid {
            return Err(Reason::CarRootMismatch);
        }
        let commit = self.check_signed(frame, root, message, key, keys)?;
        let op_fault = self.ops.read(frame, fields.ops_start, fields.ops_count, collection_length)?;
        let record_fault = self.ops.check_records(frame, &self.blocks)?;
        // If an op is not sound, the ops can't be undone. It is then a strict fault, and the tree is not checked.
        let strict_fault = strict_fault.or(op_fault).or(record_fault);
        Ok(Checked::new(frame, root, commit.data, strict_fault))
    }

    /// Makes those of the checks 6 and 9 to 11 that concern a `#sync`.
    fn check_sync<'a>(
        &mut self,
        frame: &'a [u8],
        message: &RepoMessage<'a>,
        key: SigningKey<'_>,
        keys: &mut KeyCache,
    ) -> Result<Checked<'a>, Reason> {
        check_blocks_length(message.blocks)?;
        let Header { root, strict_fault } = self.blocks.read(frame, message.blocks)?;
        if !is_blessed(root) {
            return Err(Reason::CarMalformed);
        }
        let commit = self.check_signed(frame, root, message, key, keys)?;
        let is_too_long = message.blocks.len() > SYNC_BLOCKS_BYTES_MAX;
        let strict_fault = if is_too_long { Some(Reason::BlocksTooLarge) } else { strict_fault };
        Ok(Checked::new(frame, root, commit.data, strict_fault))
    }

    fn check_signed<'a>(
        &mut self,
        frame: &'a [u8],
        root: &[u8],
        message: &RepoMessage<'a>,
        key: SigningKey<'_>,
        keys: &mut KeyCache,
    ) -> Result<Commit<'a>, Reason> {
        let block = self.blocks.find(frame, root).ok_or(Reason::CarBlockMissing)?;
        let data = self.blocks.get(block).data();
        let commit = read_commit(frame, data).map_err(|Malformed| Reason::CommitMalformed)?;
        if commit.did != message.did {
            return Err(Reason::CommitDidMismatch);
        }
        if commit.rev != message.rev {
            return Err(Reason::CommitRevMismatch);
        }
        check_signature(commit.signature, &sha256(&commit.unsigned()), key.curve, key.public_key, keys)?;
        Ok(commit)
    }

    /// Makes the checks whose failures a lenient relay only counts.
    fn check_strictly(&mut self, frame: &[u8], message: &RepoMessage<'_>, data: Span) -> Result<(), Reason> {
        if let Some(fields) = &message.commit {
            self.check_tree(frame, fields, data)?;
            // These come last, so that they are reported only if nothing before them is wrong.
            if fields.too_big {
                return Err(Reason::TooBigFlag);
            }
            if fields.rebase {
                return Err(Reason::RebaseFlag);
            }
        }
        if is_datetime(message.time) { Ok(()) } else { Err(Reason::TimeSyntax) }
    }

    /// Check 13: the part of the tree that the commit carries is sound, and undoing its ops gives the tree before it.
    fn check_tree(&mut self, frame: &[u8], fields: &CommitFields<'_>, data: Span) -> Result<(), Reason> {
        let after = self.load_tree(frame, data)?;
        // Before a repo's first commit the tree was empty (rulebook 2.6, notes).
        let expected: Cid = match fields.prev_data {
            Some(cid) => cid.try_into().map_err(|_| Reason::MessageSchema)?,
            None if fields.has_since => return Err(Reason::PrevDataMissing),
            None => empty_tree(),
        };
        let (before, root) = self.undo_ops(frame, after)?;
        if root != expected {
            return Err(Reason::PrevDataMismatch);
        }
        self.list_touched(frame, before, after);
        Ok(())
    }

    fn list_touched(&mut self, frame: &[u8], before: Tree, after: Tree) {
        write_touched(&self.ops, &self.arena, frame, before, after, &mut self.touched);
    }

    /// The tree before the ops, and the CID of its root.
    fn undo_ops(&mut self, frame: &[u8], after: Tree) -> Result<(Tree, Cid), Reason> {
        let Self { ops, arena, heights, pending, scratch, .. } = self;
        if ops.list.iter().any(|op| op.action != Action::Create && op.prev.is_none()) {
            return Err(Reason::PrevDataMissing);
        }
        let before = invert(arena, frame, after, ops, heights, pending)?;
        scratch.clear();
        Ok((before, cid_of_tree(arena, frame, scratch, arena.trim_top(before))))
    }

    fn load_tree(&mut self, frame: &[u8], root: Span) -> Result<Tree, Reason> {
        self.arena.clear();
        let Self { blocks, arena, heights, loaded, .. } = self;
        Loader { frame, blocks, arena, heights, loaded }.load(root).map_err(|Malformed| Reason::MstMalformed)
    }
}

/// Checks the length of `blocks`. A sync may be as long as a commit; its own limit is a strict rule.
fn check_blocks_length(blocks: Span) -> Result<(), Reason> {
    if blocks.is_empty() {
        Err(Reason::BlocksEmpty)
    } else if blocks.len() > COMMIT_BLOCKS_BYTES_MAX {
        Err(Reason::BlocksTooLarge)
    } else {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: SigningKey<'_> = SigningKey { curve: Curve::K256, public_key: &[2; PUBLIC_KEY_BYTES] };

    #[test]
    fn a_panic_costs_one_message() {
        let mut verifier = Verifier::new(1 << 20);
        assert_eq!(verifier.invert(b"", 1, 0), None, "a length beyond the bytes");
        let Outcome::Verdict(verdict) = verifier.verify(b"", KEY) else { panic!("no verdict") };
        assert_eq!(verdict.reason, Some(Reason::FrameMalformed));
    }
}
