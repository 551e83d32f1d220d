//! Where things are.

use std::{fs, path::PathBuf};

use anyhow::Result;

use crate::checkout;

/// The checkout that this command is run in.
pub struct Project {
    /// The repository's top directory.
    pub root: PathBuf,
    /// Cargo's target directory for native builds (`CARGO_TARGET_DIR`, else `target/`).
    pub target: PathBuf,
}

impl Project {
    /// The checkout, with its scratch directory made.
    pub fn here() -> Result<Self> {
        let root = checkout::root()?;
        let target = std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root.join("target"), PathBuf::from);
        let project = Self { target: std::path::absolute(target)?, root };
        fs::create_dir_all(project.run_dir())?;
        Ok(project)
    }

    /// Logs, the stack file and other traces of the last run; for people to read, safe to delete.
    pub fn run_dir(&self) -> PathBuf {
        self.root.join("target/run")
    }

    /// A log file of the last run.
    pub fn log(&self, name: &str) -> PathBuf {
        self.run_dir().join(format!("{name}.log"))
    }

    /// Tools that are not the machine's own: from a registry, or built here because none has them ready-made.
    pub fn tools(&self) -> PathBuf {
        self.root.join("target/tools")
    }

    /// What the build makes.
    pub fn dist(&self) -> PathBuf {
        self.root.join("dist")
    }

    /// The built, unpacked extension.
    pub fn extension(&self) -> PathBuf {
        self.dist().join("extension")
    }

    /// The built page of a video call, as the token service serves it.
    pub fn join(&self) -> PathBuf {
        self.dist().join("join")
    }

    /// The built plugin.
    pub fn plugin(&self) -> PathBuf {
        self.dist().join("plugin/holdfast-plugin.js")
    }
}
