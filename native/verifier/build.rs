//! Reads the names of the reasons from the relay's table, so that one table serves both engines.

use std::error::Error;
use std::path::Path;
use std::{env, fs};

/// Relative to this crate's folder.
const TABLE: &str = "../../src/protocol/reasons.ts";
const TABLE_BEGIN: &str = "export const REJECTION_REASONS = {";
const TABLE_END: &str = "} as const;";

/// Writes a call of the macro in `src/reason.rs`.
fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed={TABLE}");
    let mut call = String::from("reasons! {\n");
    for name in names(&fs::read_to_string(TABLE)?)? {
        call += &format!("    {} {name:?},\n", variant(&name));
    }
    call += "}\n";
    fs::write(Path::new(&env::var("OUT_DIR")?).join("reasons.rs"), call)?;
    Ok(())
}

/// The names in the table. Each of its lines begins a reason, continues one, or is a comment. Any other line fails the build.
fn names(file: &str) -> Result<Vec<String>, String> {
    let lines = file.lines().skip_while(|line| *line != TABLE_BEGIN).skip(1);
    let mut names = Vec::new();
    for line in lines {
        if line == TABLE_END {
            return Ok(names);
        }
        let entry = line.strip_prefix('\t').ok_or_else(|| format!("not a line of the table: {line}"))?;
        if entry.starts_with("//") || entry.starts_with(['\t', ')']) {
            continue;
        }
        let name = entry.split_once(':').map(|(key, _)| key.trim_matches('"')).filter(|name| is_name(name));
        names.push(name.ok_or_else(|| format!("not a reason: {line}"))?.to_owned());
    }
    Err(format!("{TABLE} has no table of reasons, or no end of it"))
}

fn is_name(text: &str) -> bool {
    text.split('-').all(|word| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_lowercase()))
}

/// The name of a variant: `MstPartial` for `mst-partial`.
fn variant(name: &str) -> String {
    name.split('-').map(|word| word[..1].to_uppercase() + &word[1..]).collect()
}
