//! Builds what ships: `dist/extension/`, `dist/plugin/holdfast-plugin.js`, and `dist/join/`, the page of a video call that the token
//! service serves.
//!
//! Each room is compiled and bound as `wasm-pack` does it (a test compares the two), shrunk by binaryen's `wasm-opt`, and packed the
//! way its place in the browser demands; the reasons are in docs/design.md. A room whose inputs did not change is left alone.

use std::{
    ffi::OsString,
    fs,
    io::Write,
    panic::resume_unwind,
    path::{Path, PathBuf},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Instant,
};

use anyhow::{Context, Result, bail};
use base64::{Engine, prelude::BASE64_STANDARD};
use flate2::{Compression, GzBuilder};
use serde_json::Value;

use crate::{
    identity,
    process::{command, interrupted, run_quietly, seconds},
    project::Project,
    say,
    setup::{self, Tools},
    stamp::{Stamp, files_below},
    wasm_target::{TARGET, anonymous_sources},
};

/// How a room's WASM comes to run.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Packing {
    /// An extension page: ES module and a WASM file beside it.
    Page,
    /// The service worker: the WASM inside a module, so that it starts without a wait, in the worker's first turn.
    Worker,
    /// The content script: no WASM at all, because the page's policy forbids it; one classic script.
    Content,
    /// The Flex plugin: one classic script that carries its WASM along.
    Plugin,
    /// A page for tests: as it comes out of the compiler, and in nothing that ships.
    Gallery,
}

impl Packing {
    /// How wasm-bindgen calls the glue that it takes.
    fn target(self) -> &'static str {
        match self {
            Self::Page | Self::Worker | Self::Gallery => "web",
            Self::Content => "bundler",
            Self::Plugin => "no-modules",
        }
    }
}

/// One crate that runs in the browser.
struct Room {
    /// Its directory.
    crate_dir: &'static str,
    /// The base name of its files in the product.
    name: &'static str,
    packing: Packing,
}

const ROOMS: [Room; 7] = [
    Room { crate_dir: "worker-wasm", name: "worker", packing: Packing::Worker },
    Room { crate_dir: "offscreen-wasm", name: "offscreen", packing: Packing::Page },
    Room { crate_dir: "popup-wasm", name: "popup", packing: Packing::Page },
    Room { crate_dir: "content-wasm", name: "content", packing: Packing::Content },
    Room { crate_dir: "plugin", name: "plugin", packing: Packing::Plugin },
    Room { crate_dir: "web/join-wasm", name: "join", packing: Packing::Page },
    Room { crate_dir: "web/gallery-wasm", name: "gallery", packing: Packing::Gallery },
];

impl Room {
    /// The name of its package.
    fn package(&self) -> &'static str {
        self.crate_dir.rsplit('/').next().unwrap_or(self.crate_dir)
    }
}

/// Crates that every room may be made of.
const SHARED_CRATES: &[&str] = &[
    "crates/kernel",
    "crates/messages",
    "crates/policy",
    "crates/protocol",
    "crates/sansio",
    "crates/shell",
    "crates/lifeline",
    "crates/wire",
    "crates/wire-derive",
    "crates/webext",
    "crates/voice-sdk",
    "crates/video-sdk",
    "crates/ui",
];

/// The Voice SDK as its makers ship it, and its licence, which the minified file itself does not carry.
const VOICE_SDK: [(&str, &str); 2] = [
    ("node_modules/@twilio/voice-sdk/dist/twilio.min.js", "vendor/twilio.min.js"),
    ("node_modules/@twilio/voice-sdk/LICENSE.md", "vendor/twilio.LICENSE.md"),
];

/// The Video SDK, likewise: both the extension and the customer's page carry it.
const VIDEO_SDK: [(&str, &str); 2] = [
    ("node_modules/twilio-video/dist/twilio-video.min.js", "vendor/twilio-video.min.js"),
    ("node_modules/twilio-video/LICENSE.md", "vendor/twilio-video.LICENSE.md"),
];

/// The page of a video call, and the sheet of the kit that it is drawn with. The same files are the customer's page and the agent's
/// window in the extension, under the name that each is opened by.
const CALL_PAGE: &str = "web/join-wasm/static";
const CALL_PAGE_HTML: &str = "index.html";
const WINDOW_HTML: &str = "video.html";
const KIT_SHEET: &str = "crates/ui/ui.css";

