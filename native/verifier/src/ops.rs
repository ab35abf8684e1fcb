//! The ops of a commit and their records (rulebook 2.10).

use crate::car::Blocks;
use crate::cbor::{Malformed, MapKeys, Read, Scanner, Strictness};
use crate::cid::is_blessed;
use crate::limits::{FRAME_BYTES_MAX, PATH_BYTES_MAX, RECORD_BYTES_MAX};
use crate::reason::Reason;
use crate::span::Span;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Action {
    Create,
    Update,
    Delete,
}

/// One change of a record, as the commit describes it. The spans are in the frame.
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

/// The ops of one commit. The memory is reused for the next commit.
#[derive(Default)]
pub struct Ops {
    pub list: Vec<Op>,
    /// Indexes into `list`, sorted by path.
    pub by_path: Vec<u32>,
    /// For each block by index, whether it was checked as a record.
    checked: Vec<bool>,
}

impl Ops {
    /// Reads the ops, checks each by itself, and checks that no path occurs twice. Every relay requires only that they can be read.
    /// The other rules are strict ones; the first of them that is broken is returned, and the list then has only the sound ops.
    ///
    /// An update or delete without `prev` is sound here. The check of the tree, which needs `prev`, reports it.
    ///
    /// `collection_length` returns the length of the collection in a path, or none if the path is not valid.
    pub fn read(
        &mut self,
        frame: &[u8],
        start: usize,
        count: usize,
        collection_length: fn(&[u8]) -> Option<usize>,
    ) -> Result<Option<Reason>, Reason> {
        self.list.clear();
        let mut scanner = Scanner::canonical(frame, start);
        // Number of sound ops before the first one that is not sound.
        let mut sound_before = None;
        for _ in 0..count {
            match read_op(&mut scanner, frame, collection_length).map_err(|Malformed| Reason::OpMalformed)? {
                Some(op) => self.list.push(op),
                None => _ = sound_before.get_or_insert(self.list.len()),
            }
        }
        self.sort(frame);
        let repeated = self.first_repeated(frame);
        Ok(match (sound_before, repeated) {
            (None, None) => None,
            (Some(before), Some(repeated)) if repeated >= before => Some(Reason::OpMalformed),
            (_, Some(_)) => Some(Reason::OpDuplicatePath),
            (Some(_), None) => Some(Reason::OpMalformed),
        })
    }

    /// Sorts by path. Ops with the same path stay in their order.
    fn sort(&mut self, frame: &[u8]) {
        let Self { list, by_path, .. } = self;
        by_path.clear();
        by_path.extend(0..list.len() as u32);
        by_path.sort_unstable_by_key(|&index| (list[index as usize].path.of(frame), index));
    }

    /// Index of the first op that has the path of an earlier one.
    fn first_repeated(&self, frame: &[u8]) -> Option<usize> {
        let path = |index: u32| self.list[index as usize].path.of(frame);
        let pairs = self.by_path.windows(2).filter(|pair| path(pair[0]) == path(pair[1]));
        pairs.map(|pair| pair[1] as usize).min()
    }

    /// Checks that the record of each create and update is in the CAR and is one CBOR map within the limits. The contents of the
    /// map don't concern a relay. Returns the strict rule that was broken, if any.
    pub fn check_records(&mut self, frame: &[u8], blocks: &Blocks) -> Result<Option<Reason>, Reason> {
        let mut strict_fault = None;
        // Several ops may name the same record, which is checked only once.
        self.checked.clear();
        self.checked.resize(blocks.count(), false);
        for op in &self.list {
            let Some(cid) = op.cid else { continue };
            let Some(index) = blocks.find(frame, cid.of(frame)) else {
                strict_fault.get_or_insert(Reason::RecordMissing);
                continue;
            };
            if std::mem::replace(&mut self.checked[index], true) {
                continue;
            }
            let data = blocks.get(index).data();
            if data.len() > RECORD_BYTES_MAX {
                strict_fault.get_or_insert(Reason::RecordTooLarge);
            }
            check_map(&frame[..data.end()], data.start()).map_err(|Malformed| Reason::RecordMalformed)?;
        }
        Ok(strict_fault)
    }
}

fn check_map(bytes: &[u8], start: usize) -> Read<()> {
    Scanner::new(bytes, start, Strictness::Record).map()?;
    let mut scanner = Scanner::new(bytes, start, Strictness::Record);
    scanner.skip(0)?;
    scanner.expect_end()
}

/// Reads an op. Returns none if it can be read but is not sound.
fn read_op(scanner: &mut Scanner<'_>, frame: &[u8], collection_length: fn(&[u8]) -> Option<usize>) -> Read<Option<Op>> {
    let mut action = None;
    let mut path = None;
    let mut cid = None;
    let mut prev = None;
    let pairs = scanner.map()?;
    let mut keys = MapKeys::default();
    for _ in 0..pairs {
        match keys.next(scanner)? {
            b"action" => action = Some(scanner.text(FRAME_BYTES_MAX)?),
            b"path" => {
                let length = scanner.text(FRAME_BYTES_MAX)?.len();
                path = Some(Span::new(scanner.offset() - length, length));
            }
            b"cid" => cid = Some(optional_link(scanner)?),
            b"prev" => prev = optional_link(scanner)?,
            _ => scanner.skip(3)?,
        }
    }
    let (action, path) = (action.ok_or(Malformed)?, path.ok_or(Malformed)?);
    Ok(sound_op(frame, action, path, cid, prev, collection_length))
}

/// The op, or none if it breaks a rule. The outer option of `cid` says whether the field is there, the inner one whether it is
/// null.
fn sound_op(
    frame: &[u8],
    action: &[u8],
    path: Span,
    cid: Option<Option<Span>>,
    prev: Option<Span>,
    collection_length: fn(&[u8]) -> Option<usize>,
) -> Option<Op> {
    let cid = cid?;
    if path.len() > PATH_BYTES_MAX {
        return None;
    }
    let collection_length = collection_length(path.of(frame))?;
    let has_record = cid.is_some_and(|cid| is_blessed(cid.of(frame)));
    let (action, is_sound) = match action {
        b"create" => (Action::Create, has_record && prev.is_none()),
        b"update" => (Action::Update, has_record),
        b"delete" => (Action::Delete, cid.is_none()),
        _ => return None,
    };
    is_sound.then_some(Op { action, path, collection_length, cid, prev })
}

fn optional_link(scanner: &mut Scanner<'_>) -> Read<Option<Span>> {
    if scanner.null() {
        return Ok(None);
    }
    let length = scanner.cid()?.len();
    Ok(Some(Span::new(scanner.offset() - length, length)))
}
