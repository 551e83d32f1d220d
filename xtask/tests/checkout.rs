//! Which checkout a command works on.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic too")]

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

/// A directory of this test's own, gone at its end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = env::temp_dir().join(format!("holdfast-checkout-{name}-{}", std::process::id()));
        fs::create_dir_all(&path).unwrap();
        Self(path.canonicalize().unwrap())
    }

    fn write(&self, file: &str, text: &str) {
        let file = self.0.join(file);
        fs::create_dir_all(file.parent().unwrap()).unwrap();
        fs::write(file, text).unwrap();
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _gone = fs::remove_dir_all(&self.0);
    }
}

/// The program as it was compiled in this checkout, run in `directory`.
fn extension_id_in(directory: &Path) -> Output {
    let program = env::var_os("CARGO_BIN_EXE_xtask").unwrap();
    Command::new(program)
        .arg("extension-id")
        .current_dir(directory)
        .env_remove("CARGO_TARGET_DIR")
        .output()
        .unwrap()
}

#[test]
fn a_command_works_on_the_checkout_that_it_is_run_in_whichever_compiled_it() {
    let other = Scratch::new("other");
    other.write("Cargo.toml", "[workspace]\nmembers = [\"xtask\"]\n");
    other.write("xtask/Cargo.toml", "[package]\nname = \"xtask\"\n");
    // A workspace inside of it, as the one for libFuzzer is, is not the checkout.
    other.write("fuzz/libfuzzer/Cargo.toml", "[workspace]\n");
    // The bytes "abc", whose digest everybody knows: see `identity`.
    other.write("dist/extension/manifest.json", "{\"key\": \"YWJj\"}");
    for place in ["", "xtask", "fuzz/libfuzzer"] {
        let output = extension_id_in(&other.0.join(place));
        assert!(output.status.success(), "{place}: {}", String::from_utf8_lossy(&output.stderr));
        assert_eq!(String::from_utf8_lossy(&output.stdout), "lkhibglpipabmpokebebeanofnkocccd\n", "{place}");
    }
    assert!(other.0.join("target/run").is_dir(), "its traces are there too");
}

#[test]
fn outside_of_a_checkout_a_command_says_so_and_touches_nothing() {
    let nowhere = Scratch::new("nowhere");
    let output = extension_id_in(&nowhere.0);
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(!output.status.success() && said.contains("is not in a checkout of Holdfast"), "{said}");
    assert_eq!(fs::read_dir(&nowhere.0).unwrap().count(), 0);
}
