//! Verifies AT Protocol commits: one frame and one key in, one verdict out.
//!
//! The rules, their order and the names of the reasons are those of the portable engine in `src/verify/portable/`, which is the
//! reference. The frame is read in place, and no part of it is kept after the call.

#![forbid(unsafe_code)]

pub mod car;
pub mod cbor;
pub mod cid;
pub mod collections;
pub mod commit;
pub mod digest;
pub mod floor;
pub mod frame;
mod inversion;
pub mod keys;
pub mod limits;
mod mst;
mod mst_encode;
mod mst_load;
mod ops;
pub mod reason;
pub mod signature;
pub mod span;
mod syntax;
mod verifier;

pub use verifier::{Contents, Outcome, SigningKey, Verdict, Verifier};
