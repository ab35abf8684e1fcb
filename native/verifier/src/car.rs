//! CAR v1 (rulebook 2.7).

use std::hash::{BuildHasher, RandomState};

use crate::cbor::{Malformed, MapKeys, Read, Scanner};
use crate::cid::{BLESSED_PREFIX, is_data_model};
use crate::digest::sha256;
use crate::limits::{CAR_BLOCKS_MAX, CAR_ROOTS_MAX, CID_BYTES, VARINT_BYTES_MAX};
use crate::reason::Reason;
use crate::span::Span;

/// A block of a CAR: its CID, and the data right after it.
#[derive(Clone, Copy)]
pub struct Block {
    cid_start: usize,
    end: usize,
}

impl Block {
    pub fn cid(self) -> Span {
        Span::new(self.cid_start, CID_BYTES)
    }

    pub fn data(self) -> Span {
        let start = self.cid_start + CID_BYTES;
        Span::new(start, self.end - start)
    }
}

/// The contents of a CAR's header.
pub struct Header<'a> {
    /// The first root.
    pub root: &'a [u8],
    /// The strict rule that the header breaks, if any.
    pub strict_fault: Option<Reason>,
}

/// The blocks of one CAR, found by their CIDs. The memory is reused for the next CAR.
pub struct Blocks {
    list: Vec<Block>,
    /// A hash table with open addressing: each slot has the index of a block, or `FREE`. At most half of the slots are used.
    table: Vec<u32>,
    shift: u32,
    secret: u64,
}

const FREE: u32 = u32::MAX;

impl Default for Blocks {
    fn default() -> Self {
        // A sender can choose CIDs, as far as hashing allows, but must not be able to choose their slots.
        let secret = RandomState::new().hash_one(0) | 1;
        Self { list: Vec::new(), table: Vec::new(), shift: 0, secret }
    }
}

impl Blocks {
    /// Bytes of memory allocated.
    pub fn capacity_bytes(&self) -> usize {
        self.list.capacity() * size_of::<Block>() + self.table.capacity() * size_of::<u32>()
    }

    /// Number of blocks in the CAR. Equal blocks are counted each.
    pub fn count(&self) -> usize {
        self.list.len()
    }

    /// Reads the CAR at `car`, checks that every block hashes to its CID, and returns its header. Blocks may come in any order,
    /// more than once, or without being needed.
    pub fn read<'a>(&mut self, frame: &'a [u8], car: Span) -> Result<Header<'a>, Reason> {
        self.list.clear();
        let mut sections = Sections { bytes: &frame[..car.end()], offset: car.start() };
        let header = sections.next()?;
        let header = read_header(&frame[..header.end()], header.start()).map_err(|Malformed| Reason::CarMalformed)?;
        while !sections.done() {
            if self.list.len() >= CAR_BLOCKS_MAX {
                return Err(Reason::CarMalformed);
            }
            let section = sections.next()?;
            if !has_checkable_cid(section.of(frame)) {
                return Err(Reason::CarMalformed);
            }
            let block = Block { cid_start: section.start(), end: section.end() };
            if sha256(&[block.data().of(frame)]) != block.cid().of(frame)[BLESSED_PREFIX.len()..] {
                return Err(Reason::CarBlockHash);
            }
            self.list.push(block);
        }
        self.index(frame);
        Ok(header)
    }

    fn index(&mut self, frame: &[u8]) {
        let slots = (2 * self.list.len()).next_power_of_two().max(2);
        self.table.clear();
        self.table.resize(slots, FREE);
        self.shift = u64::BITS - slots.trailing_zeros();
        for index in 0..self.list.len() {
            // Of blocks with the same CID the first stays. They have the same hash, so they are equal.
            let (slot, found) = self.probe(frame, self.list[index].cid().of(frame));
            if found.is_none() {
                self.table[slot] = index as u32;
            }
        }
    }

    /// The slot for a CID, and the block in it, if any.
    fn probe(&self, frame: &[u8], cid: &[u8]) -> (usize, Option<usize>) {
        let mut word = [0; 8];
        word.copy_from_slice(&cid[CID_BYTES - 8..]);
        let mut slot = (u64::from_le_bytes(word).wrapping_mul(self.secret) >> self.shift) as usize;
        loop {
            match self.table[slot] {
                FREE => return (slot, None),
                index if self.list[index as usize].cid().of(frame) == cid => return (slot, Some(index as usize)),
                _ => slot = (slot + 1) % self.table.len(),
            }
        }
    }

    /// Index of the block with this CID.
    pub fn find(&self, frame: &[u8], cid: &[u8]) -> Option<usize> {
        if cid.len() == CID_BYTES { self.probe(frame, cid).1 } else { None }
    }

    pub fn get(&self, index: usize) -> Block {
        self.list[index]
    }
}

/// Reads the length-prefixed sections that a CAR consists of, one by one.
struct Sections<'a> {
    bytes: &'a [u8],
    offset: usize,
}

impl Sections<'_> {
    fn done(&self) -> bool {
        self.offset >= self.bytes.len()
    }

    fn next(&mut self) -> Result<Span, Reason> {
        let length = self.varint().ok_or(Reason::CarMalformed)?;
        let start = self.offset;
        if length == 0 || length > (self.bytes.len() - start) as u64 {
            return Err(Reason::CarMalformed);
        }
        self.offset += length as usize;
        Ok(Span::new(start, length as usize))
    }

    fn varint(&mut self) -> Option<u64> {
        let mut value = 0;
        for i in 0..VARINT_BYTES_MAX {
            let byte = *self.bytes.get(self.offset)?;
            self.offset += 1;
            value |= u64::from(byte & 0x7f) << (7 * i);
            if byte < 0x80 {
                return Some(value);
            }
        }
        None
    }
}

/// Reads the header. Some writers put `version` before `roots`: that is not canonical, but readers accept it.
fn read_header(bytes: &[u8], start: usize) -> Read<Header<'_>> {
    let mut scanner = Scanner::canonical(bytes, start);
    let mut root = None;
    let mut version = None;
    let mut strict_fault = None;
    let pairs = scanner.map()?;
    let mut keys = MapKeys::default();
    for _ in 0..pairs {
        match keys.next(&mut scanner)? {
            b"roots" => root = first_root(&mut scanner)?,
            b"version" => {
                version = Some(scanner.unsigned()?);
                if root.is_none() && pairs == 2 {
                    strict_fault = Some(Reason::CarMalformed);
                    // A new `MapKeys` does not compare `roots` with `version`, and so accepts the wrong order.
                    keys = MapKeys::default();
                }
            }
            _ => scanner.skip(1)?,
        }
    }
    scanner.expect_end()?;
    if version != Some(1) {
        return Err(Malformed);
    }
    Ok(Header { root: root.ok_or(Malformed)?, strict_fault })
}

fn first_root<'a>(scanner: &mut Scanner<'a>) -> Read<Option<&'a [u8]>> {
    let count = scanner.array()?;
    if count > CAR_ROOTS_MAX {
        return Err(Malformed);
    }
    let mut root = None;
    for _ in 0..count {
        let link = scanner.cid()?;
        root.get_or_insert(link);
    }
    Ok(root)
}

/// Whether a block's CID is CIDv1 of dag-cbor or raw bytes, by sha2-256. Other hashes could not be checked.
fn has_checkable_cid(section: &[u8]) -> bool {
    section.get(..CID_BYTES).is_some_and(is_data_model)
}
