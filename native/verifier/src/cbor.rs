//! DAG-CBOR by offsets: checks bytes and finds values in them, without copying them (rulebook 2.13).

use crate::cid::{is_data_model, is_whole};
use crate::limits::{
    CBOR_CONTAINER_ITEMS_MAX, CBOR_DEPTH_MAX, CBOR_KEY_BYTES_MAX, CID_BYTES, CID_BYTES_MAX, FRAME_CONTAINER_ITEMS_MAX,
    INTEGER_MAX,
};

/// The bytes are not valid DAG-CBOR, or not the kind of item that the caller expected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Malformed;

pub type Read<T> = Result<T, Malformed>;

/// How strictly a scan checks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strictness {
    /// For header and payload, which every consumer has to decode. Links must have a form that the data model allows.
    Frame,
    /// As `Frame`, but the contents of links are not checked.
    FrameOfAnyLinks,
    /// For the blocks that the protocol itself defines: commits and MST nodes. Links must be whole CIDs.
    Canonical,
    /// For users' records: unsorted keys, heads longer than needed, floats and 64-bit integers pass. Links must be whole CIDs.
    Record,
}

impl Strictness {
    fn is_canonical(self) -> bool {
        self != Self::Record
    }

    /// The most items that a container may have.
    fn items_max(self) -> usize {
        match self {
            Self::Frame | Self::FrameOfAnyLinks => FRAME_CONTAINER_ITEMS_MAX,
            Self::Canonical | Self::Record => CBOR_CONTAINER_ITEMS_MAX,
        }
    }

    /// Whether a link may hold these bytes.
    fn allows_link(self, bytes: &[u8]) -> bool {
        let is_cid = match self {
            Self::Frame => is_data_model,
            Self::FrameOfAnyLinks => return true,
            Self::Canonical | Self::Record => is_whole,
        };
        bytes.len() <= CID_BYTES_MAX + 1 && bytes.split_first().is_some_and(|(&prefix, cid)| prefix == 0 && is_cid(cid))
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Major {
    Unsigned,
    Negative,
    Bytes,
    Text,
    Array,
    Map,
    Tag,
    Simple,
}

const MAJORS: [Major; 8] =
    [Major::Unsigned, Major::Negative, Major::Bytes, Major::Text, Major::Array, Major::Map, Major::Tag, Major::Simple];

const FALSE: u8 = 0xf4;
const TRUE: u8 = 0xf5;
const NULL: u8 = 0xf6;
const CID_TAG: u64 = 42;

/// The bytes before a CID of 36 bytes in a link: tag 42, a byte string of 37 bytes, and the first of them, which is zero.
const USUAL_LINK_HEAD: [u8; 5] = [0xd8, 0x2a, 0x58, CID_BYTES as u8 + 1, 0x00];
/// The same, followed by the prefix of a blessed CID.
const USUAL_LINK_START: [u8; 9] = [0xd8, 0x2a, 0x58, CID_BYTES as u8 + 1, 0x00, 0x01, 0x71, 0x12, 0x20];

/// A scan over `bytes` from an offset to their end. Every read checks its bounds first.
pub struct Scanner<'a> {
    bytes: &'a [u8],
    offset: usize,
    strictness: Strictness,
}

impl<'a> Scanner<'a> {
    pub fn new(bytes: &'a [u8], offset: usize, strictness: Strictness) -> Self {
        Self { bytes, offset, strictness }
    }

    pub fn canonical(bytes: &'a [u8], offset: usize) -> Self {
        Self::new(bytes, offset, Strictness::Canonical)
    }

    /// Where the next read begins.
    pub fn offset(&self) -> usize {
        self.offset
    }

    pub fn at_end(&self) -> bool {
        self.offset >= self.bytes.len()
    }

    /// Checks that the item just read was the last one.
    pub fn expect_end(&self) -> Read<()> {
        if self.offset == self.bytes.len() { Ok(()) } else { Err(Malformed) }
    }

    /// Reads an item's head: its major type, and a value, a length or a count, depending on the type.
    #[inline]
    pub fn head(&mut self) -> Read<(Major, u64)> {
        let initial = self.byte()?;
        let major = MAJORS[usize::from(initial >> 5)];
        let info = initial & 31;
        if major == Major::Simple {
            self.simple(info)?;
        } else if info >= 24 {
            return Ok((major, self.argument(info)?));
        }
        Ok((major, u64::from(info)))
    }

