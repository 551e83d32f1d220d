//! A directory that Twilio's own command line deploys: `twilio flex:plugins:deploy` builds before it deploys, so its
//! source does nothing but carry our finished script.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::json;

/// Writes the directory. `version` is that of package.json, which the command line counts up.
///
/// # Errors
/// If a file cannot be written.
pub fn pack(script: &str, name: &str, version: &str, flex_ui: &str, to: &Path) -> Result<()> {
    let package = json!({
        "name": name,
        "version": version,
        "private": true,
        "scripts": { "postinstall": "flex-plugin pre-script-check" },
        "dependencies": {
            "@twilio/flex-plugin-scripts": "^7.0.0",
            "react": "17.0.2",
            "react-dom": "17.0.2",
        },
        "devDependencies": { "@twilio/flex-ui": flex_ui },
    });
    // Twilio's check wants the word loadPlugin once in this file, no more and no less.
    let source = "// Holdfast's plugin, built by `cargo xtask plugin pack`: a finished classic script, which does at once\n\
                  // what FlexPlugin.loadPlugin would. Webpack only carries it; it must not look inside.\n\
                  import './holdfast-plugin';\n";
    let script = format!("/* eslint-disable */\n{script}");
    let config = "var appConfig = {\n  pluginService: {\n    enabled: true,\n    url: '/plugins',\n  },\n  \
                  logLevel: 'info',\n};\n";
    let webpack = "module.exports = (config) => {\n  // The script is minified and for current browsers already.\n  \
                   config.module.noParse = /holdfast-plugin\\.js$/;\n  return config;\n};\n";
    let readme = format!(
        "# {name}\n\nMade by `cargo xtask plugin pack`. With Twilio's command line and its plugin \
         `@twilio-labs/plugin-flex`:\n\n```sh\nnpm install\ntwilio flex:plugins:deploy --changelog \"Holdfast \
         {version}\"\ntwilio flex:plugins:release --plugin {name}@{version} --name \"Holdfast {version}\"\n```\n"
    );
    let files = [
        ("package.json", format!("{package:#}\n")),
        ("src/index.js", source.to_owned()),
        ("src/holdfast-plugin.js", script),
        ("public/appConfig.js", config.to_owned()),
        ("public/appConfig.example.js", config.to_owned()),
        ("webpack.config.js", webpack.to_owned()),
        ("README.md", readme),
    ];
    for (path, content) in files {
        let path = to.join(path);
        let directory = path.parent().context("a file lies in a directory")?;
        fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
        fs::write(&path, content).with_context(|| path.display().to_string())?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directory_is_what_twilios_checks_before_a_build_want() {
        let to = std::env::temp_dir().join(format!("holdfast-pack-{}", std::process::id()));
        pack("(() => 1)();", "plugin-holdfast", "0.1.0", "2.7.2", &to).unwrap();
        let read = |name: &str| fs::read_to_string(to.join(name)).unwrap();
        // flex-plugin-scripts counts this word in src/index and refuses any number but one.
        assert_eq!(read("src/index.js").matches("loadPlugin").count(), 1);
        assert!(read("src/index.js").contains("import './holdfast-plugin';"));
        assert!(read("src/holdfast-plugin.js").ends_with("(() => 1)();"));
        let package: serde_json::Value = serde_json::from_str(&read("package.json")).unwrap();
        assert!(package["name"].as_str().unwrap().starts_with("plugin-"), "the builder wants this prefix");
        assert_eq!(package["dependencies"]["react"], "17.0.2", "what Flex UI itself has");
        assert!(read("public/appConfig.js").starts_with("var appConfig"));
        fs::remove_dir_all(to).unwrap();
    }
}
