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
    signature::{KeyPair as _, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256},
};
use base64::{Engine, prelude::BASE64_STANDARD};
use pem::Pem;
use pkcs8::{EncryptedPrivateKeyInfoRef, PrivateKeyInfoRef};
use zeroize::Zeroizing;

const PLAIN: &str = "PRIVATE KEY";
const ENCRYPTED: &str = "ENCRYPTED PRIVATE KEY";
const PUBLIC: &str = "PUBLIC KEY";

/// What a key's file is encrypted with.
pub type Passphrase = Zeroizing<String>;

/// A key pair. Its private half never leaves this type but into a file that [`SigningKey::write`] makes.
pub struct SigningKey {
    pair: KeyPair,
    public: PublicKey,
    /// Whether its file wants a passphrase.
    pub encrypted: bool,
}

impl SigningKey {
    /// A new key, in memory.
    pub fn make() -> Result<Self> {
        Self::of(KeyPair::generate(KeySize::Rsa2048).context("no key could be made")?, false)
    }

    /// Writes the key to a new file that only its owner may read, and its public half beside it; says where that is.
    /// Without a passphrase, whoever reads the file has the key.
    pub fn write(&self, file: &Path, passphrase: Option<&Passphrase>) -> Result<PathBuf> {
        if let Some(repository) = repository_around(file)? {
            bail!(
                "{} lies in the repository {}. A key in a repository is a published key: choose another place.",
                file.display(),
                repository.display()
            );
        }
        let public = file.with_extension("pub.pem");
        if public.exists() {
            bail!("{} is there already: choose another name", public.display());
        }
        let der: Pkcs8V1Der<'_> = self.pair.as_der().context("the key cannot be written down")?;
        let text = match passphrase {
            None => pem::encode(&Pem::new(PLAIN, der.as_ref())),
            Some(passphrase) => {
                // AES-256, by a key that scrypt makes of the passphrase; `openssl pkey` reads it too.
                let info = PrivateKeyInfoRef::try_from(der.as_ref()).context("the key's own form")?;
                let encrypted = info.encrypt(passphrase.as_bytes()).context("the key is not encrypted")?;
                pem::encode(&Pem::new(ENCRYPTED, encrypted.as_bytes()))
            }
        };
        let mut options = OpenOptions::new();
        options.write(true).create_new(true);
        #[cfg(unix)]
        std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
        let mut out = options.open(file).with_context(|| format!("{} is not written", file.display()))?;
        out.write_all(Zeroizing::new(text).as_bytes())?;
        let text = pem::encode(&Pem::new(PUBLIC, self.public.der.as_slice()));
        fs::write(&public, text).with_context(|| public.display().to_string())?;
        Ok(public)
    }

    /// Reads a PKCS#8 PEM file, as [`SigningKey::write`], Chrome's *Pack extension*, `openssl genpkey` and
    /// `openssl pkcs8 -topk8` write it. The passphrase is asked for only where there is one.
    pub fn read(file: &Path, passphrase: impl FnOnce() -> Result<Passphrase>) -> Result<Self> {
        Self::of_pem(file, &read_pem(file)?, passphrase)
    }

    fn of_pem(file: &Path, pem: &Pem, passphrase: impl FnOnce() -> Result<Passphrase>) -> Result<Self> {
        let not_a_key = || format!("{} is not an RSA private key (PKCS#8, PEM)", file.display());
        match pem.tag() {
            PLAIN => Self::of(KeyPair::from_pkcs8(pem.contents()).with_context(not_a_key)?, false),
            ENCRYPTED => {
                let info = EncryptedPrivateKeyInfoRef::try_from(pem.contents()).with_context(not_a_key)?;
                let der = info.decrypt(passphrase()?.as_bytes());
                let der = der.ok().with_context(|| format!("not the passphrase of {}", file.display()))?;
                Self::of(KeyPair::from_pkcs8(der.as_bytes()).with_context(not_a_key)?, true)
            }
            _ => bail!(not_a_key()),
        }
    }

