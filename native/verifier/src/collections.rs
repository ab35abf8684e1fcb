//! Whether the collections that a commit touches were empty before it and are empty after it.

use crate::mst::{Arena, Tree};
use crate::ops::Ops;
use crate::span::Span;

/// What can be told of a collection from a tree of which parts may be absent. The discriminant crosses the boundary.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Fill {
    /// Keys of the collection could only lie in a part of the tree that is absent.
    Unknown = 0,
    Empty = 1,
    Filled = 2,
}

/// A collection that a commit touches.
#[derive(Clone, Copy, Debug)]
pub struct Touched {
    /// Its name, in the frame.
    pub name: Span,
    pub before: Fill,
    pub after: Fill,
}

/// Lists the collections of some ops, ordered by name, each once.
pub fn list_touched(ops: &Ops, arena: &Arena, frame: &[u8], before: Tree, after: Tree, list: &mut Vec<Touched>) {
    list.clear();
    for &index in &ops.by_path {
        let op = ops.list[index as usize];
        let prefix = &op.path.of(frame)[..=op.collection_length];
        let name = Span::new(op.path.start(), op.collection_length);
        // Paths of one collection are neighbours in their order, because its name and the slash are a common prefix.
        if list.last().is_some_and(|last: &Touched| last.name.of(frame) == name.of(frame)) {
            continue;
        }
        list.push(Touched { name, before: fill(arena, before, prefix), after: fill(arena, after, prefix) });
    }
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