    #[inline]
    fn byte(&mut self) -> Read<u8> {
        let byte = *self.bytes.get(self.offset).ok_or(Malformed)?;
        self.offset += 1;
        Ok(byte)
    }

    #[inline]
    fn take(&mut self, length: u64) -> Read<&'a [u8]> {
        let rest = &self.bytes[self.offset..];
        if length > rest.len() as u64 {
            return Err(Malformed);
        }
        let length = length as usize;
        self.offset += length;
        Ok(&rest[..length])
    }

    fn argument(&mut self, info: u8) -> Read<u64> {
        let size = match info {
            24 => 1,
            25 => 2,
            26 => 4,
            27 => 8,
            _ => return Err(Malformed),
        };
        let value = match *self.take(size)? {
            [byte] => u64::from(byte),
            [a, b] => u64::from(u16::from_be_bytes([a, b])),
            [a, b, c, d] => u64::from(u32::from_be_bytes([a, b, c, d])),
            ref bytes => bytes.iter().fold(0, |value, &byte| value << 8 | u64::from(byte)),
        };
        if self.strictness.is_canonical() {
            let least = if size == 1 { 24 } else { 1 << (4 * size) };
            if value > INTEGER_MAX || value < least {
                return Err(Malformed);
            }
        }
        Ok(value)
    }

    fn simple(&mut self, info: u8) -> Read<()> {
        match info {
            20..=22 => Ok(()),
            25..=27 if self.strictness == Strictness::Record => self.take(1 << (info - 24)).map(|_| ()),
            _ => Err(Malformed),
        }
    }

    #[inline]
    fn expect(&mut self, major: Major, argument_max: u64) -> Read<u64> {
        match self.head()? {
            (found, argument) if found == major && argument <= argument_max => Ok(argument),
            _ => Err(Malformed),
        }
    }

    /// Reads the head of a map and returns how many pairs it has.
    pub fn map(&mut self) -> Read<usize> {
        Ok(self.expect(Major::Map, self.strictness.items_max() as u64)? as usize)
    }

    /// Reads the head of an array and returns how many items it has.
    pub fn array(&mut self) -> Read<usize> {
        Ok(self.expect(Major::Array, self.strictness.items_max() as u64)? as usize)
    }

    /// Reads an integer from 0 to 2^53-1.
    pub fn unsigned(&mut self) -> Read<u64> {
        self.expect(Major::Unsigned, INTEGER_MAX)
    }

