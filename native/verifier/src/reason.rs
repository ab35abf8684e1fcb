//! Why a message is rejected.

macro_rules! reasons {
    ($($variant:ident $name:literal,)+) => {
        /// The reasons of `src/protocol/reasons.ts`, in the same order: `mst-partial` is `MstPartial`. The verifier uses only those
        /// that depend on nothing but a frame and a key.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Reason {
            $($variant,)+
        }

        impl Reason {
            /// Stable names, in the order of their codes, from code 1 on.
            pub const NAMES: &[&str] = &[$($name,)+];
        }
    };
}

// A call of `reasons!` with the table, written by `build.rs`.
include!(concat!(env!("OUT_DIR"), "/reasons.rs"));

impl Reason {
    /// The code in results. Code 0 stands for a good message.
    pub const fn code(self) -> u8 {
        self as u8 + 1
    }

    pub const fn name(self) -> &'static str {
        Self::NAMES[self as usize]
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
        assert_eq!(Reason::NAMES[Reason::TimeSyntax.code() as usize - 1], "time-syntax");
    }
}
