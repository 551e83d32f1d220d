//! The RSA key that signs the package. Its public half decides the extension's id, so it is made once and kept.

use std::{
    fs::{self, OpenOptions},
    io::Write,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, bail};
use aws_lc_rs::{
    digest,
    encoding::{AsDer, Pkcs8V1Der, PublicKeyX509Der},
    rand::SystemRandom,
    rsa::{KeyPair, KeySize},
    signature::{KeyPair as _, RSA_PKCS1_SHA256},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use pem::Pem;

const PEM_TAG: &str = "PRIVATE KEY";

/// A key pair. Its private half never leaves this type but into the file that [`SigningKey::make`] writes.
pub struct SigningKey {
    pair: KeyPair,
    /// The public half as SPKI in DER.
    public: Vec<u8>,
}

impl SigningKey {
    /// Makes a key and writes it to a new file that only its owner may read.
    pub fn make(file: &Path) -> Result<Self> {
        if let Some(repository) = repository_around(file)? {
            bail!(
                "{} lies in the repository {}. A key in a repository is a published key: choose another place.",
                file.display(),
                repository.display()
            );
        }
        let key = Self::of(KeyPair::generate(KeySize::Rsa2048).context("no key could be made")?)?;
        let der: Pkcs8V1Der<'_> = key.pair.as_der().context("the key cannot be written down")?;
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut out = options.open(file).with_context(|| format!("{} is not written", file.display()))?;
        out.write_all(pem::encode(&Pem::new(PEM_TAG, der.as_ref())).as_bytes())?;
        Ok(key)
    }

    /// Reads a PKCS#8 PEM file, as [`SigningKey::make`], Chrome's *Pack extension* and `openssl genpkey` write it.
    pub fn read(file: &Path) -> Result<Self> {
        let not_a_key = || format!("{} is not an RSA private key (PKCS#8, PEM)", file.display());
        let text = fs::read_to_string(file).with_context(|| file.display().to_string())?;
        let pem = pem::parse(text).ok().filter(|pem| pem.tag() == PEM_TAG).with_context(not_a_key)?;
        Self::of(KeyPair::from_pkcs8(pem.contents()).with_context(not_a_key)?)
    }

    fn of(pair: KeyPair) -> Result<Self> {
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().context("the key has no public half")?;
        let public = der.as_ref().to_vec();
        Ok(Self { pair, public })
    }

    /// The public half, SPKI in DER.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// The public half as the manifest's `key`.
    pub fn manifest_key(&self) -> String {
        BASE64_STANDARD.encode(&self.public)
    }

    /// The first 16 bytes of the public half's digest: the id as the package holds it.
    pub fn id_bytes(&self) -> Vec<u8> {
        sha256(&self.public).into_iter().take(16).collect()
    }

    /// The extension's id.
    /// Source: Chromium, `components/crx_file/id_util.cc`.
    pub fn id(&self) -> String {
        self.id_bytes().into_iter().flat_map(|b| [b >> 4, b & 15]).map(|n| char::from(b'a' + n)).collect()
    }

    /// Signs. The scheme (PKCS #1 v1.5) uses no randomness, so the same bytes always get the same signature.
    pub fn sign(&self, message: &[u8]) -> Result<Vec<u8>> {
        let mut signature = vec![0; self.pair.public_modulus_len()];
        self.pair
            .sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), message, &mut signature)
            .context("the package could not be signed")?;
        Ok(signature)
    }
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

/// The repository that a file to be written would lie in.
fn repository_around(file: &Path) -> Result<Option<PathBuf>> {
    let file = std::path::absolute(file)?;
    let directory = file.parent().context("a key needs a file's name")?;
    let directory = directory.canonicalize().with_context(|| directory.display().to_string())?;
    Ok(directory.ancestors().find(|above| above.join(".git").exists()).map(Path::to_path_buf))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_read_back_as_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("holdfast.pem");
        let made = SigningKey::make(&file).unwrap();
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        let read = SigningKey::read(&file).unwrap();
        assert_eq!(made.id(), read.id());
        assert_eq!(made.sign(b"x").unwrap(), read.sign(b"x").unwrap());
        assert!(SigningKey::make(&file).is_err(), "a key is never overwritten");
        assert_eq!(SigningKey::read(&file).unwrap().id(), made.id());
        assert!(
            made.id().len() == 32 && made.id().bytes().all(|b| (b'a'..=b'p').contains(&b)),
            "{}",
            made.id()
        );
    }

    #[test]
    fn a_key_is_not_made_inside_a_repository() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(".git")).unwrap();
        fs::create_dir_all(dir.path().join("keys")).unwrap();
        let refused = SigningKey::make(&dir.path().join("keys/holdfast.pem")).err().unwrap();
        assert!(refused.to_string().contains("repository"), "{refused}");
    }

    #[test]
    fn something_else_than_a_key_is_refused_without_being_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("other.pem");
        fs::write(&file, "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n").unwrap();
        let refused = format!("{:#}", SigningKey::read(&file).err().unwrap());
        assert!(refused.contains("is not an RSA private key") && !refused.contains("c2Vj"), "{refused}");
    }
}