/// WebAssembly without what JavaScript made by wasm2js cannot express. The standard library was compiled with more,
/// so the linker is told what to claim; wasm-bindgen then keeps to it, and wasm-opt lowers the rest.
const PLAIN_WASM: [&str; 3] = [
    "-Ctarget-cpu=mvp",
    "-Clink-arg=--no-check-features",
    "-Clink-arg=--features=bulk-memory,bulk-memory-opt,mutable-globals,nontrapping-fptoint,sign-ext",
];
const LOWER_TO_PLAIN_WASM: [&str; 4] = [
    "--signext-lowering",
    "--llvm-memory-copy-fill-lowering",
    "--llvm-nontrapping-fptoint-lowering",
    "--strip-target-features",
];

/// Builds everything that changed.
pub fn run(project: &Project, tools: &Tools) -> Result<()> {
    let start = Instant::now();
    let builder = Builder { project, tools };
    // Compilers take turns, because they share a target directory; packing goes on beside compiling what comes next.
    let broken = thread::scope(|scope| -> Result<Vec<&str>> {
        let mut packing = Vec::new();
        for group in builder.groups()? {
            let mut stale = Vec::new();
            for room in &group {
                stale.extend(builder.stamp_unless_fresh(room)?.map(|stamp| (*room, stamp)));
            }
            if stale.is_empty() {
                continue;
            }
            let start = Instant::now();
            let names: Vec<&str> = stale.iter().map(|(room, _)| room.crate_dir).collect();
            say!("build: {} ...", names.join(", "));
            if let Err(error) = builder.compile(&group) {
                say!("build: {} do not build:\n{error:#}\n", names.join(", "));
                return Ok(names);
            }
            say!("build: {}: compiled: {}", names.join(", "), seconds(start));
            let builder = &builder;
            for (room, stamp) in stale {
                let pack = scope.spawn(move || {
                    let start = Instant::now();
                    builder.pack(room, &builder.bind(room)?)?;
                    stamp.leave()?;
                    say!("build: {}: packed: {}", room.crate_dir, seconds(start));
                    Ok(())
                });
                packing.push((room.crate_dir, pack));
            }
        }
        let mut broken = Vec::new();
        for (name, pack) in packing {
            let packed: Result<()> = pack.join().unwrap_or_else(|panic| resume_unwind(panic));
            if let Err(error) = packed {
                say!("build: {name} does not build:\n{error:#}\n");
                broken.push(name);
            }
        }
        Ok(broken)
    })?;
    if interrupted() {
        bail!("interrupted");
    }
    if !broken.is_empty() {
        bail!("rooms that do not build: {}", broken.join(", "));
    }
    builder.extension()?;
    builder.plugin()?;
    builder.join()?;
    say!("build: done ({})", seconds(start));
    Ok(())
}

struct Builder<'a> {
    project: &'a Project,
    tools: &'a Tools,
}

