//! Skips a step whose inputs are the ones of its last success.

use std::{
    collections::hash_map::DefaultHasher,
    fs,
    hash::{Hash, Hasher},
    path::{Path, PathBuf},
};

use anyhow::{Context, Result};

/// The mark that a step leaves behind when it succeeded.
pub struct Stamp {
    file: PathBuf,
    now: String,
}

impl Stamp {
    /// A stamp in `file` over the content of every input file (directories: all files below) and `recipe`.
    pub fn new(file: PathBuf, inputs: &[PathBuf], recipe: &str) -> Result<Self> {
        let mut hasher = DefaultHasher::new();
        recipe.hash(&mut hasher);
        for input in inputs {
            for path in files_below(input)? {
                path.hash(&mut hasher);
                fs::read(&path).with_context(|| path.display().to_string())?.hash(&mut hasher);
            }
        }
        Ok(Self { file, now: format!("{:016x}", hasher.finish()) })
    }

    /// Whether the step succeeded with exactly these inputs and its outputs are still there.
    pub fn is_fresh(&self, outputs: &[&Path]) -> bool {
        outputs.iter().all(|path| path.exists())
            && fs::read_to_string(&self.file).is_ok_and(|last| last == self.now)
    }

    /// Notes that the step succeeded.
    pub fn leave(&self) -> Result<()> {
        fs::create_dir_all(self.file.parent().context("a stamp lies in a directory")?)?;
        fs::write(&self.file, &self.now).with_context(|| self.file.display().to_string())
    }
}

/// All files below a directory in a fixed order, or the file itself.
pub fn files_below(path: &Path) -> Result<Vec<PathBuf>> {
    if !path.is_dir() {
        return Ok(vec![path.to_path_buf()]);
    }
    let mut entries: Vec<PathBuf> = fs::read_dir(path)
        .with_context(|| path.display().to_string())?
        .map(|entry| Ok(entry?.path()))
        .collect::<Result<_>>()?;
    entries.sort();
    let below: Vec<Vec<PathBuf>> = entries.iter().map(|entry| files_below(entry)).collect::<Result<_>>()?;
    Ok(below.into_iter().flatten().collect())
}
