//! Encodes the nodes that edits made, to find the CID of a tree.

use crate::cbor::{Major, write_head, write_link};
use crate::cid::{Cid, cid_of};
use crate::mst::{Arena, Node, Tree, cid_at};

/// The node of the tree without keys: `{e: [], l: null}`.
const EMPTY_NODE: [u8; 7] = [0xa2, 0x61, b'e', 0x80, 0x61, b'l', 0xf6];

/// The CID of the tree without keys.
pub fn empty_tree() -> Cid {
    cid_of(&EMPTY_NODE)
}

/// The CID of a tree: hashes the nodes that edits made. `scratch` is memory for their encodings.
pub fn cid_of_tree(arena: &Arena, frame: &[u8], scratch: &mut Vec<u8>, tree: Tree) -> Cid {
    match tree {
        Tree::Empty => empty_tree(),
        Tree::Stub(cid) => cid_at(frame, cid),
        Tree::Node(index) => {
            let node = arena.node(index);
            match node.cid {
                Some(cid) => cid_at(frame, cid),
                None => hash_node(arena, frame, scratch, node),
            }
        }
    }
}

/// A child's encoding lies behind its parent's unfinished one, only until it is hashed.
fn hash_node(arena: &Arena, frame: &[u8], scratch: &mut Vec<u8>, node: Node) -> Cid {
    let start = scratch.len();
    let entries = arena.entries_of(node);
    write_head(scratch, Major::Map, 2);
    write_name(scratch, b'e');
    write_head(scratch, Major::Array, entries.len());
    let mut previous: &[u8] = &[];
    for &entry in entries {
        let key = arena.key_of(entry);
        let prefix = common_prefix_length(previous, key);
        write_head(scratch, Major::Map, 4);
        write_name(scratch, b'k');
        write_head(scratch, Major::Bytes, key.len() - prefix);
        scratch.extend_from_slice(&key[prefix..]);
        write_name(scratch, b'p');
        write_head(scratch, Major::Unsigned, prefix);
        write_name(scratch, b't');
        write_child(arena, frame, scratch, entry.right);
        write_name(scratch, b'v');
        write_link(scratch, Some(entry.value.of(frame)));
        previous = key;
    }
    write_name(scratch, b'l');
    write_child(arena, frame, scratch, node.left);
    let cid = cid_of(&scratch[start..]);
    scratch.truncate(start);
    cid
}

fn write_child(arena: &Arena, frame: &[u8], scratch: &mut Vec<u8>, child: Tree) {
    if child == Tree::Empty {
        write_link(scratch, None);
    } else {
        let cid = cid_of_tree(arena, frame, scratch, child);
        write_link(scratch, Some(&cid));
    }
}

/// A name of one ASCII character, as a map key.
fn write_name(out: &mut Vec<u8>, name: u8) {
    write_head(out, Major::Text, 1);
    out.push(name);
}

/// How many bytes two keys have in common from their start.
fn common_prefix_length(a: &[u8], b: &[u8]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::empty_tree;

    #[test]
    fn the_empty_tree_has_the_cid_of_the_specification() {
        let hex: String = empty_tree().iter().map(|byte| format!("{byte:02x}")).collect();
        // bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm
        assert_eq!(hex, "017112209dfefe61dd76ea3dcae5023880b08379d57adf20482d6fdbe2759289f647677b");
    }
}
