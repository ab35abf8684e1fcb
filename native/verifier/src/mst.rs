//! A Merkle search tree, parts of which may be unknown (rulebook 2.11, 2.12).
//!
//! Trees live in an arena. An edit makes new nodes at the arena's end for those on the path to the key, and shares the others. It
//! changes a node in place only if an earlier edit has made that node. So the tree that was loaded stays as it is. An edit can fail
//! only before it changes any node in place, so it is undone by cutting the arena back.

use crate::cid::Cid;
use crate::digest::KeyHeights;
use crate::limits::CID_BYTES;
use crate::span::Span;

/// The tree without keys, a sub-tree of which we have only the link, or a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tree {
    Empty,
    /// Offset of the binary CID in the frame. The CID is blessed, so its length is known.
    Stub(u32),
    /// Index in the arena.
    Node(u32),
}

#[derive(Clone, Copy)]
pub struct Node {
    pub height: u8,
    /// The child left of all keys.
    pub left: Tree,
    /// Index of the node's first entry in the arena's entries.
    pub first: u32,
    /// Number of the node's entries.
    pub count: u32,
    /// Offset of the CID of the block that the node was read from. None for a node that an edit made.
    pub cid: Option<u32>,
}

#[derive(Clone, Copy)]
pub struct Entry {
    /// In the arena's keys.
    pub key: Span,
    /// A binary CID in the frame, of any form.
    pub value: Span,
    /// The child between this key and the next.
    pub right: Tree,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EditError {
    /// The edit needs to look into a sub-tree that we don't have.
    Partial,
    /// The edit found another value at a key than it expected, or none, or one where it expected none.
    Mismatch,
}

type Edit<T> = Result<T, EditError>;

/// The nodes of one commit's trees. The memory is reused for the next commit.
#[derive(Default)]
pub struct Arena {
    pub keys: Vec<u8>,
    pub entries: Vec<Entry>,
    pub nodes: Vec<Node>,
}

/// A key and its height.
#[derive(Clone, Copy)]
pub struct PlacedKey {
    pub key: Span,
    pub height: u8,
}

/// The frame, the key of an edit, and the value that the key must have.
#[derive(Clone, Copy)]
struct Target<'a> {
    frame: &'a [u8],
    key: Span,
    expected: Span,
}

/// What an edit does with the entry that it finds.
#[derive(Clone, Copy)]
enum Change {
    Remove,
    Replace(Span),
}

impl Arena {
    pub fn clear(&mut self) {
        self.keys.clear();
        self.entries.clear();
        self.nodes.clear();
    }

    /// Bytes of memory allocated.
    pub fn capacity_bytes(&self) -> usize {
        self.keys.capacity() + self.entries.capacity() * size_of::<Entry>() + self.nodes.capacity() * size_of::<Node>()
    }

    /// Copies a key into the arena.
    pub fn add_key(&mut self, key: &[u8]) -> Span {
        let span = Span::new(self.keys.len(), key.len());
        self.keys.extend_from_slice(key);
        span
    }

    pub fn node(&self, index: u32) -> Node {
        self.nodes[index as usize]
    }

    pub fn entries_of(&self, node: Node) -> &[Entry] {
        &self.entries[node.first as usize..(node.first + node.count) as usize]
    }

    pub fn key_of(&self, entry: Entry) -> &[u8] {
        entry.key.of(&self.keys)
    }

    /// Child `index` is left of key `index`, and the last child is right of all keys.
    pub fn child(&self, node: Node, index: usize) -> Tree {
        match index.checked_sub(1) {
            None => node.left,
            Some(before) => self.entries_of(node)[before].right,
        }
    }

    /// Index of the first key that is not less than `key`.
    pub fn lower_bound(&self, node: Node, key: &[u8]) -> usize {
        self.entries_of(node).partition_point(|entry| entry.key.of(&self.keys) < key)
    }

    /// Runs an edit. If it fails, the nodes that it made are removed.
    fn attempt<T>(&mut self, edit: impl FnOnce(&mut Self) -> Edit<T>) -> Edit<T> {
        let (entries, nodes) = (self.entries.len(), self.nodes.len());
        let result = edit(self);
        if result.is_err() {
            self.entries.truncate(entries);
            self.nodes.truncate(nodes);
        }
        result
    }

    /// Removes a key, which must have the value `expected`.
    pub fn remove(&mut self, frame: &[u8], tree: Tree, key: Span, expected: Span) -> Edit<Tree> {
        self.attempt(|arena| arena.change(tree, None, Target { frame, key, expected }, Change::Remove))
    }