impl Builder<'_> {
    /// Where everything of the browser's side is compiled; apart from native builds, which have their own lock.
    fn target(&self) -> PathBuf {
        self.project.target.join("wasm")
    }

    /// Where a room's finished files wait to be put together.
    fn staged(&self, room: &Room) -> PathBuf {
        self.project.target.join("wasm/staged").join(room.package())
    }

    /// What to leave behind when the room is built, or `None` when it was built from the same inputs already.
    fn stamp_unless_fresh(&self, room: &Room) -> Result<Option<Stamp>> {
        let shared = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "package-lock.json"];
        // The gallery shows another room's screens.
        let shown = (room.packing == Packing::Gallery).then_some(&"web/join-wasm");
        let names = std::iter::once(&room.crate_dir).chain(shown).chain(SHARED_CRATES).chain(&shared);
        let inputs: Vec<PathBuf> = names.map(|name| self.project.root.join(name)).collect();
        // The recipe is this file, and the flags that depend on this machine.
        let recipe = format!("{}{:?}", include_str!("build.rs"), self.rust_flags(room)?);
        let staged = self.staged(room);
        let stamp = Stamp::new(staged.with_extension("stamp"), &inputs, &recipe)?;
        Ok(if stamp.is_fresh(&[&staged]) { None } else { Some(stamp) })
    }

    /// Makes the room's finished files from what the compiler left in `pkg`, unless that is what it was last time.
    fn pack(&self, room: &Room, pkg: &Path) -> Result<()> {
        let staged = self.staged(room);
        let mut inputs = vec![pkg.to_path_buf()];
        if room.packing == Packing::Plugin {
            inputs.push(self.project.root.join("plugin/entry.js"));
        }
        let stamp = Stamp::new(staged.with_extension("packed"), &inputs, include_str!("build.rs"))?;
        if stamp.is_fresh(&[&staged]) {
            return Ok(());
        }
        let scratch = staged.with_extension("scratch");
        copy_all(pkg, &scratch)?;
        let pkg = scratch.as_path();
        // What was there no longer counts, also if we fail half-way.
        for stamp in [staged.with_extension("stamp"), staged.with_extension("packed")] {
            if stamp.exists() {
                fs::remove_file(stamp)?;
            }
        }
        if staged.exists() {
            fs::remove_dir_all(&staged)?;
        }
        fs::create_dir_all(&staged)?;
        match room.packing {
            Packing::Page => self.pack_page(room, pkg, &staged),
            Packing::Worker => self.pack_worker(room, pkg, &staged),
            Packing::Content => self.pack_content(room, pkg, &staged),
            Packing::Plugin => self.pack_plugin(room, pkg, &staged),
            Packing::Gallery => copy_all(pkg, &staged),
        }?;
        stamp.leave()
    }

    /// Compiler flags, as Cargo takes them from the environment.
    fn rust_flags(&self, room: &Room) -> Result<OsString> {
        let mut flags = anonymous_sources(&self.project.root)?;
        if room.packing == Packing::Content {
            flags.extend(PLAIN_WASM.map(OsString::from));
        }
        Ok(flags.join(&OsString::from("\u{1f}")))
    }

    /// The rooms, those together that the compiler is told the same of.
    fn groups(&self) -> Result<Vec<Vec<&'static Room>>> {
        let mut groups: Vec<(OsString, Vec<&Room>)> = Vec::new();
        for room in &ROOMS {
            let flags = self.rust_flags(room)?;
            match groups.iter_mut().find(|(of, _)| *of == flags) {
                Some((_, group)) => group.push(room),
                None => groups.push((flags, vec![room])),
            }
        }
        Ok(groups.into_iter().map(|(_, group)| group).collect())
    }

    /// Compiles the rooms of a group, always all of them: each alone would have what it depends on compiled once more, with the
    /// features that it alone wants. What did not change is not compiled again.
    fn compile(&self, group: &[&Room]) -> Result<()> {
        let [first, ..] = group else { return Ok(()) };
        let mut cargo = self.tools.for_wasm(self.project, "cargo");
        cargo.args(["build", "--lib", "--release", "--locked", "--target", TARGET]);
        cargo.args(group.iter().flat_map(|room| ["--package", room.package()]));
        cargo.env("CARGO_ENCODED_RUSTFLAGS", self.rust_flags(first)?).env("CARGO_TARGET_DIR", self.target());
        run_quietly(&mut cargo, &self.project.log(&format!("build-{}", first.package())))
    }

    /// Makes a compiled room's glue, and gives the directory that has it, beside the WASM that goes with it.
    fn bind(&self, room: &Room) -> Result<PathBuf> {
        let pkg = self.target().join("pkg").join(room.package());
        if pkg.exists() {
            fs::remove_dir_all(&pkg)?;
        }
        let wasm = format!("{}.wasm", room.package().replace('-', "_"));
        let mut bindgen = command(bindgen(self.project)?, &self.project.root);
        bindgen.arg(self.target().join(TARGET).join("release").join(wasm));
        bindgen.args(["--no-typescript", "--target", room.packing.target()]);
        bindgen.args(["--out-name", room.name, "--out-dir"]).arg(&pkg);
        run_quietly(&mut bindgen, &self.project.log(&format!("bind-{}", room.package())))?;
        Ok(pkg)
    }

    /// Runs a program of npm's binaryen. No `--all-features`: it makes files that Chromium refuses; without it the
    /// program reads from the file what it may use.
    fn binaryen(&self, program: &str, flags: &[&str], input: &Path, output: &Path) -> Result<()> {
        let mut command = self.tools.npm_program(self.project, program);
        command.args(flags).arg(input).arg("-o").arg(output);
        run_quietly(&mut command, &input.with_extension(format!("{program}.log")))
    }

    fn esbuild(&self, flags: &[&str], input: &Path, output: &Path) -> Result<()> {
        let mut command = self.tools.npm_program(self.project, "esbuild");
        command.arg(input).args(flags).args([
            "--minify",
            "--target=chrome120",
            "--legal-comments=inline",
            "--log-level=warning",
        ]);
        let mut outfile = OsString::from("--outfile=");
        outfile.push(output);
        run_quietly(command.arg(outfile), &input.with_extension("esbuild.log"))
    }

    fn pack_page(&self, room: &Room, pkg: &Path, staged: &Path) -> Result<()> {
        let (glue, wasm) = (format!("{}.js", room.name), format!("{}_bg.wasm", room.name));
        self.esbuild(&["--format=esm"], &pkg.join(&glue), &staged.join(&glue))?;
        self.binaryen("wasm-opt", &["-Oz"], &pkg.join(&wasm), &staged.join(&wasm))
    }

    fn pack_worker(&self, room: &Room, pkg: &Path, staged: &Path) -> Result<()> {
        self.pack_page(room, pkg, staged)?;
        let wasm = staged.join(format!("{}_bg.wasm", room.name));
        let module = format!(
            "// The worker's WebAssembly: inside a module, it is there before the worker's first turn ends.\n\
             export const bytes = Uint8Array.from(atob('{}'), c => c.charCodeAt(0));\n",
            base64_of(&wasm)?
        );
        fs::write(staged.join(format!("{}_wasm.js", room.name)), module)?;
        Ok(fs::remove_file(wasm)?)
    }

    fn pack_content(&self, room: &Room, pkg: &Path, staged: &Path) -> Result<()> {
        let wasm = pkg.join(format!("{}_bg.wasm", room.name));
        let plain = pkg.join("plain.wasm");
        self.binaryen("wasm-opt", &[&LOWER_TO_PLAIN_WASM[..], &["-Oz"]].concat(), &wasm, &plain)?;
        // wasm2js writes a module with the WASM file's own imports and exports, so it can take that file's place
        // under wasm-bindgen's glue; esbuild only has to be told that it is JavaScript.
        self.binaryen("wasm2js", &["-Oz"], &plain, &wasm)?;
        let entry = pkg.join("entry.js");
        fs::write(&entry, format!("import {{ start }} from './{}.js';\nstart();\n", room.name))?;
        let bundle = ["--bundle", "--format=iife", "--loader:.wasm=js"];
        self.esbuild(&bundle, &entry, &staged.join(format!("{}.js", room.name)))
    }

    fn pack_plugin(&self, room: &Room, pkg: &Path, staged: &Path) -> Result<()> {
        let wasm = pkg.join("small.wasm");
        self.binaryen("wasm-opt", &["-Oz"], &pkg.join(format!("{}_bg.wasm", room.name)), &wasm)?;
        let glue = read(&pkg.join(format!("{}.js", room.name)))?;
        let entry = read(&self.project.root.join("plugin/entry.js"))?;
        // One function scope, so that nothing of it becomes a global of the Flex page.
        let whole = format!(
            "(() => {{\nconst HOLDFAST_WASM_GZIP_BASE64 = '{}';\n{glue}\n{entry}\n}})();\n",
            BASE64_STANDARD.encode(gzip(&fs::read(&wasm)?)?)
        );
        let script = pkg.join("whole.js");
        fs::write(&script, whole)?;
        self.esbuild(&[], &script, &staged.join("holdfast-plugin.js"))
    }

    /// Puts the unpacked extension together, beside the old one, and then in its place.
    fn extension(&self) -> Result<()> {
        let root = &self.project.root;
        let fresh = self.project.dist().join(".extension-new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        let files = root.join("extension");
        for file in files_below(&files)? {
            if file.file_name().is_some_and(|name| name == "public-key.txt") {
                continue;
            }
            copy(&file, &fresh.join(file.strip_prefix(&files)?))?;
        }
        for room in &ROOMS {
            let to = match room.packing {
                Packing::Page | Packing::Worker => fresh.join("pkg"),
                Packing::Content => fresh.clone(),
                Packing::Plugin | Packing::Gallery => continue,
            };
            let staged = self.staged(room);
            files_below(&staged)?
                .iter()
                .try_for_each(|file| copy(file, &to.join(file.strip_prefix(&staged)?)))?;
        }
        for (from, to) in VOICE_SDK {
            copy(&root.join(from), &fresh.join(to))?;
        }
        self.call_page(&fresh, WINDOW_HTML)?;
        let manifest = stamped_manifest(root)?;
        fs::write(fresh.join("manifest.json"), format!("{manifest:#}\n"))?;
        for named in files_named_by(&manifest) {
            if !fresh.join(&named).exists() {
                bail!("manifest.json names {named}, which neither extension/ nor a room provides");
            }
        }
        replace(&fresh, &self.project.extension())
    }

    /// Puts the customer's page of a video call together, as the token service serves it.
    fn join(&self) -> Result<()> {
        let fresh = self.project.dist().join(".join-new");
        if fresh.exists() {
            fs::remove_dir_all(&fresh)?;
        }
        let staged = self.staged(&ROOMS[5]);
        files_below(&staged)?
            .iter()
            .try_for_each(|file| copy(file, &fresh.join("pkg").join(file.strip_prefix(&staged)?)))?;
        self.call_page(&fresh, CALL_PAGE_HTML)?;
        replace(&fresh, &self.project.join())
    }

    /// What a page of a video call is made of besides its room, with its HTML under this name.
    fn call_page(&self, to: &Path, html: &str) -> Result<()> {
        let root = &self.project.root;
        let page = root.join(CALL_PAGE);
        for file in files_below(&page)? {
            let name = file.strip_prefix(&page)?;
            copy(&file, &to.join(if name == Path::new(CALL_PAGE_HTML) { Path::new(html) } else { name }))?;
        }
        let sheet = root.join(KIT_SHEET);
        copy(&sheet, &to.join(sheet.file_name().context("the sheet has a name")?))?;
        VIDEO_SDK.into_iter().try_for_each(|(from, name)| copy(&root.join(from), &to.join(name)))
    }

    fn plugin(&self) -> Result<()> {
        let staged = self.staged(&ROOMS[4]);
        copy(&staged.join("holdfast-plugin.js"), &self.project.plugin())
    }
}

