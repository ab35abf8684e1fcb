//! Ranges of bytes by offset, for use after a borrow has ended.

/// A range of bytes in a frame or in an arena. Frames are far shorter than 4 GiB.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Span {
    start: u32,
    length: u32,
}

impl Span {
    pub fn new(start: usize, length: usize) -> Self {
        debug_assert!(start + length <= u32::MAX as usize);
        Self { start: start as u32, length: length as u32 }
    }

    pub fn len(self) -> usize {
        self.length as usize
    }

    pub fn is_empty(self) -> bool {
        self.length == 0
    }

    pub fn start(self) -> usize {
        self.start as usize
    }

    pub fn end(self) -> usize {
        self.start() + self.len()
    }

    /// The bytes of this range.
    pub fn of(self, bytes: &[u8]) -> &[u8] {
        &bytes[self.start()..self.end()]
    }
}
