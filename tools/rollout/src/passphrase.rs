//! The passphrase of the signing key: asked for at the terminal, or read from a file. Never from an argument, which every
//! process may read, nor from a variable, which every program that the build starts inherits.

use std::{
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use clap::Args;
use zeroize::Zeroizing;

use crate::key::Passphrase;

/// Fewer letters are tried out in no time by whoever has the file.
const SHORTEST: usize = 12;

/// Where the passphrase comes from.
#[derive(Args, Default)]
pub struct Source {
    /// A file whose first line is the key's passphrase, for example /dev/stdin; without it, it is asked for
    #[arg(long, value_name = "FILE")]
    passphrase_file: Option<PathBuf>,
}

impl Source {
    /// The passphrase of a key that is there.
    pub fn of(&self, key: &Path) -> Result<Passphrase> {
        self.take(&format!("Passphrase of {}: ", key.display()))
    }

    /// The passphrase for a new key, asked for twice.
    pub fn for_new(&self) -> Result<Passphrase> {
        let passphrase = self.take("Passphrase for the new key: ")?;
        if passphrase.chars().count() < SHORTEST {
            bail!("a passphrase has {SHORTEST} letters or more");
        }
        if self.passphrase_file.is_none() && self.take("The same again: ")? != passphrase {
            bail!("the two are not the same");
        }
        Ok(passphrase)
    }

    fn take(&self, prompt: &str) -> Result<Passphrase> {
        match &self.passphrase_file {
            Some(file) => {
                let text = fs::read_to_string(file).map(Zeroizing::new);
                let text = text.with_context(|| file.display().to_string())?;
                let line = text.lines().next().with_context(|| format!("{} is empty", file.display()))?;
                Ok(Zeroizing::new(line.to_owned()))
            }
            None => rpassword::prompt_password(prompt)
                .map(Zeroizing::new)
                .context("no terminal to ask at: --passphrase-file"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_is_the_first_line_of_its_file_and_a_new_one_is_not_short() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("passphrase");
        let source = Source { passphrase_file: Some(file.clone()) };
        fs::write(&file, "correct horse battery\nanother line\n").unwrap();
        assert_eq!(*source.for_new().unwrap(), "correct horse battery");
        assert_eq!(*source.of(Path::new("key.pem")).unwrap(), "correct horse battery");
        fs::write(&file, "short\n").unwrap();
        assert!(source.for_new().is_err());
        assert_eq!(*source.of(Path::new("key.pem")).unwrap(), "short", "somebody else's key is theirs");
        fs::write(&file, "").unwrap();
        assert!(source.of(Path::new("key.pem")).is_err());
    }
}
