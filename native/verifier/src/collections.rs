//! Whether the collections that a commit touches were empty before it and are empty after it, in the bytes that a record of the
//! log says it in. `src/verify/touched.ts` is the home of this layout.

use crate::limits::{COMMIT_OPS_MAX, NSID_CHARS_MAX};
use crate::mst::{Arena, Tree};
use crate::ops::Ops;

/// What can be told of a collection from a tree of which parts may be absent. The discriminants are those of the layout.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
enum Fill {
    /// Keys of the collection could only lie in a part of the tree that is absent.
    Unknown = 0,
    Empty = 1,
    Filled = 2,
}

/// The count of collections.
const COUNT_BYTES: usize = 2;
/// What comes before a name: the fills and the length of the name.
const ENTRY_HEAD_BYTES: usize = 3;
/// The fill after the commit is in the bits above the fill before it.
const AFTER_SHIFT: u8 = 2;

/// The longest list that the ops of a commit can make.
pub const TOUCHED_BYTES_MAX: usize = COUNT_BYTES + COMMIT_OPS_MAX * (ENTRY_HEAD_BYTES + NSID_CHARS_MAX);

/// Writes the list of the collections of some ops, each once, in the order of their paths.
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

/// Whether a tree has keys with a prefix. All of them lie beside each other, so at each node there is one child to look
/// into where the node itself has none.
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