/// The manifest with the version of the workspace and the key that gives the unpacked extension its lasting id.
fn stamped_manifest(root: &Path) -> Result<Value> {
    let mut manifest: Value =
        serde_json::from_str(&read(&root.join("manifest.json"))?).context("manifest.json")?;
    let key = read(&root.join("extension/public-key.txt"))?.trim().to_owned();
    identity::of_key(&key)?;
    manifest["version"] = env!("CARGO_PKG_VERSION").into();
    manifest["key"] = key.into();
    Ok(manifest)
}

/// Every file of the extension that its manifest names.
fn files_named_by(manifest: &Value) -> Vec<String> {
    let single = [
        "/background/service_worker",
        "/action/default_popup",
        "/options_ui/page",
        "/storage/managed_schema",
    ];
    let groups = ["/icons", "/action/default_icon", "/content_scripts/0/js"];
    let single = single.iter().filter_map(|pointer| manifest.pointer(pointer));
    let grouped =
        groups.iter().filter_map(|pointer| manifest.pointer(pointer)).flat_map(|group| match group {
            Value::Object(map) => map.values().collect::<Vec<_>>(),
            Value::Array(list) => list.iter().collect(),
            other => vec![other],
        });
    single.chain(grouped).filter_map(|value| Some(value.as_str()?.to_owned())).collect()
}