    pub fn text(&mut self, bytes_max: usize) -> Read<&'a [u8]> {
        let length = self.expect(Major::Text, bytes_max as u64)?;
        let text = self.take(length)?;
        check_utf8(text)?;
        Ok(text)
    }

    pub fn bytes(&mut self, bytes_max: usize) -> Read<&'a [u8]> {
        let length = self.expect(Major::Bytes, bytes_max as u64)?;
        self.take(length)
    }

    pub fn boolean(&mut self) -> Read<bool> {
        match self.byte()? {
            FALSE => Ok(false),
            TRUE => Ok(true),
            _ => Err(Malformed),
        }
    }

    /// Whether the next item is of this major type.
    pub fn is_at(&self, major: Major) -> bool {
        self.bytes.get(self.offset).is_some_and(|initial| MAJORS[usize::from(initial >> 5)] == major)
    }

    /// Reads a null if there is one.
    pub fn null(&mut self) -> bool {
        let found = self.bytes.get(self.offset) == Some(&NULL);
        self.offset += usize::from(found);
        found
    }

    /// Reads a link and returns its binary CID.
    pub fn cid(&mut self) -> Read<&'a [u8]> {
        // A commit has some eighty links. Nearly all have this form, so they need not be read head by head.
        let end = self.offset + USUAL_LINK_HEAD.len() + CID_BYTES;
        if let Some(link) = self.bytes.get(self.offset..end)
            && link.starts_with(&USUAL_LINK_START)
        {
            self.offset = end;
            return Ok(&link[USUAL_LINK_HEAD.len()..]);
        }
        let tag = self.expect(Major::Tag, CID_TAG)?;
        self.link(tag)
    }

    /// Called after the head of a tag. Checks that it is a link, reads it, and returns its binary CID.
    fn link(&mut self, tag: u64) -> Read<&'a [u8]> {
        if tag != CID_TAG {
            return Err(Malformed);
        }
        let bytes = self.bytes(usize::MAX)?;
        if self.strictness.allows_link(bytes) { Ok(bytes.get(1..).unwrap_or_default()) } else { Err(Malformed) }
    }

    /// Reads a field's name of one letter, which has two bytes. Canonical order gives each field of an MST node a fixed place.
    pub fn field(&mut self, letter: u8) -> Read<()> {
        if self.bytes.get(self.offset..self.offset + 2) != Some(&[0x61, letter]) {
            return Err(Malformed);
        }
        self.offset += 2;
        Ok(())
    }

    /// Skips one whole item and checks it. `depth` is the number of containers around it.
    pub fn skip(&mut self, depth: usize) -> Read<()> {
        match self.head()? {
            (Major::Unsigned | Major::Simple, _) => {}
            (Major::Negative, argument) => {
                // The argument is one less than the magnitude.
                if self.strictness.is_canonical() && argument >= INTEGER_MAX {
                    return Err(Malformed);
                }
            }
            (Major::Bytes, length) => {
                self.take(length)?;
            }
            (Major::Text, length) => check_utf8(self.take(length)?)?,
            (Major::Array, count) => {
                self.enter(depth, count, 1)?;
                for _ in 0..count {
                    self.skip(depth + 1)?;
                }
            }
            (Major::Map, count) => {
                self.enter(depth, count, 2)?;
                let mut keys = MapKeys::default();
                for _ in 0..count {
                    keys.next(self)?;
                    self.skip(depth + 1)?;
                }
            }
            (Major::Tag, tag) => {
                self.link(tag)?;
            }
        }
        Ok(())
    }

    fn enter(&self, depth: usize, count: u64, bytes_per_item_min: u64) -> Read<()> {
        let left = (self.bytes.len() - self.offset) as u64;
        let items_max = self.strictness.items_max() as u64;
        if depth >= CBOR_DEPTH_MAX || count > items_max || count * bytes_per_item_min > left {
            return Err(Malformed);
        }
        Ok(())
    }
}

/// Nearly every text is ASCII, which is quicker to check.
#[inline]
fn check_utf8(text: &[u8]) -> Read<()> {
    if text.is_ascii() || std::str::from_utf8(text).is_ok() { Ok(()) } else { Err(Malformed) }
}

/// Reads the keys of one map. In canonical CBOR it checks that they are sorted (by length, then bytes) and unique.
#[derive(Default)]
pub struct MapKeys<'a> {
    previous: Option<&'a [u8]>,
}

