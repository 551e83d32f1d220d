//! Programs from PyPI, each in the version and with the digests that a list of ours names.

use std::{fs, path::Path, process::Command};

use anyhow::{Context, Result};

use crate::{
    process::{command, run_quietly, succeeds},
    project::Project,
};

/// Whether there is a Python that can make an environment of its own.
pub fn has_python() -> bool {
    succeeds(Command::new("python3").args(["-c", "import venv, ensurepip"]))
}

/// Installs a list (`pip-compile --generate-hashes`) into an environment of its own, unless it is there.
pub fn install(project: &Project, list: &str, directory: &Path) -> Result<()> {
    let done = directory.join("requirements.txt");
    let wanted = fs::read_to_string(project.root.join(list)).with_context(|| list.to_owned())?;
    if fs::read_to_string(&done).is_ok_and(|there| there == wanted) {
        return Ok(());
    }
    let name = directory.file_name().unwrap_or_default().to_string_lossy();
    let log = project.log(&format!("pip-{name}"));
    let mut venv = command("python3", &project.root);
    run_quietly(venv.args(["-m", "venv", "--clear"]).arg(directory), &log)?;
    let mut pip = command(directory.join("bin/pip"), &project.root);
    pip.args([
        "install",
        "--disable-pip-version-check",
        "--retries",
        "10",
        "--quiet",
        "--require-hashes",
        // Finished packages only: another kind runs a script of its own while it is installed.
        "--only-binary",
        ":all:",
        "--requirement",
        list,
    ]);
    run_quietly(&mut pip, &log)
        .with_context(|| format!("what {list} names cannot be installed from PyPI"))?;
    fs::write(done, wanted)?;
    Ok(())
}
