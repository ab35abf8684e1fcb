//! The list of the collections that a commit touches, with whether each was empty before it and is empty after it.
//! `src/verify/touched.ts` describes the layout.

use crate::limits::{COMMIT_OPS_MAX, NSID_CHARS_MAX};
use crate::mst::{Arena, Tree};
use crate::ops::Ops;

/// What a tree, parts of which may be absent, tells about a collection. The discriminants are those of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Fill {
    /// The present part of the tree has no keys of the collection, but an absent part could have some.
    Unknown = 0,
    Empty = 1,
    Filled = 2,
}

/// Length of the number of collections.
const COUNT_BYTES: usize = 2;
/// Length of what comes before a name: the fills and the length of the name.
const ENTRY_HEAD_BYTES: usize = 3;
/// The fill after the commit is in the bits above the fill before it.
const AFTER_SHIFT: u8 = 2;

/// The longest list that the ops of a commit can make.
pub const TOUCHED_BYTES_MAX: usize = COUNT_BYTES + COMMIT_OPS_MAX * (ENTRY_HEAD_BYTES + NSID_CHARS_MAX);

/// Writes the list of the collections of some ops, each once, in the order of their paths. `before` and `after` are the trees
/// before and after the ops.
pub fn write_touched(ops: &Ops, arena: &Arena, frame: &[u8], before: Tree, after: Tree, list: &mut Vec<u8>) {
    list.clear();
    list.extend_from_slice(&[0; COUNT_BYTES]);
    let mut count: u16 = 0;
    let mut last: &[u8] = &[];
    for &index in &ops.by_path {
        let op = ops.list[index as usize];
        let prefix = &op.path.of(frame)[..=op.collection_length];
        // Paths of one collection are neighbours in their order, because its name and the slash are a common prefix.
        if prefix == last {
            continue;
        }
        last = prefix;
        count += 1;
        list.push(fill(arena, before, prefix) as u8 | (fill(arena, after, prefix) as u8) << AFTER_SHIFT);
        list.extend_from_slice(&(op.collection_length as u16).to_le_bytes());
        list.extend_from_slice(&prefix[..op.collection_length]);
    }
    list[..COUNT_BYTES].copy_from_slice(&count.to_le_bytes());
}

/// Whether a tree has keys with a prefix. Such keys are adjacent in the tree's order. So if a node has none itself, only one of its
/// children can have them.
fn fill(arena: &Arena, tree: Tree, prefix: &[u8]) -> Fill {
    let mut current = tree;
    loop {
        let node = match current {
            Tree::Empty => return Fill::Empty,
            Tree::Stub(_) => return Fill::Unknown,
            Tree::Node(index) => arena.node(index),
        };
        let index = arena.lower_bound(node, prefix);
        if arena.entries_of(node).get(index).is_some_and(|&entry| arena.key_of(entry).starts_with(prefix)) {
            return Fill::Filled;
        }
        current = arena.child(node, index);
    }
}
