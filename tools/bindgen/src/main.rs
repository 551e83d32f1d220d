//! `wasm-bindgen`, as our build and wasm-pack call it: the library that makes the glue, behind the few options that they use.
//!
//! The whole command line (`wasm-bindgen-cli`) carries a test runner with a web server and TLS, which takes a newcomer minutes to
//! compile; and it comes with a lock file of its own. This one is locked by ours, so it is of the bindings' version by construction.
//! xtask puts it where wasm-pack finds it under that name. (The compiler takes any crate that is itself called so for an old one.)
#![expect(clippy::print_stdout, reason = "a command-line tool answers on standard output")]

use std::path::PathBuf;

use anyhow::Result;
use clap::{Parser, ValueEnum};
use wasm_bindgen_cli_support::Bindgen;

/// As the whole command line names them.
#[derive(Parser)]
#[command(name = "wasm-bindgen", disable_version_flag = true)]
struct Args {
    /// The compiled crate
    #[arg(required_unless_present = "version")]
    input: Option<PathBuf>,
    /// Where the glue and the bound WASM go
    #[arg(long, value_name = "DIR", required_unless_present = "version")]
    out_dir: Option<PathBuf>,
    /// The base name of what is written; without it, the crate's
    #[arg(long, value_name = "NAME")]
    out_name: Option<String>,
    /// How the glue is loaded
    #[arg(long, value_enum, default_value_t = Target::Bundler)]
    target: Target,
    /// No .d.ts files
    #[arg(long, conflicts_with = "typescript")]
    no_typescript: bool,
    /// What is done anyhow; wasm-pack says it
    #[arg(long)]
    typescript: bool,
    /// Checks in the glue, as in wasm-pack's development builds
    #[arg(long)]
    debug: bool,
    /// Print the version, which must be that of the bindings
    #[arg(long, short = 'V')]
    version: bool,
}

#[derive(Clone, Copy, ValueEnum)]
enum Target {
    Bundler,
    Web,
    NoModules,
}

fn main() -> Result<()> {
    let args = Args::parse();
    let (Some(input), Some(out_dir), false) = (args.input, args.out_dir, args.version) else {
        println!("wasm-bindgen {}", wasm_bindgen_shared::version());
        return Ok(());
    };
    let mut bindgen = Bindgen::new();
    match args.target {
        Target::Bundler => bindgen.bundler(true)?,
        Target::Web => bindgen.web(true)?,
        Target::NoModules => bindgen.no_modules(true)?,
    };
    bindgen
        .input_path(input)
        .debug(args.debug)
        .typescript(!args.no_typescript)
        .omit_default_module_path(false);
    if let Some(name) = &args.out_name {
        bindgen.out_name(name);
    }
    bindgen.generate(out_dir)
}
