//! The id by which Chrome knows an extension.
//!
//! The first 16 bytes of a SHA-256, each half byte written as a letter from `a` to `p`: of the public key (SPKI, DER)
//! when the manifest has a `key`, else of the unpacked directory's absolute path.
//! Source: Chromium, `components/crx_file/id_util.cc`.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use base64::{Engine, prelude::BASE64_STANDARD};
use serde_json::Value;
use sha2::{Digest, Sha256};

/// The id that belongs to these bytes.
fn of_bytes(bytes: &[u8]) -> String {
    let half_bytes = Sha256::digest(bytes).into_iter().take(16).flat_map(|byte| [byte >> 4, byte & 15]);
    half_bytes.map(|n| char::from(b'a' + n)).collect()
}

/// The id that belongs to a manifest's `key`.
pub fn of_key(key: &str) -> Result<String> {
    Ok(of_bytes(&BASE64_STANDARD.decode(key).context("the manifest's key is not base64")?))
}

/// The id of an unpacked extension.
pub fn of_directory(directory: &Path) -> Result<String> {
    let directory = fs::canonicalize(directory).with_context(|| directory.display().to_string())?;
    let manifest = directory.join("manifest.json");
    let text = fs::read_to_string(&manifest).with_context(|| manifest.display().to_string())?;
    let manifest: Value = serde_json::from_str(&text).with_context(|| manifest.display().to_string())?;
    match manifest["key"].as_str() {
        Some(key) => of_key(key),
        None => Ok(of_bytes(directory.to_string_lossy().as_bytes())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_the_first_half_of_the_digest_in_letters_a_to_p() {
        // SHA-256 of "abc" begins ba7816bf 8f01cfea 414140de 5dae2223 (FIPS 180-2).
        assert_eq!(of_bytes(b"abc"), "lkhibglpipabmpokebebeanofnkocccd");
    }

    #[test]
    fn a_key_counts_by_its_bytes_and_a_broken_one_is_an_error() {
        assert_eq!(of_key(&BASE64_STANDARD.encode("abc")).unwrap(), of_bytes(b"abc"));
        assert!(of_key("not base64!").is_err());
    }
}
