//! The layout of a result, which `src/verify/native.ts` reads. All numbers are little-endian.

use standpipe_verifier::collections::TOUCHED_BYTES_MAX;
use standpipe_verifier::reason::Reason;
use standpipe_verifier::{Contents, Outcome};

/// Must change with the layout, so that an addon of another build is refused.
pub const LAYOUT_VERSION: u32 = 3;

/// Codes other than those of the reasons. 0 is a good message.
const CODE_GOOD: u8 = 0;
const CODE_OTHER_MESSAGE: u8 = 254;
pub const CODE_PANIC: u8 = 255;
const _: () = assert!(Reason::NAMES.len() < CODE_OTHER_MESSAGE as usize);

const HAS_CONTENTS: u8 = 1;

const FLAGS_AT: usize = 1;
const COMMIT_AT: usize = 4;
const DATA_AT: usize = 40;
/// Length in bytes of the list of touched collections; 0 if they are not listed.
const TOUCHED_LENGTH_AT: usize = 76;
const TOUCHED_AT: usize = 80;

pub const RESULT_BYTES: usize = TOUCHED_AT + TOUCHED_BYTES_MAX;

/// Writes an outcome and returns its code, which is also the result's first byte. `touched` goes unchanged into the log's record.
pub fn write(result: &mut [u8], outcome: &Outcome<'_>, touched: &[u8]) -> u8 {
    let (code, contents) = match outcome {
        Outcome::Verdict(verdict) => (verdict.reason.map_or(CODE_GOOD, |reason| reason.code()), verdict.contents),
        Outcome::OtherMessage => (CODE_OTHER_MESSAGE, None),
        Outcome::Panic => (CODE_PANIC, None),
    };
    result[0] = code;
    result[FLAGS_AT] = contents.map_or(0, |contents| write_contents(result, contents));
    put(result, TOUCHED_LENGTH_AT, &(touched.len() as u32).to_le_bytes());
    put(result, TOUCHED_AT, touched);
    code
}

/// Writes the contents and returns the flags.
fn write_contents(result: &mut [u8], contents: Contents<'_>) -> u8 {
    put(result, COMMIT_AT, contents.commit);
    put(result, DATA_AT, contents.data);
    HAS_CONTENTS
}

fn put(result: &mut [u8], at: usize, bytes: &[u8]) {
    result[at..at + bytes.len()].copy_from_slice(bytes);
}
