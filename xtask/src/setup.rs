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
    say,
    stamp::Stamp,
    wasm_target::{self, WasmCompiler},
};

/// Newest when this was written. It only drives cargo and wasm-bindgen, so its exact version matters little.
const WASM_PACK: &str = "0.15.1";
/// Newest when this was written.
const CARGO_DENY: &str = "0.20.2";
/// Newest when this was written.
const CARGO_FUZZ: &str = "0.13.2";
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
    /// `wasm-pack`, which finds a wasm-bindgen of the lock file's version.
    pub fn wasm_pack(&self, project: &Project) -> Command {
        let mut wasm_pack = command("wasm-pack", &project.root);
        wasm_pack.env("PATH", &self.path);
        self.wasm.choose(&mut wasm_pack, &self.path);
        wasm_pack
    }

    /// `node`, in the repository's directory.
    pub fn node(&self, project: &Project) -> Command {
        command("node", &project.root)
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

/// `PATH` with cargo-deny, which only the tests need.
pub fn with_cargo_deny(project: &Project) -> Result<OsString> {
    with_cargo_tool(project, "cargo-deny", CARGO_DENY)
}

/// `PATH` with cargo-fuzz, which only `cargo xtask fuzz` needs.
pub fn with_cargo_fuzz(project: &Project) -> Result<OsString> {
    with_cargo_tool(project, "cargo-fuzz", CARGO_FUZZ)
}

fn with_cargo_tool(project: &Project, name: &str, version: &str) -> Result<OsString> {
    let machine = Machine { project, apt: Mutex::new(AptState::Untouched), changed: Mutex::new(false) };
    machine.cargo_tool(name, name, version)?;
    path_with_our_tools(project)
}

/// The tools that make what ships and are not known to be what their lock files say, each with the reason.
pub fn unlocked_tools(project: &Project) -> Vec<String> {
    let is_locked = |package: &str, version: &str| {
        fs::read_to_string(project.locked_mark(package)).is_ok_and(|built| built == version)
    };
    let wasm_bindgen = locked_version(project, "wasm-bindgen").unwrap_or_default();
    [("wasm-pack", WASM_PACK), ("wasm-bindgen-cli", wasm_bindgen.as_str())]
        .into_iter()
        .filter(|(package, version)| !is_locked(package, version))
        .map(|(package, version)| {
            format!("{package} {version} was not installed here as its lock file says, or by somebody else")
        })
        .collect()
}

/// Whether the package lists were fetched already.
#[derive(PartialEq)]
enum AptState {
    Untouched,
    Updated,
}

/// The machine that is being set up.
pub struct Machine<'a> {
    /// The checkout.
    pub project: &'a Project,
    apt: Mutex<AptState>,
    changed: Mutex<bool>,
}

impl Machine<'_> {
    fn rust_lane(&self) -> Result<WasmCompiler> {
        let wasm = wasm_target::ensure(self)?;
        self.cargo_tool("wasm-pack", "wasm-pack", WASM_PACK)?;
        self.cargo_tool("wasm-bindgen-cli", "wasm-bindgen", &locked_version(self.project, "wasm-bindgen")?)?;
        let leftovers = self.project.tools().join("build");
        if leftovers.exists() {
            fs::remove_dir_all(leftovers)?;
        }
        Ok(wasm)
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

    fn cargo_tool(&self, package: &str, program: &str, version: &str) -> Result<()> {
        let path = path_with_our_tools(self.project)?;
        let here = output_of(command(program, &self.project.root).arg("--version").env("PATH", path));
        if here.is_some_and(|line| line.split_whitespace().nth(1) == Some(version)) {
            return Ok(());
        }
        // Unoptimised on purpose: the tools are quick enough, and minutes of a newcomer's time are saved.
        let install = |locked: &[&str]| {
            let mut install = command("cargo", &self.project.root);
            install.args(["install", package, "--version", version, "--debug", "--force", "--root"]);
            install.arg(self.project.tools()).args(locked);
            install
                .env("CARGO_TARGET_DIR", self.project.tools().join("build"))
                .env("CARGO_PROFILE_DEV_DEBUG", "0");
            install.env_remove("RUSTFLAGS");
            run_quietly(&mut install, &self.project.log(&format!("install-{program}")))
        };
        let mark = self.project.locked_mark(package);
        forget(&mark)?;
        self.step(&format!("cargo install {package} {version}"), || {
            let Err(refused) = install(&["--locked"]) else {
                fs::create_dir_all(mark.parent().context("a mark lies in a directory")?)?;
                return fs::write(&mark, version).with_context(|| mark.display().to_string());
            };
            let refused = format!("{refused:#}");
            let Some(why) = lock_cannot_be_kept(&refused) else { bail!(refused) };
            say!(
                "setup: {package} {version} cannot be installed as its lock file says: {why}\n\
                 setup: taking what fits of today instead, which nobody has tried; `cargo xtask pack --release` refuses that"
            );
            install(&[])
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

/// Why a tool's own lock file cannot be kept: it names a version that the registry does not carry. No other failure is a
/// reason to do without it.
fn lock_cannot_be_kept(failure: &str) -> Option<&str> {
    failure.lines().map(str::trim).find(|line| line.contains("failed to select a version"))
}

fn forget(mark: &Path) -> Result<()> {
    if mark.exists() {
        fs::remove_file(mark).with_context(|| mark.display().to_string())?;
    }
    Ok(())
}

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

/// The version of a crate in Cargo.lock.
pub fn locked_version(project: &Project, name: &str) -> Result<String> {
    let lock = fs::read_to_string(project.root.join("Cargo.lock")).context("Cargo.lock")?;
    let entry = lock.split("[[package]]").find(|entry| entry.contains(&format!("name = \"{name}\"\n")));
    let version = entry.and_then(|entry| entry.split("version = \"").nth(1)?.split('"').next());
    version.map(str::to_owned).with_context(|| format!("Cargo.lock names no {name}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tool_is_installed_without_its_lock_file_for_one_reason_only() {
        let not_carried = "cargo install wasm-bindgen-cli failed (exit status: 101):\n\
            error: failed to select a version for the requirement `webpki-roots = \"^1.0.10\"` (locked to 1.0.11)\n\
            candidate versions found which didn't match: 1.0.10";
        let why = lock_cannot_be_kept(not_carried).unwrap();
        assert!(why.starts_with("error: failed to select a version") && why.contains("1.0.11"), "{why}");
        for other in [
            "error: failed to download from the registry: timed out",
            "error: checksum for `ureq v3.5.0` changed between lock files",
            "error: could not compile `wasm-bindgen-cli` (lib) due to 1 previous error",
            "error: the lock file needs to be updated but --locked was passed",
        ] {
            assert_eq!(lock_cannot_be_kept(other), None, "{other}");
        }
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
        let list = fs::read_to_string(root.join("xtask/schemathesis.txt")).unwrap();
        let packages: Vec<&str> = list.split_inclusive("\n").filter(|line| !line.starts_with(' ')).collect();
        assert!(packages.len() > 20 && packages.iter().all(|line| line.contains("==")), "{packages:?}");
        assert!(
            packages.iter().all(|line| line.ends_with("\\\n")),
            "each goes on with its digests: {packages:?}"
        );
    }
}
