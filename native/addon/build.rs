use std::path::Path;
use std::{env, fs, io};

fn main() -> io::Result<()> {
    napi_build::setup();
    if env::var("CARGO_CFG_TARGET_ENV").is_ok_and(|env| env == "gnu") {
        link_unwinder_statically(Path::new(&env::var("OUT_DIR").map_err(io::Error::other)?))?;
    }
    Ok(())
}

/// Rust's standard library asks the linker for the shared libgcc_s, which container images with only glibc lack. So the linker
/// finds a linker script of that name first, which names the static libraries instead.
fn link_unwinder_statically(folder: &Path) -> io::Result<()> {
    fs::write(folder.join("libgcc_s.so"), "INPUT(-lgcc_eh -lgcc)\n")?;
    println!("cargo::rustc-link-search=native={}", folder.display());
    Ok(())
}