impl<'a> MapKeys<'a> {
    /// Reads the next key. The scanner is then at its value.
    pub fn next(&mut self, scanner: &mut Scanner<'a>) -> Read<&'a [u8]> {
        let key = scanner.text(CBOR_KEY_BYTES_MAX)?;
        if scanner.strictness.is_canonical()
            && let Some(previous) = self.previous
            && (previous.len(), previous) >= (key.len(), key)
        {
            return Err(Malformed);
        }
        self.previous = Some(key);
        Ok(key)
    }
}

/// Checks one item from `offset` and returns the offset after it.
pub fn skip_item(bytes: &[u8], offset: usize, strictness: Strictness) -> Read<usize> {
    let mut scanner = Scanner::new(bytes, offset, strictness);
    scanner.skip(0)?;
    Ok(scanner.offset)
}

/// Appends an item's head to `out`.
pub fn write_head(out: &mut Vec<u8>, major: Major, argument: usize) {
    let first = (major as u8) << 5;
    match argument {
        0..24 => out.push(first | argument as u8),
        24..0x100 => out.extend_from_slice(&[first | 24, argument as u8]),
        0x100..0x1_0000 => {
            out.push(first | 25);
            out.extend_from_slice(&(argument as u16).to_be_bytes());
        }
        _ => {
            out.push(first | 26);
            out.extend_from_slice(&(argument as u32).to_be_bytes());
        }
    }
}

/// Appends a link, or null, to `out`.
pub fn write_link(out: &mut Vec<u8>, cid: Option<&[u8]>) {
    let Some(cid) = cid else {
        out.push(NULL);
        return;
    };
    if cid.len() == CID_BYTES {
        out.extend_from_slice(&USUAL_LINK_HEAD);
        out.extend_from_slice(cid);
        return;
    }
    write_head(out, Major::Tag, CID_TAG as usize);
    write_head(out, Major::Bytes, cid.len() + 1);
    out.push(0);
    out.extend_from_slice(cid);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accepts(strictness: Strictness, bytes: &[u8]) -> bool {
        let mut scanner = Scanner::new(bytes, 0, strictness);
        scanner.skip(0).is_ok() && scanner.at_end()
    }

    #[test]
    fn canonical_takes_the_shortest_form_only() {
        for (bytes, canonical, record) in [
            (&[0x17][..], true, true),
            (&[0x18, 0x17], false, true),
            (&[0x18, 0x18], true, true),
            (&[0x19, 0x00, 0xff], false, true),
            (&[0x1b, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], true, true),
            (&[0x1b, 0, 0x20, 0, 0, 0, 0, 0, 0], false, true),
            (&[0x3b, 0, 0x1f, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], false, true),
            (&[0xfb, 0, 0, 0, 0, 0, 0, 0, 0], false, true),
            (&[0xf7], false, false),
            (&[0x5f, 0xff], false, false),
            (&[0xa2, 0x61, b'b', 0, 0x61, b'a', 0], false, true),
            (&[0xa2, 0x61, b'a', 0, 0x61, b'a', 0], false, true),
            (&[0xa2, 0x61, b'b', 0, 0x62, b'a', b'a', 0], true, true),
            (&[0xa1, 0x00, 0x00], false, false),
            (&[0x62, 0xc3, 0x28], false, false),
            (&[0xd8, 0x2a, 0x42, 0x00, 0x01], false, false),
            (&[0xd8, 0x2a, 0x45, 0x00, 0x01, 0x71, 0x00, 0x00], true, true),
            (&[0xd8, 0x2a, 0x41, 0x00], false, false),
            (&[0xd8, 0x2b, 0x42, 0x00, 0x01], false, false),
            (&[0xc1, 0x00], false, false),
        ] {
            assert_eq!(accepts(Strictness::Canonical, bytes), canonical, "canonical {bytes:02x?}");
            assert_eq!(accepts(Strictness::Record, bytes), record, "record {bytes:02x?}");
        }
    }

    #[test]
    fn a_frame_takes_links_of_the_data_model_only() {
        let link = |prefix: &[u8], digest_length: usize| {
            let cid = [prefix, &vec![7; digest_length]].concat();
            [&[0xd8, 0x2a, 0x58, cid.len() as u8 + 1, 0x00], &cid[..]].concat()
        };
        for (bytes, frame, block) in [
            (link(&[0x01, 0x71, 0x12, 0x20], 32), true, true),
            (link(&[0x01, 0x55, 0x12, 0x20], 32), true, true),
            (link(&[0x01, 0x71, 0x13, 0x40], 64), false, true),
            (link(&[0x02, 0x71, 0x12, 0x20], 32), false, false),
            (link(&[0x01, 0x71, 0x12, 0x20], 40), false, false),
            (link(&[0x01, 0x71, 0x12, 0x60], 96), false, true),
            (link(&[0x01, 0x71, 0x12, 0x61], 97), false, false),
        ] {
            assert_eq!(accepts(Strictness::Frame, &bytes), frame, "frame {bytes:02x?}");
            assert_eq!(accepts(Strictness::Canonical, &bytes), block, "canonical {bytes:02x?}");
            assert_eq!(accepts(Strictness::Record, &bytes), block, "record {bytes:02x?}");
            assert!(accepts(Strictness::FrameOfAnyLinks, &bytes), "any {bytes:02x?}");
        }
    }

    #[test]
    fn nesting_and_counts_are_limited() {
        let nested = |depth: usize| [vec![0x81; depth], vec![0x00]].concat();
        assert!(accepts(Strictness::Record, &nested(CBOR_DEPTH_MAX)));
        assert!(!accepts(Strictness::Record, &nested(CBOR_DEPTH_MAX + 1)));
        assert!(!accepts(Strictness::Record, &[0x9b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
        assert!(!accepts(Strictness::Record, &[0xbb, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
        assert!(!accepts(Strictness::Record, &[0x5b, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff]));
    }

    #[test]
    fn heads_are_written_as_they_are_read() {
        for argument in [0, 23, 24, 255, 256, 65_535, 65_536, 131_072] {
            let mut out = Vec::new();
            write_head(&mut out, Major::Map, argument);
            assert_eq!(Scanner::canonical(&out, 0).map(), Ok(argument));
        }
    }
}
