//! The fuzz targets on their seeds, and on random changes of them: what breaks a promise here is found with every test run.
#![expect(clippy::unwrap_used, reason = "a test's helpers may panic too")]

use std::{env, fs, path::PathBuf};

use fuzz::TARGETS;
use proptest::{prelude::*, test_runner::TestRunner};

fn room() -> PathBuf {
    env::var_os("CARGO_MANIFEST_DIR").unwrap().into()
}

fn seeds(target: &str) -> Vec<Vec<u8>> {
    let directory = room().join("corpus").join(target);
    let mut files: Vec<PathBuf> = fs::read_dir(&directory)
        .unwrap_or_else(|error| panic!("{}: {error}", directory.display()))
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files.iter().map(|path| fs::read(path).unwrap()).collect()
}

#[test]
fn every_seed_keeps_every_promise() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        assert!(!seeds.is_empty(), "{name} has no seeds");
        seeds.iter().for_each(|seed| target(seed));
    }
}

#[test]
fn random_changes_of_the_seeds_keep_every_promise() {
    for (name, target) in TARGETS {
        let seeds = seeds(name);
        let lines: Vec<Vec<u8>> =
            seeds.iter().flat_map(|seed| seed.split(|b| *b == b'\n').map(<[u8]>::to_vec)).collect();
        // Lines of the seeds in any order and number, and then some bytes that are any others.
        let input = (
            prop::collection::vec(prop::sample::select(lines), 0..24),
            prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        );
        let mut runner = TestRunner::new(ProptestConfig::default());
        let result = runner.run(&input, |(lines, changes)| {
            let mut bytes = lines.join(&b'\n');
            for (index, byte) in changes {
                if !bytes.is_empty() {
                    let at = index.index(bytes.len());
                    bytes[at] = byte;
                }
            }
            target(&bytes);
            Ok(())
        });
        assert!(result.is_ok(), "{name}: {}", result.err().map(|e| e.to_string()).unwrap_or_default());
    }
}

#[test]
fn each_target_is_built_for_libfuzzer_under_its_own_name() {
    let directory = room().join("libfuzzer");
    let manifest = fs::read_to_string(directory.join("Cargo.toml")).unwrap();
    let built: Vec<&str> =
        manifest.lines().filter_map(|line| line.strip_prefix("name = \"")).skip(1).collect();
    assert_eq!(built.len(), TARGETS.len(), "{built:?}");
    for (name, _) in TARGETS {
        assert!(built.contains(&format!("{name}\"").as_str()), "{name}");
        let source = fs::read_to_string(directory.join(format!("targets/{name}.rs"))).unwrap();
        assert!(source.contains(&format!("::{name}(bytes)")), "{name}");
    }
}
