//! Builds what ships: `dist/extension/` and `dist/plugin/holdfast-plugin.js`.
//!
//! Each room is compiled by `wasm-pack`, shrunk by binaryen's `wasm-opt`, and packed the way its place in the browser
//! demands; the reasons are in docs/design.md. A room whose inputs did not change is left alone.

use std::{
    ffi::OsString,
    fs,
    io::Write,
    panic::resume_unwind,
    path::{Path, PathBuf},
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
    setup::Tools,
    stamp::{Stamp, files_below},
    wasm_target::anonymous_sources,
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
}

/// One crate that runs in the browser.
struct Room {
    /// Its directory.
    crate_dir: &'static str,
    /// The base name of its files in the product.
    name: &'static str,
    packing: Packing,
}

const ROOMS: [Room; 5] = [
    Room { crate_dir: "worker-wasm", name: "worker", packing: Packing::Worker },
    Room { crate_dir: "offscreen-wasm", name: "offscreen", packing: Packing::Page },
    Room { crate_dir: "popup-wasm", name: "popup", packing: Packing::Page },
    Room { crate_dir: "content-wasm", name: "content", packing: Packing::Content },
    Room { crate_dir: "plugin", name: "plugin", packing: Packing::Plugin },
];

/// Crates that every room may be made of.
const SHARED_CRATES: [&str; 6] = [
    "crates/wire",
    "crates/wire-derive",
    "crates/kernel",
    "crates/protocol",
    "crates/webext",
    "crates/voice-sdk",
];

/// The Voice SDK as its makers ship it, and its licence, which the minified file itself does not carry.
const VOICE_SDK: [(&str, &str); 2] = [
    ("node_modules/@twilio/voice-sdk/dist/twilio.min.js", "vendor/twilio.min.js"),
    ("node_modules/@twilio/voice-sdk/LICENSE.md", "vendor/twilio.LICENSE.md"),
];

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
    // Compilers take turns, because they share a target directory; packing one room goes on beside compiling the next.
    let broken = thread::scope(|scope| -> Result<Vec<&str>> {
        let mut packing = Vec::new();
        for room in &ROOMS {
            let Some(stamp) = builder.stamp_unless_fresh(room)? else { continue };
            let start = Instant::now();
            say!("build: {} ...", room.crate_dir);
            let compiled = builder.compile(room);
            let builder = &builder;
            let pack = scope.spawn(move || {
                builder.pack(room, &compiled?)?;
                stamp.leave()?;
                say!("build: {}: {}", room.crate_dir, seconds(start));
                Ok(())
            });
            packing.push((room.crate_dir, pack));
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
        self.project.target.join("wasm/staged").join(room.crate_dir)
    }

    /// What to leave behind when the room is built, or `None` when it was built from the same inputs already.
    fn stamp_unless_fresh(&self, room: &Room) -> Result<Option<Stamp>> {
        let shared = ["Cargo.toml", "Cargo.lock", "rust-toolchain.toml", "package-lock.json"];
        let names = std::iter::once(&room.crate_dir).chain(&SHARED_CRATES).chain(&shared);
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

    /// Compiles a room and gives the directory with its `.wasm` and its glue.
    fn compile(&self, room: &Room) -> Result<PathBuf> {
        let pkg = self.target().join("pkg").join(room.crate_dir);
        if pkg.exists() {
            fs::remove_dir_all(&pkg)?;
        }
        let target = match room.packing {
            Packing::Page | Packing::Worker => "web",
            Packing::Content => "bundler",
            Packing::Plugin => "no-modules",
        };
        let mut wasm_pack = self.tools.wasm_pack(self.project);
        wasm_pack.args(["build", "--mode", "no-install", "--no-opt", "--no-typescript", "--no-pack"]);
        wasm_pack.args(["--target", target, "--out-name", room.name, "--out-dir"]).arg(&pkg);
        wasm_pack.arg(self.project.root.join(room.crate_dir)).args(["--", "--locked"]);
        wasm_pack
            .env("CARGO_ENCODED_RUSTFLAGS", self.rust_flags(room)?)
            .env("CARGO_TARGET_DIR", self.target());
        run_quietly(&mut wasm_pack, &self.project.log(&format!("build-{}", room.crate_dir)))?;
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
                Packing::Plugin => continue,
            };
            let staged = self.staged(room);
            files_below(&staged)?
                .iter()
                .try_for_each(|file| copy(file, &to.join(file.strip_prefix(&staged)?)))?;
        }
        for (from, to) in VOICE_SDK {
            copy(&root.join(from), &fresh.join(to))?;
        }
        let manifest = stamped_manifest(root)?;
        fs::write(fresh.join("manifest.json"), format!("{manifest:#}\n"))?;
        for named in files_named_by(&manifest) {
            if !fresh.join(&named).exists() {
                bail!("manifest.json names {named}, which neither extension/ nor a room provides");
            }
        }
        let place = self.project.extension();
        if place.exists() {
            fs::remove_dir_all(&place)?;
        }
        fs::rename(&fresh, &place)?;
        Ok(())
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

/// Compiles programs that run on this machine. Always as parts of the whole workspace, so that they share what they depend
/// on: of a package alone cargo would compile much of it once more, with other features.
pub fn programs(project: &Project, names: &[&str]) -> Result<()> {
    let mut cargo = command("cargo", &project.root);
    cargo.args(["build", "--locked", "--workspace"]).args(names.iter().flat_map(|name| ["--bin", name]));
    let names = names.join("-and-");
    run_quietly(&mut cargo, &project.log(&format!("build-{names}")))
        .with_context(|| format!("{names} does not build"))
}

/// Says how large the product is, and its larger files.
pub fn report_sizes(project: &Project) -> Result<()> {
    let mut total = 0;
    for file in files_below(&project.extension())?.into_iter().chain([project.plugin()]) {
        let size = fs::metadata(&file)?.len();
        total += size;
        if size >= 10_000 {
            say!("{:>9} bytes  {}", size, file.strip_prefix(&project.root)?.display());
        }
    }
    say!("{total:>9} bytes  in all");
    Ok(())
}
