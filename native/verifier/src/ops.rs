//! The ops of a commit and their records (rulebook 2.10).

use crate::car::Blocks;
use crate::cbor::{Malformed, MapKeys, Read, Scanner, Strictness};
use crate::cid::is_blessed;
use crate::limits::{PATH_BYTES_MAX, RECORD_BYTES_MAX};
use crate::reason::Reason;
use crate::span::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Create,
    Update,
    Delete,
}

/// What a commit says it did to one record. The spans lie in the frame.
#[derive(Clone, Copy)]
pub struct Op {
    pub action: Action,
    pub path: Span,
    pub collection_length: usize,
    /// CID of the record after the commit; a delete has none.
    pub cid: Option<Span>,
    /// CID of the record before it. Absent in a create, and in ops from before Sync 1.1.
    pub prev: Option<Span>,
}

/// The ops of one commit. The memory is used again for the next one.
#[derive(Default)]
pub struct Ops {
    pub list: Vec<Op>,
    /// Indexes into `list`, by path.
    pub by_path: Vec<u32>,
    /// By index of the block, whether its record was checked.
    checked: Vec<bool>,
}

impl Ops {
    /// Reads the ops and checks each by itself, and that no path comes twice.
    ///
    /// An update or delete without `prev` is let through here: only the strict rules ask for it, so the tree's check, which
    /// can't do without it, reports it.
    ///
    /// `collection_length` tells how long the collection in a path is, or that it is no path.
    pub fn read(
        &mut self,
        frame: &[u8],
        start: usize,
        count: usize,
        collection_length: fn(&[u8]) -> Option<usize>,
    ) -> Result<(), Reason> {
        self.list.clear();
        let mut scanner = Scanner::canonical(frame, start);
        let mut result = Ok(());
        for _ in 0..count {
            match read_op(&mut scanner, frame, collection_length) {
                Ok(op) => self.list.push(op),
                Err(Malformed) => {
                    result = Err(Reason::OpMalformed);
                    break;
                }
            }
        }
        self.sort(frame);
        // The first fault counts, and a path that comes twice lies in front of an op that could not be read.
        if self.has_duplicates(frame) { Err(Reason::OpDuplicatePath) } else { result }
    }

    fn sort(&mut self, frame: &[u8]) {
        let Self { list, by_path, .. } = self;
        by_path.clear();
        by_path.extend(0..list.len() as u32);
        by_path.sort_unstable_by_key(|&index| list[index as usize].path.of(frame));
    }

    fn has_duplicates(&self, frame: &[u8]) -> bool {
        let path = |index: u32| self.list[index as usize].path.of(frame);
        self.by_path.windows(2).any(|pair| path(pair[0]) == path(pair[1]))
    }

    /// Checks that the record of each create and update is in the CAR and is one CBOR map within the limits. What is in the
    /// map is not the relay's business.
    pub fn check_records(&mut self, frame: &[u8], blocks: &Blocks) -> Result<(), Reason> {
        // Ops may share a record, which must not be gone through for each of them.
        self.checked.clear();
        self.checked.resize(blocks.count(), false);
        for op in &self.list {
            let Some(cid) = op.cid else { continue };
            let index = blocks.find(frame, cid.of(frame)).ok_or(Reason::RecordMissing)?;
            if std::mem::replace(&mut self.checked[index], true) {
                continue;
            }
            let data = blocks.get(index).data();
            if data.len() > RECORD_BYTES_MAX {
                return Err(Reason::RecordTooLarge);
            }
            check_map(&frame[..data.end()], data.start()).map_err(|Malformed| Reason::RecordMalformed)?;
        }
        Ok(())
    }
}

fn check_map(bytes: &[u8], start: usize) -> Read<()> {
    Scanner::new(bytes, start, Strictness::Record).map()?;
    let mut scanner = Scanner::new(bytes, start, Strictness::Record);
    scanner.skip(0)?;
    scanner.expect_end()
}

fn read_op(scanner: &mut Scanner<'_>, frame: &[u8], collection_length: fn(&[u8]) -> Option<usize>) -> Read<Op> {
    let mut action = None;
    let mut path = None;
    let mut cid = None;
    let mut prev = None;
    let pairs = scanner.map()?;
    let mut keys = MapKeys::default();
    for _ in 0..pairs {
        match keys.next(scanner)? {
            b"action" => action = Some(scanner.text(PATH_BYTES_MAX)?),
            b"path" => {
                let length = scanner.text(PATH_BYTES_MAX)?.len();
                path = Some(Span::new(scanner.offset() - length, length));
            }
            b"cid" => cid = Some(optional_link(scanner)?),
            b"prev" => prev = optional_link(scanner)?,
            _ => scanner.skip(3)?,
        }
    }
    let cid = cid.ok_or(Malformed)?;
    let path = path.ok_or(Malformed)?;
    let collection_length = collection_length(path.of(frame)).ok_or(Malformed)?;
    let (action, is_sound) = match action {
        Some(b"create") => (Action::Create, prev.is_none()),
        Some(b"update") => (Action::Update, true),
        Some(b"delete") => (Action::Delete, cid.is_none()),
        _ => return Err(Malformed),
    };
    let has_record = cid.is_some_and(|cid| is_blessed(cid.of(frame)));
    if !is_sound || (action != Action::Delete && !has_record) {
        return Err(Malformed);
    }
    Ok(Op { action, path, collection_length, cid, prev })
}

fn optional_link(scanner: &mut Scanner<'_>) -> Read<Option<Span>> {
    if scanner.null() {
        return Ok(None);
    }
    let length = scanner.cid()?.len();
    Ok(Some(Span::new(scanner.offset() - length, length)))
}