/// The same bytes for the same input: no time, no name.
fn gzip(bytes: &[u8]) -> Result<Vec<u8>> {
    let mut encoder = GzBuilder::new().write(Vec::new(), Compression::best());
    encoder.write_all(bytes)?;
    Ok(encoder.finish()?)
}

/// Puts a directory in the place of another.
fn replace(fresh: &Path, place: &Path) -> Result<()> {
    if place.exists() {
        fs::remove_dir_all(place)?;
    }
    Ok(fs::rename(fresh, place)?)
}

fn base64_of(file: &Path) -> Result<String> {
    Ok(BASE64_STANDARD.encode(fs::read(file).with_context(|| file.display().to_string())?))
}

fn read(file: &Path) -> Result<String> {
    fs::read_to_string(file).with_context(|| file.display().to_string())
}

fn copy(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to.parent().context("a file lies in a directory")?)?;
    fs::copy(from, to).with_context(|| from.display().to_string())?;
    Ok(())
}

fn copy_all(from: &Path, to: &Path) -> Result<()> {
    if to.exists() {
        fs::remove_dir_all(to)?;
    }
    files_below(from)?.iter().try_for_each(|file| copy(file, &to.join(file.strip_prefix(from)?)))
}

/// Builds a room by wasm-pack, as a person may, and sees that it comes out as ours do.
pub fn as_wasm_pack_does(project: &Project, tools: &Tools) -> Result<()> {
    let builder = Builder { project, tools };
    // It is compiled alone here too, and so comes out the same to the byte.
    let room = &ROOMS[3];
    builder.compile(&[room])?;
    let ours = builder.bind(room)?;
    setup::with_wasm_pack(project, &bindgen(project)?)?;
    let theirs = builder.target().join("pkg/by-wasm-pack");
    let mut wasm_pack = tools.for_wasm(project, "wasm-pack");
    wasm_pack.args(["build", "--mode", "no-install", "--no-opt", "--no-typescript", "--no-pack"]);
    wasm_pack.args(["--target", room.packing.target(), "--out-name", room.name, "--out-dir"]).arg(&theirs);
    wasm_pack.arg(project.root.join(room.crate_dir)).args(["--", "--locked"]);
    wasm_pack
        .env("CARGO_ENCODED_RUSTFLAGS", builder.rust_flags(room)?)
        .env("CARGO_TARGET_DIR", builder.target());
    run_quietly(&mut wasm_pack, &project.log("build-by-wasm-pack"))?;
    for file in files_below(&ours)? {
        let name = file.strip_prefix(&ours)?;
        let built = theirs.join(name);
        if fs::read(&built).with_context(|| built.display().to_string())? != fs::read(&file)? {
            bail!("wasm-pack makes another {} of {}", name.display(), room.crate_dir);
        }
    }
    Ok(())
}

