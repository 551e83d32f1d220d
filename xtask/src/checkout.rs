//! The checkout that a command works on: the one that it is run in.
//!
//! Not the one where it was compiled: a `target/` that is copied from one checkout to another is taken by cargo for that
//! one's own, and its programs would build, sign and publish the other's sources.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The top directory of the checkout around the current directory.
pub fn root() -> Result<PathBuf> {
    let here = env::current_dir().context("the current directory")?;
    around(&here).map(Path::to_path_buf).with_context(|| {
        format!("{} is not in a checkout of Holdfast: run this in the one that is meant", here.display())
    })
}

/// The nearest directory that is Holdfast's workspace. `fuzz/libfuzzer` is a workspace of its own inside of it.
fn around(directory: &Path) -> Option<&Path> {
    directory.ancestors().find(|above| {
        let manifest = fs::read_to_string(above.join("Cargo.toml"));
        manifest.is_ok_and(|text| text.contains("[workspace]")) && above.join("xtask/Cargo.toml").exists()
    })
}