    /// Replaces the value of a key, which must be `expected`, by `value`.
    pub fn replace(&mut self, frame: &[u8], tree: Tree, key: Span, expected: Span, value: Span) -> Edit<Tree> {
        self.attempt(|arena| arena.change(tree, None, Target { frame, key, expected }, Change::Replace(value)))
    }

    /// Inserts a key, which must be absent.
    pub fn insert(&mut self, tree: Tree, at: PlacedKey, value: Span) -> Edit<Tree> {
        self.attempt(|arena| arena.insert_below(tree, at, value))
    }

    /// `above` is the height of the node above the tree; none at the root.
    fn change(&mut self, tree: Tree, above: Option<u8>, target: Target<'_>, change: Change) -> Edit<Tree> {
        let key = target.key.of(&self.keys);
        let at = match tree {
            // The key's height matters only here: in loaded nodes, every key is at its own height.
            Tree::Stub(_) if above.is_some_and(|above| above <= KeyHeights::default().height(key, 0)) => {
                return Err(EditError::Mismatch);
            }
            Tree::Stub(_) => return Err(EditError::Partial),
            Tree::Empty => return Err(EditError::Mismatch),
            Tree::Node(at) => at,
        };
        let node = self.node(at);
        let entries = self.entries_of(node);
        let index = match entries.binary_search_by(|&entry| self.key_of(entry).cmp(key)) {
            Ok(index) => index,
            Err(index) => {
                let child = self.change(self.child(node, index), Some(node.height), target, change)?;
                return Ok(self.with_child(at, index, child));
            }
        };
        let entry = entries[index];
        if entry.value.of(target.frame) != target.expected.of(target.frame) {
            return Err(EditError::Mismatch);
        }
        match change {
            Change::Remove => self.without_entry(node, index),
            Change::Replace(value) => {
                let new = self.copy_node(node);
                self.entries[new.first as usize + index].value = value;
                Ok(self.finish(new))
            }
        }
    }

    fn insert_below(&mut self, tree: Tree, at: PlacedKey, value: Span) -> Edit<Tree> {
        let top = match tree {
            Tree::Stub(_) => return Err(EditError::Partial),
            Tree::Empty => return Ok(self.single(at, value, Tree::Empty, Tree::Empty)),
            Tree::Node(top) => top,
        };
        let node = self.node(top);
        if node.height < at.height {
            let (left, right) = self.split(tree, at.key)?;
            let left = self.wrap(left, at.height - 1);
            let right = self.wrap(right, at.height - 1);
            return Ok(self.single(at, value, left, right));
        }
        let key = at.key.of(&self.keys);
        let index = self.lower_bound(node, key);
        if node.height > at.height {
            let below = self.insert_below(self.child(node, index), at, value)?;
            let child = self.wrap(below, node.height - 1);
            return Ok(self.with_child(top, index, child));
        }
        if self.entries_of(node).get(index).is_some_and(|&entry| self.key_of(entry) == key) {
            return Err(EditError::Mismatch);
        }
        let (left, right) = self.split(self.child(node, index), at.key)?;
        let mut new = self.begin(node.height, node.left);
        self.append(&mut new, node, 0, index);
        self.set_last_child(&mut new, left);
        self.push(&mut new, Entry { key: at.key, value, right });
        self.append(&mut new, node, index, node.count as usize);
        Ok(self.finish(new))
    }

    /// Removes the entry and joins the two sub-trees beside it.
    fn without_entry(&mut self, node: Node, index: usize) -> Edit<Tree> {
        let seam = self.merge(self.child(node, index), self.child(node, index + 1))?;
        let mut new = self.begin(node.height, node.left);
        self.append(&mut new, node, 0, index);
        self.set_last_child(&mut new, seam);
        self.append(&mut new, node, index + 1, node.count as usize);
        Ok(self.finish(new))
    }