/// What makes the glue, compiled by whoever needs it first: who asks meanwhile waits for that, not for what cargo compiles next.
pub fn bindgen(project: &Project) -> Result<PathBuf> {
    static IS_COMPILED: Mutex<bool> = Mutex::new(false);
    let mut is_compiled = IS_COMPILED.lock().unwrap_or_else(|poisoned| poisoned.into_inner());
    if !*is_compiled {
        programs(project, &["bindgen"])?;
        *is_compiled = true;
    }
    Ok(project.target.join("debug/bindgen"))
}

/// Set once the tests and all programs are: of a program alone cargo would compile much once more, without the tests' features.
static EVERYTHING_IS_COMPILED: AtomicBool = AtomicBool::new(false);

/// Compiles every program, and every test that needs no browser.
pub fn everything(project: &Project) -> Result<()> {
    let mut cargo = command("cargo", &project.root);
    cargo.args(["build", "--locked", "--workspace", "--bins", "--tests"]);
    run_quietly(&mut cargo, &project.log("build-tests"))?;
    EVERYTHING_IS_COMPILED.store(true, Ordering::SeqCst);
    Ok(())
}

/// Compiles programs that run on this machine. Always as parts of the whole workspace, so that they share what they depend
/// on: of a package alone cargo would compile much of it once more, with other features.
pub fn programs(project: &Project, names: &[&str]) -> Result<()> {
    if EVERYTHING_IS_COMPILED.load(Ordering::SeqCst) {
        return Ok(());
    }
    let mut cargo = command("cargo", &project.root);
    cargo.args(["build", "--locked", "--workspace"]).args(names.iter().flat_map(|name| ["--bin", name]));
    let names = names.join("-and-");
    run_quietly(&mut cargo, &project.log(&format!("build-{names}")))
        .with_context(|| format!("{names} does not build"))
}

/// Says how large the product is, and its larger files.
pub fn report_sizes(project: &Project) -> Result<()> {
    let mut total = 0;
    let pages = files_below(&project.join())?;
    for file in files_below(&project.extension())?.into_iter().chain(pages).chain([project.plugin()]) {
        let size = fs::metadata(&file)?.len();
        total += size;
        if size >= 10_000 {
            say!("{:>9} bytes  {}", size, file.strip_prefix(&project.root)?.display());
        }
    }
    say!("{total:>9} bytes  in all");
    Ok(())
}