    fn of(pair: KeyPair, encrypted: bool) -> Result<Self> {
        let der: PublicKeyX509Der<'_> = pair.public_key().as_der().context("the key has no public half")?;
        let public = PublicKey::of(der.as_ref())?;
        Ok(Self { pair, public, encrypted })
    }

    /// The public half.
    pub fn public(&self) -> &PublicKey {
        &self.public
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

/// The half that everybody may know.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    /// SPKI in DER.
    der: Vec<u8>,
}

impl PublicKey {
    fn of(der: &[u8]) -> Result<Self> {
        ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, der)
            .ok()
            .context("not an RSA public key of 2048 bits or more")?;
        Ok(Self { der: der.to_vec() })
    }

    /// Reads it from its own PEM file, or from the one of the whole key.
    pub fn read(file: &Path, passphrase: impl FnOnce() -> Result<Passphrase>) -> Result<Self> {
        let pem = read_pem(file)?;
        match pem.tag() {
            PUBLIC => Self::of(pem.contents()).with_context(|| file.display().to_string()),
            _ => Ok(SigningKey::of_pem(file, &pem, passphrase)?.public),
        }
    }

    /// SPKI in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// As the manifest's `key`.
    pub fn manifest_key(&self) -> String {
        BASE64_STANDARD.encode(&self.der)
    }

    /// The first 16 bytes of its digest: the id as the package holds it.
    pub fn id_bytes(&self) -> Vec<u8> {
        sha256(&self.der).into_iter().take(16).collect()
    }

    /// The extension's id.
    /// Source: Chromium, `components/crx_file/id_util.cc`.
    pub fn id(&self) -> String {
        self.id_bytes().into_iter().flat_map(|b| [b >> 4, b & 15]).map(|n| char::from(b'a' + n)).collect()
    }

    /// Whether a signature is this key's, and for these bytes.
    pub fn confirms(&self, message: &[u8], signature: &[u8]) -> bool {
        ParsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, &self.der)
            .is_ok_and(|key| key.verify_sig(message, signature).is_ok())
    }
}

fn read_pem(file: &Path) -> Result<Pem> {
    let text = Zeroizing::new(fs::read_to_string(file).with_context(|| file.display().to_string())?);
    pem::parse(text.as_bytes()).ok().with_context(|| format!("{} is not a key in PEM", file.display()))
}

/// SHA-256.
pub fn sha256(bytes: &[u8]) -> Vec<u8> {
    digest::digest(&digest::SHA256, bytes).as_ref().to_vec()
}