    /// Joins two neighbours of the same height after the key between them was removed.
    fn merge(&mut self, left: Tree, right: Tree) -> Edit<Tree> {
        let (left, right) = match (left, right) {
            (Tree::Empty, other) | (other, Tree::Empty) => return Ok(other),
            // One unknown sub-tree is enough to fail: its keys could be out of order with the other's, and the tree would hide it.
            (Tree::Stub(_), _) | (_, Tree::Stub(_)) => return Err(EditError::Partial),
            (Tree::Node(left), Tree::Node(right)) => (self.node(left), self.node(right)),
        };
        let seam = self.merge(self.child(left, left.count as usize), right.left)?;
        let mut new = self.begin(left.height, left.left);
        self.append(&mut new, left, 0, left.count as usize);
        self.set_last_child(&mut new, seam);
        self.append(&mut new, right, 0, right.count as usize);
        Ok(self.finish(new))
    }

    /// Cuts a tree in two at a key that is not in it.
    fn split(&mut self, tree: Tree, key: Span) -> Edit<(Tree, Tree)> {
        let node = match tree {
            Tree::Empty => return Ok((Tree::Empty, Tree::Empty)),
            Tree::Stub(_) => return Err(EditError::Partial),
            Tree::Node(index) => self.node(index),
        };
        let index = self.lower_bound(node, key.of(&self.keys));
        let (left, right) = self.split(self.child(node, index), key)?;
        let mut before = self.begin(node.height, node.left);
        self.append(&mut before, node, 0, index);
        self.set_last_child(&mut before, left);
        let before = self.finish(before);
        let mut behind = self.begin(node.height, right);
        self.append(&mut behind, node, index, node.count as usize);
        Ok((before, self.finish(behind)))
    }

    /// Puts nodes without keys on top of a node until the tree has this height.
    fn wrap(&mut self, tree: Tree, height: u8) -> Tree {
        let mut top = tree;
        while let Tree::Node(index) = top {
            let below = self.node(index).height;
            if below >= height {
                break;
            }
            let new = self.begin(below + 1, top);
            top = self.finish(new);
        }
        top
    }

    /// Removes the nodes without keys that edits leave at the top.
    pub fn trim_top(&self, tree: Tree) -> Tree {
        let mut top = tree;
        while let Tree::Node(index) = top {
            let node = self.node(index);
            if node.count > 0 {
                break;
            }
            top = node.left;
        }
        top
    }

    fn single(&mut self, at: PlacedKey, value: Span, left: Tree, right: Tree) -> Tree {
        let mut new = self.begin(at.height, left);
        self.push(&mut new, Entry { key: at.key, value, right });
        self.finish(new)
    }

    /// Replaces a child of a node. Changes the node in place if an edit made it, else makes a copy.
    fn with_child(&mut self, at: u32, index: usize, child: Tree) -> Tree {
        let node = self.node(at);
        let is_ours = node.cid.is_none();
        let mut new = if is_ours { node } else { self.copy_node(node) };
        match index.checked_sub(1) {
            None => new.left = child,
            Some(before) => self.entries[new.first as usize + before].right = child,
        }
        if !is_ours || new.count == 0 {
            return self.finish(new);
        }
        self.nodes[at as usize] = new;
        Tree::Node(at)
    }

    fn copy_node(&mut self, node: Node) -> Node {
        let mut new = self.begin(node.height, node.left);
        self.append(&mut new, node, 0, node.count as usize);
        new
    }

    /// Begins a node. The entries that are pushed next belong to it.
    pub fn begin(&mut self, height: u8, left: Tree) -> Node {
        Node { height, left, first: self.entries.len() as u32, count: 0, cid: None }
    }

    pub fn push(&mut self, node: &mut Node, entry: Entry) {
        self.entries.push(entry);
        node.count += 1;
    }

    fn append(&mut self, node: &mut Node, from: Node, start: usize, end: usize) {
        let first = from.first as usize;
        self.entries.extend_from_within(first + start..first + end);
        node.count += (end - start) as u32;
    }

    fn set_last_child(&mut self, node: &mut Node, child: Tree) {
        match node.count.checked_sub(1) {
            None => node.left = child,
            Some(last) => self.entries[(node.first + last) as usize].right = child,
        }
    }

    /// Adds the finished node to the arena, and returns it as a tree, which is empty if the node has nothing in it.
    fn finish(&mut self, node: Node) -> Tree {
        if node.count == 0 && node.left == Tree::Empty {
            return Tree::Empty;
        }
        self.nodes.push(node);
        Tree::Node((self.nodes.len() - 1) as u32)
    }
}

/// The binary CID at an offset of the frame.
pub fn cid_at(frame: &[u8], offset: u32) -> Cid {
    let mut cid = [0; CID_BYTES];
    cid.copy_from_slice(Span::new(offset as usize, CID_BYTES).of(frame));
    cid
}
