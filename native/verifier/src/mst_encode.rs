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

/// The CID of a tree. Encodes and hashes the nodes that edits made. `scratch` is memory for their encodings.
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

/// Encodes and hashes a node. The literals are field names of one letter with their heads; the first name of a map has the map's
/// head before it. A child is encoded after its parent's unfinished encoding in `scratch`, and removed once it is hashed.
fn hash_node(arena: &Arena, frame: &[u8], scratch: &mut Vec<u8>, node: Node) -> Cid {
    let start = scratch.len();
    let entries = arena.entries_of(node);
    scratch.extend_from_slice(b"\xa2\x61e");
    write_head(scratch, Major::Array, entries.len());
    let mut previous: &[u8] = &[];
    for &entry in entries {
        let key = arena.key_of(entry);
        let prefix = common_prefix_length(previous, key);
        scratch.extend_from_slice(b"\xa4\x61k");
        write_head(scratch, Major::Bytes, key.len() - prefix);
        scratch.extend_from_slice(&key[prefix..]);
        scratch.extend_from_slice(b"\x61p");
        write_head(scratch, Major::Unsigned, prefix);
        scratch.extend_from_slice(b"\x61t");
        write_child(arena, frame, scratch, entry.right);
        scratch.extend_from_slice(b"\x61v");
        write_link(scratch, Some(entry.value.of(frame)));
        previous = key;
    }
    scratch.extend_from_slice(b"\x61l");
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

/// Length of the common prefix of two keys, in bytes.
fn common_prefix_length(a: &[u8], b: &[u8]) -> usize {
    let (a_words, _) = a.as_chunks::<8>();
    let (b_words, _) = b.as_chunks::<8>();
    let same = 8 * a_words.iter().zip(b_words).take_while(|(a, b)| a == b).count();
    same + a[same..].iter().zip(&b[same..]).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::{common_prefix_length, empty_tree};

    #[test]
    fn common_prefixes() {
        let text = b"a text of more than two words of eight bytes";
        for length in 0..text.len() {
            assert_eq!(common_prefix_length(&text[..length], text), length);
            let mut other = text.to_vec();
            other[length] ^= 1;
            assert_eq!(common_prefix_length(text, &other), length);
        }
    }

    #[test]
    fn the_empty_tree_has_the_cid_of_the_specification() {
        let hex: String = empty_tree().iter().map(|byte| format!("{byte:02x}")).collect();
        // bafyreie5737gdxlw5i64vzichcalba3z2v5n6icifvx5xytvske7mr3hpm
        assert_eq!(hex, "017112209dfefe61dd76ea3dcae5023880b08379d57adf20482d6fdbe2759289f647677b");
    }
}
