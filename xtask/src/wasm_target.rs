//! A compiler that builds for wasm32-unknown-unknown: rustup's where it can be had, else Debian's.
//!
//! Debian packages a current compiler for Firefox and Chromium (`rustc-web`) with the source of its standard library,
//! but no wasm32 build of that library. It is built here once, into the compiler's own sysroot.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail};

use crate::{
    process::{Running, Scratch, command, output_of, pause, run_quietly, succeeds},
    setup::{Machine, as_root},
};

/// The target of everything that runs in a browser.
pub const TARGET: &str = "wasm32-unknown-unknown";
const DEBIAN_BIN: &str = "/usr/bin";
const DEBIAN_RUSTC: &str = "/usr/bin/rustc";
/// To be counted up when `build_std` changes.
const STD_RECIPE: u32 = 2;
/// A download that hangs must not hold up a machine that can help itself.
const RUSTUP_LIMIT: Duration = Duration::from_secs(180);

/// Which compiler builds for wasm32.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum WasmCompiler {
    /// The one that builds everything else too.
    Default,
    /// Debian's, in /usr/bin.
    Debian,
}

impl WasmCompiler {
    /// Makes a command that starts cargo or rustc by name use this compiler.
    pub fn choose(self, command: &mut Command, path: &OsStr) {
        if self == Self::Debian {
            let tools: Vec<PathBuf> = env::split_paths(path).collect();
            // Our own tools stay first, rustup's proxies come after Debian's programs.
            let first = tools.iter().take(1).cloned().chain([PathBuf::from(DEBIAN_BIN)]);
            if let Ok(path) = env::join_paths(first.chain(tools.iter().skip(1).cloned())) {
                command.env("PATH", path);
            }
            // Set by rustup's cargo for its own compiler's libraries.
            command.env_remove("LD_LIBRARY_PATH");
        }
    }
}

/// Finds or makes such a compiler. `SETUP_WASM_FORCE_DEBIAN=1` takes Debian's road even where rustup's is open.
pub fn ensure(machine: &Machine) -> Result<WasmCompiler> {
    let debian_only = env::var_os("SETUP_WASM_FORCE_DEBIAN").is_some();
    let scratch = Scratch::new("probe")?;
    let usable = |rustc: &str| builds_wasm(rustc, &machine.project.root, scratch.path());
    if !debian_only && usable("rustc") {
        return Ok(WasmCompiler::Default);
    }
    if debian_std_is_built() && usable(DEBIAN_RUSTC) {
        return Ok(WasmCompiler::Debian);
    }
    if !debian_only && succeeds(Command::new("rustup").arg("--version")) {
        let mut added = false;
        machine.step(&format!("rustup target add {TARGET}"), || {
            added = rustup_target_add(machine)? && usable("rustc");
            Ok(())
        })?;
        if added {
            return Ok(WasmCompiler::Default);
        }
    }
    if !debian_only && !Path::new("/usr/bin/apt-get").exists() {
        bail!("rustc cannot build for {TARGET}: install that target with rustup or your package manager");
    }
    install_debian_compiler(machine)?;
    if !debian_std_is_built() {
        machine.step(&format!("building Rust's standard library for {TARGET}"), || build_std(machine))?;
    }
    if !usable(DEBIAN_RUSTC) {
        bail!(
            "{DEBIAN_RUSTC} still cannot build for {TARGET}; remove {} and try again",
            debian_lib()?.display()
        );
    }
    Ok(WasmCompiler::Debian)
}

/// Whether a compiler really compiles and links a small library: a target may be listed and yet lack its linker.
fn builds_wasm(rustc: &str, root: &Path, scratch: &Path) -> bool {
    let source =
        "#[unsafe(no_mangle)] pub extern \"C\" fn f(n: u32) -> usize { vec![0u8; n as usize].len() }\n";
    let file = scratch.join("probe.rs");
    if fs::write(&file, source).is_err() {
        return false;
    }
    let mut compile = command(rustc, root);
    compile
        .args(["--target", TARGET, "--crate-type", "cdylib", "-o"])
        .arg(scratch.join("probe.wasm"))
        .arg(file);
    if rustc == DEBIAN_RUSTC {
        compile.env_remove("LD_LIBRARY_PATH");
    }
    succeeds(&mut compile)
}

fn rustup_target_add(machine: &Machine) -> Result<bool> {
    let mut rustup = command("rustup", &machine.project.root);
    rustup.args(["target", "add", TARGET]);
    let log = fs::File::create(machine.project.log("rustup"))?;
    let mut running = Running::of(rustup.stdout(log.try_clone()?).stderr(log).spawn()?);
    let start = Instant::now();
    while start.elapsed() < RUSTUP_LIMIT {
        if let Some(status) = running.ended()? {
            return Ok(status.success());
        }
        pause()?;
    }
    Ok(false)
}

/// What Debian's compiler says of itself on a line that starts with `key`.
fn debian_says(key: &str) -> Result<String> {
    let text =
        output_of(Command::new(DEBIAN_RUSTC).arg("-vV").env_remove("LD_LIBRARY_PATH")).unwrap_or_default();
    let line = text.lines().find_map(|line| line.strip_prefix(key));
    Ok(line.with_context(|| format!("{DEBIAN_RUSTC} -vV does not say its {key}"))?.trim().to_owned())
}

