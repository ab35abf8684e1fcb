//! Finds the parts of a frame that are to be verified (rulebook 1.2, 2.1, 2.2).

use crate::cbor::{Major, Malformed, MapKeys, Read, Scanner, Strictness, skip_item};
use crate::cid::is_blessed;
use crate::limits::{CBOR_KEY_BYTES_MAX, DATETIME_CHARS_MAX, DID_CHARS_MAX, FRAME_BYTES_MAX};
use crate::reason::Reason;
use crate::span::Span;

/// Longer than any TID. That `rev` is a TID was checked before, at check 7 of rulebook 2.6.
const REV_BYTES_MAX: usize = 64;

/// A `#commit` or `#sync`, borrowed from the frame.
pub struct RepoMessage<'a> {
    pub did: &'a [u8],
    pub rev: &'a [u8],
    pub time: &'a [u8],
    /// The CAR.
    pub blocks: Span,
    /// The fields that only a `#commit` has.
    pub commit: Option<CommitFields<'a>>,
}

pub struct CommitFields<'a> {
    /// Binary CID of the commit block.
    pub cid: &'a [u8],
    /// Binary CID of the previous MST root; none if the field is absent or null.
    pub prev_data: Option<&'a [u8]>,
    /// Whether there is a `since` that is not null.
    pub has_since: bool,
    /// Offset of the first op, and the number of ops, which is not yet checked against the limit.
    pub ops_start: usize,
    pub ops_count: usize,
    /// False if the field is absent or null, and so is `rebase`.
    pub too_big: bool,
    pub rebase: bool,
}

/// Scans a canonical frame. Returns none for a message of another kind, whose payload is not looked at.
pub fn scan_frame(frame: &[u8]) -> Result<Option<RepoMessage<'_>>, Reason> {
    if frame.len() > FRAME_BYTES_MAX {
        return Err(Reason::FrameTooLarge);
    }
    let mut scanner = Scanner::new(frame, 0, Strictness::Frame);
    let header = scan_header(&mut scanner).map_err(|Malformed| what_is_wrong(frame, 0, Reason::FrameHeader))?;
    let Some(is_commit) = header.announces()? else {
        return Ok(None);
    };
    let start = scanner.offset();
    let fields = scan_payload(&mut scanner, is_commit)
        .map_err(|Malformed| what_is_wrong(frame, start, Reason::MessageSchema))?;
    if !scanner.at_end() {
        return Err(Reason::FrameMalformed);
    }
    fields.into_message(is_commit).ok_or(Reason::MessageSchema).map(Some)
}

/// The reason for an item whose scan failed. The scan may have stopped at a lesser fault than the item has, so the whole item is
/// scanned again, and the gravest fault counts: bytes that are not valid CBOR, then a malformed link, and last a valid item that
/// breaks the schema, which is `schema`.
fn what_is_wrong(frame: &[u8], start: usize, schema: Reason) -> Reason {
    match skip_item(frame, start, Strictness::FrameOfAnyLinks) {
        Ok(end) if schema == Reason::FrameHeader || end == frame.len() => {}
        _ => return Reason::FrameMalformed,
    }
    if skip_item(frame, start, Strictness::Frame).is_ok() { schema } else { Reason::LinkMalformed }
}

/// A header's fields before they are checked.
#[derive(Default)]
struct Header<'a> {
    /// Whether the op is 1, if there is one.
    op_is_message: Option<bool>,
    /// None if `t` is absent or not a text. Only op 1 needs it.
    kind: Option<&'a [u8]>,
}

impl Header<'_> {
    /// Whether the header announces a commit (true) or a sync (false); none for anything else.
    fn announces(&self) -> Result<Option<bool>, Reason> {
        if !self.op_is_message.ok_or(Reason::FrameHeader)? {
            return Ok(None);
        }
        Ok(match self.kind.ok_or(Reason::FrameHeader)? {
            b"#commit" => Some(true),
            b"#sync" => Some(false),
            _ => None,
        })
    }
}

