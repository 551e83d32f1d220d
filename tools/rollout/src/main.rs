//! What an administrator hands out: the signed package, the update manifest, and policies for every platform.
//!
//! A program of its own beside `xtask`, because its cryptography and archives take a minute to compile, and a newcomer
//! who only wants the demo must not wait for them. `cargo xtask key | pack | policy` build and run it.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a command-line tool talks to a person")]

#[path = "../../../xtask/src/checkout.rs"]
mod checkout;
mod key;
mod licences;
mod package;
mod parts;
mod passphrase;
mod policy;
mod release;
mod sbom;
mod xml;

use std::{path::PathBuf, process::ExitCode, time::SystemTime};

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

use crate::key::SigningKey;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Make the key that signs the extension and decides its id, under a passphrase; keep it outside of every repository
    Key {
        /// Where to; must not exist yet
        #[arg(value_name = "FILE")]
        file: PathBuf,
        /// No new key, but this one, written anew under a passphrase
        #[arg(long, value_name = "FILE")]
        from: Option<PathBuf>,
        /// Without a passphrase: whoever reads the file has the key
        #[arg(long, conflicts_with_all = ["from", "passphrase_file"])]
        plain: bool,
        #[command(flatten)]
        passphrase: passphrase::Source,
    },
    /// Pack the built extension: unpacked folder and Web Store archive; with a key also the signed CRX3
    Pack(package::Options),
    /// Write the policies that install the extension and set it up, for every platform
    Policy(policy::Options),
    /// List what is in extension, plugin, token service and image, as CycloneDX
    Sbom {
        /// Another place for the lists than dist/sbom
        #[arg(long, value_name = "DIR")]
        out: Option<PathBuf>,
    },
}

/// Unix time.
#[expect(clippy::disallowed_methods, reason = "the one place where the clock is read: how old data is")]
fn now() -> Result<i64> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).context("the clock")?;
    i64::try_from(since.as_secs()).context("the clock")
}

fn run(cli: Cli) -> Result<()> {
    match cli.command {
        Command::Key { file, from, plain, passphrase } => {
            let key = match &from {
                // Only a key without a passphrase has its old file's word for itself; another one's is asked for.
                Some(from) => SigningKey::read(from, || passphrase::Source::default().of(from))?,
                None => SigningKey::make()?,
            };
            let passphrase = if plain { None } else { Some(passphrase.for_new()?) };
            let public = key.write(&file, passphrase.as_ref())?;
            println!("{}", key.public().id());
            eprintln!(
                "The key is in {}, its public half in {}. Who has the key can publish updates to every browser that has \
                 the extension: keep it where only the packer reads it, and keep a copy, because without it no update can \
                 be published.",
                file.display(),
                public.display()
            );
            if plain {
                eprintln!("It has no passphrase: whoever reads the file has the key.");
            }
        }
        Command::Pack(options) => package::run(&checkout::root()?, &options, now()?)?,
        Command::Policy(options) => policy::run(&checkout::root()?, &options)?,
        Command::Sbom { out } => {
            let root = checkout::root()?;
            let out = out.unwrap_or_else(|| root.join("dist/sbom"));
            for (name, bytes) in sbom::write(&root, &out)? {
                println!("{:>9} bytes  {}", bytes.len(), out.join(name).display());
            }
        }
    }
    Ok(())
}

fn main() -> ExitCode {
    match run(Cli::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("\nerror: {error:#}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(test)]
mod tests {
    use clap::{CommandFactory as _, Parser as _};

    use crate::Cli;

    #[test]
    fn the_command_line_takes_what_the_pages_say_and_refuses_what_makes_no_sense() {
        Cli::command().debug_assert();
        let takes = |line: &str| Cli::try_parse_from(line.split(' ')).is_ok();
        for good in [
            "xtask key holdfast.pem",
            "xtask key new.pem --from holdfast.pem --passphrase-file word",
            "xtask pack --key holdfast.pem --serve-from https://acme.test/",
            "xtask pack --public-key holdfast.pub.pem --serve-from https://acme.test/ --digest-out holdfast.sha256",
            "xtask pack --public-key holdfast.pub.pem --signature holdfast.signature --release",
            "xtask pack --key holdfast.pem --release --advisories-max-age 3 --despite reason",
            "xtask policy --key holdfast.pub.pem",
            "xtask sbom --out lists",
        ] {
            assert!(takes(good), "{good}");
        }
        for bad in [
            "xtask key holdfast.pem --plain --passphrase-file word",
            "xtask pack --serve-from https://acme.test/",
            "xtask pack --key holdfast.pem --public-key holdfast.pub.pem --digest-out x",
            "xtask pack --public-key holdfast.pub.pem",
            "xtask pack --key holdfast.pem --signature x",
            "xtask pack --public-key holdfast.pub.pem --digest-out x --signature y",
            "xtask pack --key holdfast.pem --despite reason",
        ] {
            assert!(!takes(bad), "{bad}");
        }
    }
}