fn debian_lib() -> Result<PathBuf> {
    let sysroot =
        output_of(Command::new(DEBIAN_RUSTC).args(["--print", "sysroot"]).env_remove("LD_LIBRARY_PATH"));
    Ok(Path::new(&sysroot.with_context(|| format!("{DEBIAN_RUSTC} names no sysroot"))?)
        .join(format!("lib/rustlib/{TARGET}/lib")))
}

/// Which compiler a standard library was built by and for, and by which version of `build_std`.
fn debian_version() -> Result<String> {
    Ok(format!("{} {} recipe {STD_RECIPE}", debian_says("release:")?, debian_says("commit-hash:")?))
}

fn debian_std_is_built() -> bool {
    let stamp = debian_lib().and_then(|lib| Ok(fs::read_to_string(lib.join(".holdfast-stamp"))?));
    matches!((stamp, debian_version()), (Ok(stamp), Ok(version)) if stamp == version)
}

fn install_debian_compiler(machine: &Machine) -> Result<()> {
    let has_source =
        || debian_says("release:").is_ok_and(|v| Path::new(&format!("/usr/src/rustc-{v}/library")).exists());
    if !has_source() {
        let elsewhere = format!("install the {TARGET} target with rustup");
        machine.apt_install(&["rustc-web", "cargo-web", "rust-web-src"], &elsewhere)?;
    }
    // The linker is a package of its own, as new as the compiler's LLVM.
    if !Path::new("/usr/bin/rust-lld").exists() {
        let llvm = debian_says("LLVM version:")?;
        let lld = format!("lld-{}", llvm.split('.').next().unwrap_or_default());
        machine.apt_install(&[&lld, "rust-web-llvm"], "install rust-lld")?;
    }
    Ok(())
}

/// Compiler flags that keep this machine's directories out of what is compiled: panics name source files.
pub fn anonymous_sources(root: &Path) -> Result<Vec<OsString>> {
    let home = env::var_os("CARGO_HOME").map(PathBuf::from);
    let home = home.or_else(|| Some(PathBuf::from(env::var_os("HOME")?).join(".cargo")));
    let mut local = vec![(root.to_path_buf(), "holdfast")];
    if let Ok(registries) =
        fs::read_dir(home.context("neither CARGO_HOME nor HOME is set")?.join("registry/src"))
    {
        local.extend(registries.filter_map(|entry| Some((entry.ok()?.path(), "crates"))));
    }
    local.sort();
    let flag = |(path, public): (PathBuf, &str)| {
        let mut flag = OsString::from("--remap-path-prefix=");
        flag.push(path);
        flag.push("=");
        flag.push(public);
        flag
    };
    Ok(local.into_iter().map(flag).collect())
}

fn build_std(machine: &Machine) -> Result<()> {
    let project = machine.project;
    let scratch = Scratch::new("std")?;
    let seed = scratch.path();
    fs::create_dir(seed.join("src"))?;
    fs::write(seed.join("src/lib.rs"), "")?;
    let package =
        "[package]\nname = \"std-seed\"\nedition = \"2021\"\n[workspace]\n[profile.release]\ndebug = 0\n";
    fs::write(seed.join("Cargo.toml"), package)?;
    let mut cargo = command(Path::new(DEBIAN_BIN).join("cargo"), seed);
    cargo.args(["build", "--release", "--target", TARGET, "-Zbuild-std=std,panic_abort,proc_macro,test"]);
    let path = env::var_os("PATH").unwrap_or_default();
    let path = env::join_paths([PathBuf::from(DEBIAN_BIN)].into_iter().chain(env::split_paths(&path)))?;
    // embed-bitcode: the libraries serve builds with link-time optimisation and without.
    let mut flags = anonymous_sources(seed)?;
    flags.push("-Cembed-bitcode=yes".into());
    cargo.env("PATH", path).env("RUSTC_BOOTSTRAP", "1");
    cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join(OsStr::new("\u{1f}")));
    for inherited in
        ["RUSTC", "RUSTC_WRAPPER", "RUSTFLAGS", "CARGO_BUILD_TARGET", "CARGO_TARGET_DIR", "LD_LIBRARY_PATH"]
    {
        cargo.env_remove(inherited);
    }
    run_quietly(&mut cargo, &project.log("build-std"))?;

    let lib = debian_lib()?;
    let libraries: Vec<PathBuf> = fs::read_dir(seed.join(format!("target/{TARGET}/release/deps")))?
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.extension() == Some(OsStr::new("rlib")))
        .filter(|path| {
            !path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("libstd_seed"))
        })
        .collect();
    let stamp = seed.join(".holdfast-stamp");
    fs::write(&stamp, debian_version()?)?;
    let log = project.log("install-std");
    run_quietly(as_root(project).args(["rm", "-rf"]).arg(&lib), &log)?;
    run_quietly(as_root(project).args(["mkdir", "-p"]).arg(&lib), &log)?;
    run_quietly(as_root(project).arg("cp").args(&libraries).arg(&stamp).arg(&lib), &log)?;
    Ok(())
}
