//! Reads frames from standard input, each after its length in four bytes. For each it prints a line with the reason why the
//! DAG-CBOR library that consumers in Rust use can't decode it; the line is empty if it can.

use std::io::{self, BufWriter, Read, Write};

use ipld_core::ipld::Ipld;
use serde::Deserialize;
use serde_ipld_dagcbor::de::Deserializer;

const LENGTH_BYTES: usize = 4;

fn main() -> io::Result<()> {
    let mut input = Vec::new();
    io::stdin().read_to_end(&mut input)?;
    let mut out = BufWriter::new(io::stdout().lock());
    let mut rest = &input[..];
    while let Some((length, after)) = rest.split_first_chunk::<LENGTH_BYTES>() {
        let (frame, after) = after
            .split_at_checked(u32::from_be_bytes(*length) as usize)
            .ok_or_else(|| io::Error::new(io::ErrorKind::UnexpectedEof, "a frame is cut"))?;
        writeln!(out, "{}", decode(frame).err().unwrap_or_default())?;
        rest = after;
    }
    out.flush()
}

/// Decodes header and payload, which must be the whole frame, and a map each.
fn decode(frame: &[u8]) -> Result<(), String> {
    let mut deserializer = Deserializer::from_slice(frame);
    for part in ["header", "payload"] {
        match Ipld::deserialize(&mut deserializer) {
            Ok(Ipld::Map(_)) => {}
            Ok(other) => return Err(format!("{part}: {:?} and not a map", other.kind())),
            Err(error) => return Err(format!("{part}: {error}").replace('\n', " ")),
        }
    }
    deserializer.end().map_err(|error| error.to_string())
}