/// Bytes as text.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
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
    use std::process::Command;

    use super::*;

    fn passphrase(text: &str) -> Passphrase {
        Zeroizing::new(text.to_owned())
    }

    fn never() -> Result<Passphrase> {
        panic!("nobody is asked for a passphrase that there is not")
    }

    #[test]
    fn a_key_is_made_once_for_its_owner_alone_and_read_back_as_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("holdfast.pem");
        let made = SigningKey::make().unwrap();
        let public = made.write(&file, None).unwrap();
        #[cfg(unix)]
        {
            let mode = std::os::unix::fs::PermissionsExt::mode(&fs::metadata(&file).unwrap().permissions());
            assert_eq!(mode & 0o777, 0o600);
        }
        let read = SigningKey::read(&file, never).unwrap();
        assert!(!read.encrypted);
        assert_eq!(made.public().id(), read.public().id());
        assert_eq!(made.sign(b"x").unwrap(), read.sign(b"x").unwrap());
        for half in [&public, &file] {
            assert_eq!(PublicKey::read(half, never).unwrap().id(), made.public().id());
        }
        let other = SigningKey::make().unwrap();
        assert!(other.write(&file, None).is_err(), "a key is never overwritten");
        fs::remove_file(public).unwrap();
        assert!(other.write(&file, None).is_err(), "not without its public half either");
        assert_eq!(SigningKey::read(&file, never).unwrap().public().id(), made.public().id());
        let id = made.public().id();
        assert!(id.len() == 32 && id.bytes().all(|b| (b'a'..=b'p').contains(&b)), "{id}");
    }

    #[test]
    fn a_key_with_a_passphrase_is_of_no_use_without_it_and_openssl_reads_it_too() {
        let dir = tempfile::tempdir().unwrap();
        let (file, word) = (dir.path().join("holdfast.pem"), dir.path().join("passphrase"));
        let made = SigningKey::make().unwrap();
        made.write(&file, Some(&passphrase("correct horse battery"))).unwrap();
        let text = fs::read_to_string(&file).unwrap();
        assert!(text.starts_with("-----BEGIN ENCRYPTED PRIVATE KEY-----"), "{text}");

        let read = SigningKey::read(&file, || Ok(passphrase("correct horse battery"))).unwrap();
        assert!(read.encrypted);
        assert_eq!(made.sign(b"x").unwrap(), read.sign(b"x").unwrap());
        for wrong in ["", "correct horse batterz"] {
            let refused = SigningKey::read(&file, || Ok(passphrase(wrong))).err().unwrap();
            assert!(refused.to_string().contains("not the passphrase"), "{refused:#}");
        }
        // The same twice has nothing in common: salt and vector are new each time.
        let again = dir.path().join("again.pem");
        made.write(&again, Some(&passphrase("correct horse battery"))).unwrap();
        assert_ne!(fs::read_to_string(again).unwrap(), text);

        fs::write(&word, "correct horse battery\n").unwrap();
        let openssl = Command::new("openssl")
            .args(["pkey", "-pubout", "-in"])
            .arg(&file)
            .arg("-passin")
            .arg(format!("file:{}", word.display()))
            .output()
            .unwrap();
        assert!(openssl.status.success(), "{}", String::from_utf8_lossy(&openssl.stderr));
        let theirs = pem::parse(openssl.stdout).unwrap();
        assert_eq!(theirs.contents(), made.public().der());
    }

    #[test]
    fn a_key_that_openssl_encrypted_is_read() {
        let dir = tempfile::tempdir().unwrap();
        let (plain, encrypted) = (dir.path().join("plain.pem"), dir.path().join("encrypted.pem"));
        let made = SigningKey::make().unwrap();
        made.write(&plain, None).unwrap();
        let openssl = Command::new("openssl")
            .args(["pkcs8", "-topk8", "-v2", "aes-256-cbc", "-passout", "pass:correct horse battery", "-in"])
            .arg(&plain)
            .arg("-out")
            .arg(&encrypted)
            .status();
        assert!(openssl.unwrap().success());
        let read = SigningKey::read(&encrypted, || Ok(passphrase("correct horse battery"))).unwrap();
        assert_eq!(read.public().id(), made.public().id());
    }

    #[test]
    fn a_key_is_not_made_inside_a_repository() {
        let dir = tempfile::tempdir().unwrap();
        fs::create_dir_all(dir.path().join(".git")).unwrap();
        fs::create_dir_all(dir.path().join("keys")).unwrap();
        let key = SigningKey::make().unwrap();
        let refused = key.write(&dir.path().join("keys/holdfast.pem"), None).err().unwrap();
        assert!(refused.to_string().contains("repository"), "{refused}");
    }

    #[test]
    fn something_else_than_a_key_is_refused_without_being_shown() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("other.pem");
        fs::write(&file, "-----BEGIN CERTIFICATE-----\nc2VjcmV0\n-----END CERTIFICATE-----\n").unwrap();
        let refused = format!("{:#}", SigningKey::read(&file, never).err().unwrap());
        assert!(refused.contains("is not an RSA private key") && !refused.contains("c2Vj"), "{refused}");
        fs::write(&file, "-----BEGIN PUBLIC KEY-----\nc2VjcmV0\n-----END PUBLIC KEY-----\n").unwrap();
        let refused = format!("{:#}", PublicKey::read(&file, never).err().unwrap());
        assert!(refused.contains("not an RSA public key"), "{refused}");
    }
}
