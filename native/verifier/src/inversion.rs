//! Undoes a commit's ops on the tree after the commit, which gives the tree before it (rulebook 2.12).

use crate::digest::KeyHeights;
use crate::mst::{Arena, EditError, PlacedKey, Tree};
use crate::ops::{Action, Op, Ops};
use crate::reason::Reason;
use crate::span::Span;

/// An op that has not been undone yet: its index, and its path in the arena.
#[derive(Clone, Copy)]
pub struct Pending {
    op: u32,
    key: Span,
}

/// Undoes the ops and returns the previous tree. Updates and deletes must have their `prev`.
///
/// Which nodes an undo needs depends on what was undone before it. So an undo that needs an absent node is tried again after the
/// others, until a whole round undoes nothing.
pub fn invert(
    arena: &mut Arena,
    frame: &[u8],
    tree: Tree,
    ops: &Ops,
    heights: &mut KeyHeights,
    pending: &mut Vec<Pending>,
) -> Result<Tree, Reason> {
    queue(arena, frame, ops, pending);
    let mut current = tree;
    while !pending.is_empty() {
        let before = pending.len();
        let mut result = Ok(());
        pending.retain(|&op| {
            if result.is_err() {
                return true;
            }
            match undo(arena, frame, current, ops.list[op.op as usize], op.key, heights) {
                Ok(undone) => {
                    current = undone;
                    false
                }
                Err(EditError::Partial) => true,
                Err(EditError::Mismatch) => {
                    result = Err(Reason::OpTreeMismatch);
                    true
                }
            }
        });
        result?;
        if pending.len() == before {
            return Err(Reason::MstPartial);
        }
    }
    Ok(current)
}

/// Deletes come first, since that way fewer undos have to be tried again; then by path.
fn queue(arena: &mut Arena, frame: &[u8], ops: &Ops, pending: &mut Vec<Pending>) {
    pending.clear();
    for deletes in [true, false] {
        for &op in &ops.by_path {
            let Op { action, path, .. } = ops.list[op as usize];
            if (action == Action::Delete) == deletes {
                pending.push(Pending { op, key: arena.add_key(path.of(frame)) });
            }
        }
    }
}

fn undo(
    arena: &mut Arena,
    frame: &[u8],
    tree: Tree,
    op: Op,
    key: Span,
    heights: &mut KeyHeights,
) -> Result<Tree, EditError> {
    match (op.action, op.cid, op.prev) {
        (Action::Create, Some(cid), None) => arena.remove(frame, tree, key, cid),
        (Action::Update, Some(cid), Some(prev)) => arena.replace(frame, tree, key, cid, prev),
        (Action::Delete, None, Some(prev)) => {
            let height = heights.height(op.path.of(frame), 0);
            arena.insert(tree, PlacedKey { key, height }, prev)
        }
        _ => unreachable!("ops are checked when they are read, and for their prev before they are undone"),
    }
}
