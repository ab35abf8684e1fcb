//! Loads the part of an MST that a CAR has, and checks all of it (rulebook 2.11).

use crate::car::Blocks;
use crate::cbor::{Malformed, Read, Scanner};
use crate::cid::is_blessed;
use crate::digest::KeyHeights;
use crate::limits::{MST_DEPTH_MAX, MST_KEY_BYTES_MAX, MST_NODE_ENTRIES_MAX, PATH_BYTES_MAX};
use crate::mst::{Arena, Entry, Node, Tree};
use crate::span::Span;

const ENTRY_FIELDS: usize = 4;
const NODE_FIELDS: usize = 2;

pub struct Loader<'a> {
    pub frame: &'a [u8],
    pub blocks: &'a Blocks,
    pub arena: &'a mut Arena,
    pub heights: &'a mut KeyHeights,
    /// For each block by index, whether a node was loaded from it.
    pub loaded: &'a mut Vec<bool>,
}

/// A node's place in the tree: its keys must have this height and lie between `after` and `before`, if there are such bounds.
#[derive(Clone, Copy)]
struct Place {
    height: u8,
    after: Option<Span>,
    before: Option<Span>,
}

/// A node decoded from its block. Its children are all stubs, and its height is not set yet.
struct Decoded {
    node: Node,
    /// The height that all its keys have; none if there is no key.
    height: Option<u8>,
}

impl Loader<'_> {
    /// Loads the tree whose root's CID is at `root` in the frame. A sub-tree whose block is absent stays a stub; that may be the
    /// whole tree.
    pub fn load(&mut self, root: Span) -> Read<Tree> {
        self.loaded.clear();
        self.loaded.resize(self.blocks.count(), false);
        let Some(block) = self.blocks.find(self.frame, root.of(self.frame)) else {
            return Ok(Tree::Stub(root.start() as u32));
        };
        let Decoded { node, height } = self.decode(block)?;
        let Some(height) = height else {
            return if node.left == Tree::Empty { Ok(Tree::Empty) } else { Err(Malformed) };
        };
        if height > MST_DEPTH_MAX {
            return Err(Malformed);
        }
        self.place(block, node, Place { height, after: None, before: None })
    }

    /// Checks a node against its place and loads what is below it. The height falls with each level, so the recursion ends.
    fn place(&mut self, block: usize, mut node: Node, place: Place) -> Read<Tree> {
        // No sub-tree with a key can be at two places. Without this check, a child that several nodes share would be walked once
        // for each path to it.
        if std::mem::replace(&mut self.loaded[block], true) {
            return Err(Malformed);
        }
        self.check_range(node, place)?;
        node.height = place.height;
        node.cid = Some(self.blocks.get(block).cid().start() as u32);
        let count = node.count as usize;
        let mut after = place.after;
        for index in 0..=count {
            let child = self.arena.child(node, index);
            let key = self.arena.entries_of(node).get(index).map(|entry| entry.key);
            if let Tree::Stub(cid) = child {
                let height = place.height.checked_sub(1).ok_or(Malformed)?;
                let loaded = self.child(cid, Place { height, after, before: key.or(place.before) })?;
                match index.checked_sub(1) {
                    None => node.left = loaded,
                    Some(before) => self.arena.entries[node.first as usize + before].right = loaded,
                }
            }
            after = key;
        }
        self.arena.nodes.push(node);
        Ok(Tree::Node((self.arena.nodes.len() - 1) as u32))
    }

    fn child(&mut self, cid: u32, place: Place) -> Read<Tree> {
        let span = Span::new(cid as usize, crate::limits::CID_BYTES);
        let Some(block) = self.blocks.find(self.frame, span.of(self.frame)) else {
            return Ok(Tree::Stub(cid));
        };
        let Decoded { node, height } = self.decode(block)?;
        // Only the root may be without keys and children: then the tree is empty.
        if height.is_none() && node.left == Tree::Empty || height.is_some_and(|height| height != place.height) {
            return Err(Malformed);
        }
        self.place(block, node, place)
    }

    /// Checks that the keys of a node lie within its place. The decoding has checked that they ascend, so the first and the last
    /// suffice.
    fn check_range(&self, node: Node, place: Place) -> Read<()> {
        let entries = self.arena.entries_of(node);
        let (Some(&first), Some(&last)) = (entries.first(), entries.last()) else {
            return Ok(());
        };
        let key = |span: Span| span.of(&self.arena.keys);
        let too_low = place.after.is_some_and(|after| key(first.key) <= key(after));
        let too_high = place.before.is_some_and(|before| key(last.key) >= key(before));
        if too_low || too_high { Err(Malformed) } else { Ok(()) }
    }

    /// Decodes a block and checks all that its bytes alone can tell: canonical encoding, ascending keys of one height, exact prefix
    /// compression, links of the right form.
    fn decode(&mut self, block: usize) -> Read<Decoded> {
        let data = self.blocks.get(block).data();
        let mut scanner = Scanner::canonical(&self.frame[..data.end()], data.start());
        if scanner.map()? != NODE_FIELDS {
            return Err(Malformed);
        }
        scanner.field(b'e')?;
        let count = scanner.array()?;
        if count > MST_NODE_ENTRIES_MAX {
            return Err(Malformed);
        }
        let mut node = self.arena.begin(0, Tree::Empty);
        let mut previous = Span::default();
        let mut height = None;
        for _ in 0..count {
            if scanner.map()? != ENTRY_FIELDS {
                return Err(Malformed);
            }
            let (key, key_height) = self.key(&mut scanner, previous)?;
            if *height.get_or_insert(key_height) != key_height {
                return Err(Malformed);
            }
            scanner.field(b't')?;
            let right = child(&mut scanner)?;
            scanner.field(b'v')?;
            let length = scanner.cid()?.len();
            let value = Span::new(scanner.offset() - length, length);
            self.arena.push(&mut node, Entry { key, value, right });
            previous = key;
        }
        scanner.field(b'l')?;
        node.left = child(&mut scanner)?;
        scanner.expect_end()?;
        Ok(Decoded { node, height })
    }

    /// Reads a key, writes it in full to the arena, and finds its height.
    fn key(&mut self, scanner: &mut Scanner<'_>, previous: Span) -> Read<(Span, u8)> {
        scanner.field(b'k')?;
        let suffix = scanner.bytes(PATH_BYTES_MAX)?;
        scanner.field(b'p')?;
        let prefix = scanner.unsigned()?;
        if prefix > previous.len() as u64 || prefix as usize + suffix.len() > PATH_BYTES_MAX {
            return Err(Malformed);
        }
        let prefix = prefix as usize;
        let keys = &mut self.arena.keys;
        // The first byte after the common prefix must be greater. If it were the same, the prefix would be too short.
        let parting = previous.of(keys).get(prefix);
        if suffix.first().is_none_or(|first| parting.is_some_and(|parting| first <= parting)) {
            return Err(Malformed);
        }
        let key = Span::new(keys.len(), prefix + suffix.len());
        if key.end() > MST_KEY_BYTES_MAX {
            return Err(Malformed);
        }
        keys.extend_from_within(previous.start()..previous.start() + prefix);
        keys.extend_from_slice(suffix);
        Ok((key, self.heights.height(key.of(keys), prefix)))
    }
}

fn child(scanner: &mut Scanner<'_>) -> Read<Tree> {
    if scanner.null() {
        return Ok(Tree::Empty);
    }
    let cid = scanner.cid()?;
    if !is_blessed(cid) {
        return Err(Malformed);
    }
    Ok(Tree::Stub((scanner.offset() - cid.len()) as u32))
}
