//! `cargo xtask plugin pack | deploy | release`.
#![expect(clippy::print_stdout, reason = "a command-line tool talks to a person")]

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result, bail};
use clap::{Args, Parser, Subcommand};
use publish::{Api, Bases, Credentials, Plugin};

#[derive(Parser)]
#[command(name = "cargo xtask plugin", about = "Publish the Flex plugin", arg_required_else_help = true)]
struct Cli {
    #[command(subcommand)]
    command: Command,
    /// The built script
    #[arg(long, global = true, default_value = "dist/plugin/holdfast-plugin.js", value_name = "FILE")]
    script: PathBuf,
    /// The plugin's unique name in the account
    #[arg(long, global = true, default_value = "plugin-holdfast")]
    name: String,
    /// The version to publish
    #[arg(long, global = true, default_value = env!("CARGO_PKG_VERSION"), value_name = "VERSION")]
    plugin_version: String,
}

#[derive(Subcommand)]
enum Command {
    /// Write a directory that `twilio flex:plugins:deploy` deploys
    Pack {
        /// Where to
        #[arg(long, default_value = "dist/plugin-holdfast", value_name = "DIR")]
        to: PathBuf,
        /// The version of Flex UI that the account runs
        #[arg(long, default_value = "2.7.2")]
        flex_ui: String,
    },
    /// Upload the script and release it, beside the account's other plugins
    Deploy {
        /// Only say every request, and ask nothing
        #[arg(long)]
        dry_run: bool,
        /// What is new
        #[arg(long, default_value = "")]
        changelog: String,
        #[command(flatten)]
        account: Account,
    },
    /// Release an earlier configuration again: the way back
    Release {
        /// FJ…, as `deploy` said it
        configuration: String,
        #[command(flatten)]
        account: Account,
    },
}

/// The secret comes from the environment alone, where no list of processes shows it.
#[derive(Args)]
struct Account {
    /// An API key (SK…), or the account (AC…)
    #[arg(long, env = "TWILIO_API_KEY_SID", value_name = "SID")]
    user: Option<String>,
    /// Another base URL of the Flex API
    #[arg(long, default_value_t = Bases::default().flex, value_name = "URL")]
    flex_api: String,
    /// Another base URL of the Serverless API
    #[arg(long, default_value_t = Bases::default().serverless, value_name = "URL")]
    serverless_api: String,
    /// Another base URL for uploads
    #[arg(long, default_value_t = Bases::default().upload, value_name = "URL")]
    upload_api: String,
}

impl Account {
    fn api(self, dry: bool) -> Result<Api> {
        let secret =
            ["TWILIO_API_KEY_SECRET", "TWILIO_AUTH_TOKEN"].iter().find_map(|name| std::env::var(name).ok());
        let credentials = match (dry, self.user, secret) {
            (true, ..) => None,
            (false, Some(user), Some(secret)) => Some(Credentials { user, secret }),
            _ => bail!(
                "set TWILIO_API_KEY_SID and TWILIO_API_KEY_SECRET, or --user AC… and TWILIO_AUTH_TOKEN (or try --dry-run)"
            ),
        };
        let bases = Bases { flex: self.flex_api, serverless: self.serverless_api, upload: self.upload_api };
        Api::new(bases, credentials, |text| println!("{text}"))
    }
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let cli = Cli::parse();
    let read =
        || fs::read(&cli.script).with_context(|| format!("{}: cargo xtask build", cli.script.display()));
    match cli.command {
        Command::Pack { to, flex_ui } => {
            let script = String::from_utf8(read()?).context("the script is text")?;
            publish::pack(&script, &cli.name, &cli.plugin_version, &flex_ui, &to)?;
            println!("{}", to.display());
        }
        Command::Deploy { dry_run, changelog, account } => {
            let plugin = Plugin { name: cli.name, version: cli.plugin_version, script: read()?, changelog };
            let api = account.api(dry_run)?;
            let done = publish::deploy(&api, &plugin).await?;
            if dry_run {
                println!(
                    "\nNothing was asked. Requests carry basic authentication with the key, which is not shown."
                );
                return Ok(());
            }
            println!("\nreleased: {} ({})", done.configuration, done.url);
            if let Some(previous) = done.previous {
                println!("the way back: cargo xtask plugin release {previous}");
            }
        }
        Command::Release { configuration, account } => {
            let api = account.api(false)?;
            publish::release(&api, &configuration).await?;
            println!("released: {configuration}");
        }
    }
    Ok(())
}