fn scan_header<'a>(scanner: &mut Scanner<'a>) -> Read<Header<'a>> {
    let mut header = Header::default();
    let pairs = scanner.map()?;
    let mut keys = MapKeys::default();
    for _ in 0..pairs {
        match keys.next(scanner)? {
            b"op" => {
                header.op_is_message = Some(match scanner.head()? {
                    (Major::Unsigned, op) => op == 1,
                    (Major::Negative, _) => false,
                    _ => return Err(Malformed),
                })
            }
            b"t" if scanner.is_at(Major::Text) => header.kind = Some(scanner.text(CBOR_KEY_BYTES_MAX)?),
            _ => scanner.skip(1)?,
        }
    }
    Ok(header)
}

/// A payload's fields before they are checked.
#[derive(Default)]
struct Fields<'a> {
    did: Option<&'a [u8]>,
    seq: Option<u64>,
    time: Option<&'a [u8]>,
    rev: Option<&'a [u8]>,
    blocks: Option<Span>,
    has_since: bool,
    commit: Option<&'a [u8]>,
    prev_data: Option<&'a [u8]>,
    ops: Option<(usize, usize)>,
    too_big: bool,
    rebase: bool,
}

fn scan_payload<'a>(scanner: &mut Scanner<'a>, is_commit: bool) -> Read<Fields<'a>> {
    let mut fields = Fields::default();
    let pairs = scanner.map()?;
    let mut keys = MapKeys::default();
    for _ in 0..pairs {
        let key = keys.next(scanner)?;
        match key {
            b"seq" => fields.seq = Some(scanner.unsigned()?),
            b"time" => fields.time = Some(scanner.text(DATETIME_CHARS_MAX)?),
            b"rev" => fields.rev = Some(scanner.text(REV_BYTES_MAX)?),
            b"blocks" => {
                let length = scanner.bytes(FRAME_BYTES_MAX)?.len();
                fields.blocks = Some(Span::new(scanner.offset() - length, length));
            }
            b"repo" if is_commit => fields.did = Some(scanner.text(DID_CHARS_MAX)?),
            b"did" if !is_commit => fields.did = Some(scanner.text(DID_CHARS_MAX)?),
            _ if is_commit => scan_commit_field(scanner, key, &mut fields)?,
            _ => scanner.skip(1)?,
        }
    }
    Ok(fields)
}

/// Fields that may be absent. Null means the same as absent.
const OPTIONAL: [&[u8]; 5] = [b"since", b"prevData", b"tooBig", b"rebase", b"blobs"];

fn scan_commit_field<'a>(scanner: &mut Scanner<'a>, key: &[u8], fields: &mut Fields<'a>) -> Read<()> {
    if OPTIONAL.contains(&key) && scanner.null() {
        return Ok(());
    }
    match key {
        b"since" => {
            scanner.text(REV_BYTES_MAX)?;
            fields.has_since = true;
        }
        b"commit" => fields.commit = Some(scanner.cid()?),
        b"prevData" => fields.prev_data = Some(scanner.cid()?),
        b"tooBig" => fields.too_big = scanner.boolean()?,
        b"rebase" => fields.rebase = scanner.boolean()?,
        b"ops" => {
            let count = scanner.array()?;
            fields.ops = Some((scanner.offset(), count));
            for _ in 0..count {
                scanner.skip(2)?;
            }
        }
        b"blobs" => {
            for _ in 0..scanner.array()? {
                scanner.cid()?;
            }
        }
        _ => scanner.skip(1)?,
    }
    Ok(())
}

impl<'a> Fields<'a> {
    /// Makes the message. Returns none if a required field is absent or invalid.
    fn into_message(self, is_commit: bool) -> Option<RepoMessage<'a>> {
        if self.seq? == 0 {
            return None;
        }
        let commit = if is_commit { Some(self.commit_fields()?) } else { None };
        Some(RepoMessage { did: self.did?, rev: self.rev?, time: self.time?, blocks: self.blocks?, commit })
    }

    fn commit_fields(&self) -> Option<CommitFields<'a>> {
        let (ops_start, ops_count) = self.ops?;
        let cid = self.commit?;
        if !is_blessed(cid) || !self.prev_data.is_none_or(is_blessed) {
            return None;
        }
        Some(CommitFields {
            cid,
            prev_data: self.prev_data,
            has_since: self.has_since,
            ops_start,
            ops_count,
            too_big: self.too_big,
            rebase: self.rebase,
        })
    }
}
