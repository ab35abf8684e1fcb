//! Why a message is rejected.

/// The reasons of `src/protocol/reasons.ts` that can be told from a frame and a key. The discriminant is the code that
/// crosses the boundary; 0 stands for a good message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    FrameTooLarge = 1,
    FrameMalformed,
    FrameHeader,
    LinkMalformed,
    MessageSchema,
    BlocksEmpty,
    BlocksTooLarge,
    OpsTooMany,
    CarMalformed,
    CarRootMismatch,
    CarBlockMissing,
    CarBlockHash,
    CommitMalformed,
    CommitDidMismatch,
    CommitRevMismatch,
    SignatureEncoding,
    SignatureHighS,
    SignatureInvalid,
    OpMalformed,
    OpDuplicatePath,
    RecordMissing,
    RecordMalformed,
    RecordTooLarge,
    MstMalformed,
    MstPartial,
    OpTreeMismatch,
    PrevDataMissing,
    PrevDataMismatch,
    TooBigFlag,
    RebaseFlag,
    TimeSyntax,
}

impl Reason {
    /// Stable names, in the order of their codes; the first has code 1.
    pub const NAMES: [&str; 31] = [
        "frame-too-large",
        "frame-malformed",
        "frame-header",
        "link-malformed",
        "message-schema",
        "blocks-empty",
        "blocks-too-large",
        "ops-too-many",
        "car-malformed",
        "car-root-mismatch",
        "car-block-missing",
        "car-block-hash",
        "commit-malformed",
        "commit-did-mismatch",
        "commit-rev-mismatch",
        "signature-encoding",
        "signature-high-s",
        "signature-invalid",
        "op-malformed",
        "op-duplicate-path",
        "record-missing",
        "record-malformed",
        "record-too-large",
        "mst-malformed",
        "mst-partial",
        "op-tree-mismatch",
        "prev-data-missing",
        "prev-data-mismatch",
        "too-big-flag",
        "rebase-flag",
        "time-syntax",
    ];

    pub fn code(self) -> u8 {
        self as u8
    }

    pub fn name(self) -> &'static str {
        Self::NAMES[self as usize - 1]
    }
}

#[cfg(test)]
mod tests {
    use super::Reason;

    #[test]
    fn names_belong_to_their_codes() {
        assert_eq!(Reason::FrameTooLarge.name(), "frame-too-large");
        assert_eq!(Reason::SignatureHighS.name(), "signature-high-s");
        assert_eq!(Reason::TimeSyntax.name(), "time-syntax");
        assert_eq!(Reason::TimeSyntax.code() as usize, Reason::NAMES.len());
    }
}
