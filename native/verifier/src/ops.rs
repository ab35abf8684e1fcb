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
    /// Reads the ops and checks each by itself, and that no path comes twice. What must hold for anybody is only that they
    /// can be read: the rules beyond that are the strict ones, and the first of them broken is returned. The list then has
    /// only the ops that are sound.
    ///
    /// An update or delete without `prev` is sound here: the tree's check, which can't do without it, reports it.
    ///
    /// `collection_length` tells how long the collection in a path is, or that it is no path.
    pub fn read(
        &mut self,
        frame: &[u8],
        start: usize,
        count: usize,
        collection_length: fn(&[u8]) -> Option<usize>,
    ) -> Result<Option<Reason>, Reason> {
        self.list.clear();
        let mut scanner = Scanner::canonical(frame, start);
        // How many ops were sound before the first that is not.
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

    /// Sorts by path; what has the same one stays in order.
    fn sort(&mut self, frame: &[u8]) {
        let Self { list, by_path, .. } = self;
        by_path.clear();
        by_path.extend(0..list.len() as u32);
        by_path.sort_unstable_by_key(|&index| (list[index as usize].path.of(frame), index));
    }

    /// The first op with the path of an earlier one.
    fn first_repeated(&self, frame: &[u8]) -> Option<usize> {
        let path = |index: u32| self.list[index as usize].path.of(frame);
        let pairs = self.by_path.windows(2).filter(|pair| path(pair[0]) == path(pair[1]));
        pairs.map(|pair| pair[1] as usize).min()
    }

    /// Checks that the record of each create and update is in the CAR and is one CBOR map within the limits. What is in the
    /// map is not the relay's business. Returns what only the strict rules object to.
    pub fn check_records(&mut self, frame: &[u8], blocks: &Blocks) -> Result<Option<Reason>, Reason> {
        let mut strict_fault = None;
        // Ops may share a record, which must not be gone through for each of them.
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

/// Reads an op. None: it can be read, but is not sound.
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

/// The op, or none where it breaks a rule. `cid` is doubly optional: it may be null, or not there.
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
