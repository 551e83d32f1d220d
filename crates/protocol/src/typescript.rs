//! These types in TypeScript, for the end-to-end tests: `e2e/generated/protocol.d.ts`, which is made from here.

use std::{collections::BTreeMap, env, fs, path::Path};

use ts_rs::{Config, TS, TypeVisitor};

use crate::{
    page::{ToExtension, ToPage},
    popup::{FromPopup, ToPopup},
};

const HEAD: &str = "// The messages of the page and popup hops. Made from `crates/protocol`: UPDATE_TYPES=1 cargo test -p protocol\n";

/// The declarations that have been met, by their names.
struct Declarations {
    config: Config,
    found: BTreeMap<String, String>,
}

impl TypeVisitor for Declarations {
    fn visit<T: TS + 'static + ?Sized>(&mut self) {
        // What has no file of its own is TypeScript's own, or a list of something.
        if T::output_path().is_none() || self.found.contains_key(&T::ident(&self.config)) {
            return;
        }
        let docs = T::docs().unwrap_or_default();
        self.found.insert(T::ident(&self.config), format!("{docs}export {}\n", T::decl(&self.config)));
        T::visit_dependencies(self);
    }
}

#[test]
fn the_end_to_end_tests_know_the_types_as_they_are() {
    // Milliseconds since 1970 and counts, as JSON has them.
    let config = Config::default().with_large_int("number");
    let mut declarations = Declarations { config, found: BTreeMap::new() };
    declarations.visit::<ToExtension>();
    declarations.visit::<ToPage>();
    declarations.visit::<FromPopup>();
    declarations.visit::<ToPopup>();
    let text: Vec<&str> = declarations.found.values().map(String::as_str).collect();
    let wanted = format!("{HEAD}\n{}", text.join("\n"));

    let path = Path::new(&env::var("CARGO_MANIFEST_DIR").unwrap()).join("../../e2e/generated/protocol.d.ts");
    if env::var_os("UPDATE_TYPES").is_some() {
        fs::write(&path, &wanted).unwrap();
    }
    let there = fs::read_to_string(&path).unwrap();
    assert!(there == wanted, "write it anew by UPDATE_TYPES=1 cargo test -p protocol");
}
