//! The packages: unpacked folder, Web Store archive, signed CRX3, update manifest.
//!
//! The same files and the same key give the same bytes: entries are sorted, carry one fixed time, and the signature
//! uses no randomness.

use std::{
    collections::BTreeMap,
    fs,
    io::{Cursor, Write},
    path::{Path, PathBuf},
};

use ::policy::PageOrigin;
use anyhow::{Context, Result, bail};
use clap::Args;
use serde_json::{Value, json};
use zip::{CompressionMethod, DateTime, ZipWriter, write::SimpleFileOptions};

use crate::{
    key::{PublicKey, SigningKey, hex, sha256},
    licences, passphrase,
    release::{self, Release},
    sbom, xml,
};

/// Where the licences of what others wrote stand in the package.
const LICENCES: &str = "THIRD-PARTY-LICENSES.txt";

#[derive(Args)]
pub struct Options {
    /// The private key that signs the package (`cargo xtask key` makes one)
    #[arg(long, value_name = "FILE", group = "signer")]
    key: Option<PathBuf>,
    #[command(flatten)]
    passphrase: passphrase::Source,
    /// The public half of a key that is elsewhere: with --digest-out, then with --signature
    #[arg(long, value_name = "FILE", group = "signer", requires = "elsewhere")]
    public_key: Option<PathBuf>,
    /// Write down what is to be signed elsewhere: the SHA-256, 32 bytes
    #[arg(long, value_name = "FILE", group = "elsewhere", requires = "public_key", conflicts_with = "key")]
    digest_out: Option<PathBuf>,
    /// What was signed elsewhere (RSA, PKCS #1 v1.5, SHA-256) completes the package
    #[arg(long, value_name = "FILE", group = "elsewhere", requires = "public_key", conflicts_with = "key")]
    signature: Option<PathBuf>,
    /// Where the package will be downloaded from, for example https://voice-token.acme.example/extension/: writes
    /// updates.xml, and names it in the package
    #[arg(long, value_name = "URL", requires = "signer")]
    serve_from: Option<String>,
    /// Another origin whose pages are Flex, beside https://flex.twilio.com; may be repeated
    #[arg(long, value_name = "ORIGIN")]
    page_origin: Vec<PageOrigin>,
    #[command(flatten)]
    release: release::Terms,
    /// Another built extension than dist/extension
    #[arg(long, value_name = "DIR")]
    extension: Option<PathBuf>,
    /// Another place for the packages than dist
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

/// An extension's files by their path inside of it, with `/` between the parts.
type Files = BTreeMap<String, Vec<u8>>;

/// `now` is Unix time.
pub fn run(root: &Path, options: &Options, now: i64) -> Result<()> {
    let release = Release::wanted(&options.release, now)?;
    let signer = Signer::of(options)?;
    let licences = licences::collect(root)?;
    let extension = options.extension.clone().unwrap_or_else(|| root.join("dist/extension"));
    let packages = Packages::make(files_of(&extension)?, licences, signer.as_ref(), options)?;
    let out = options.out.clone().unwrap_or_else(|| root.join("dist"));
    packages.write(&out)?;
    if let Some(release) = release {
        let bills = sbom::write(root, &out.join("sbom"))?;
        let key = json!({"id": packages.id, "kept": signer.as_ref().map(Signer::kept)});
        let report = release.report(root, &packages.version, key, &packages.archives, &bills);
        let file = out.join(format!("holdfast-{}.release.json", packages.version));
        fs::write(&file, format!("{report:#}\n")).with_context(|| file.display().to_string())?;
        println!("report {}", file.display());
    }
    match (&signer, &packages.unsigned, &options.digest_out) {
        (None, ..) => println!("no CRX: it needs a key (--key FILE; cargo xtask key FILE makes one)"),
        (_, Some(digest), Some(file)) => {
            fs::write(file, digest).with_context(|| file.display().to_string())?;
            println!("no CRX yet: {} is to be signed, SHA-256 {}", file.display(), hex(digest));
        }
        (Some(Signer::Key(key)), ..) if !key.encrypted => {
            eprintln!(
                "warning: this key has no passphrase, so whoever reads its file can publish updates: \
                 cargo xtask key NEW-FILE --from FILE"
            );
        }
        _ => {}
    }
    Ok(())
}

/// Who signs the package.
enum Signer {
    /// We do.
    Key(SigningKey),
    /// Somebody who has the key, on another machine or in a module that does not let go of it.
    Elsewhere { public: PublicKey, signature: Option<Vec<u8>> },
}

impl Signer {
    fn of(options: &Options) -> Result<Option<Self>> {
        if let Some(file) = &options.key {
            let key = SigningKey::read(file, || options.passphrase.of(file))?;
            return Ok(Some(Self::Key(key)));
        }
        let Some(file) = &options.public_key else { return Ok(None) };
        let public = PublicKey::read(file, || options.passphrase.of(file))?;
        let read = |file: &PathBuf| fs::read(file).with_context(|| file.display().to_string());
        let signature = options.signature.as_ref().map(read).transpose()?;
        Ok(Some(Self::Elsewhere { public, signature }))
    }

    fn public(&self) -> &PublicKey {
        match self {
            Self::Key(key) => key.public(),
            Self::Elsewhere { public, .. } => public,
        }
    }

    /// How well the key was kept, as far as can be seen from here.
    fn kept(&self) -> &'static str {
        match self {
            Self::Key(key) if key.encrypted => "under a passphrase",
            Self::Key(_) => "without a passphrase",
            Self::Elsewhere { .. } => "elsewhere",
        }
    }

    /// The signature of these bytes, where it is there.
    fn sign(&self, message: &[u8]) -> Result<Option<Vec<u8>>> {
        let signature = match self {
            Self::Key(key) => key.sign(message)?,
            Self::Elsewhere { signature: None, .. } => return Ok(None),
            Self::Elsewhere { signature: Some(signature), .. } => signature.clone(),
        };
        if !self.public().confirms(message, &signature) {
            bail!(
                "the signature is not this key's for this package: it was made for another source, version or option, or \
                 with another key"
            );
        }
        Ok(Some(signature))
    }
}

/// Everything that is made, in memory.
struct Packages {
    version: String,
    id: Option<String>,
    unpacked: Files,
    /// By file name.
    archives: BTreeMap<String, Vec<u8>>,
    /// The SHA-256 that is still to be signed elsewhere, before there is a CRX.
    unsigned: Option<Vec<u8>>,
}

impl Packages {
    fn make(mut files: Files, licences: String, signer: Option<&Signer>, options: &Options) -> Result<Self> {
        let manifest =
            files.get("manifest.json").context("the extension has no manifest.json: build it first")?;
        let built: Value = serde_json::from_slice(manifest).context("manifest.json")?;
        let version = built["version"].as_str().context("the manifest has no version")?.to_owned();
        let serve_from = options.serve_from.as_deref().map(directory_url).transpose()?;
        files.insert(LICENCES.into(), licences.into_bytes());

        let mut manifest = built;
        for origin in &options.page_origin {
            allow_page(&mut manifest, origin)?;
        }
        let mut archives = BTreeMap::new();
        // The store gives the package its key and its updates.
        let mut for_store = manifest.clone();
        if let Some(fields) = for_store.as_object_mut() {
            fields.remove("key");
            fields.remove("update_url");
        }
        archives.insert(
            format!("holdfast-{version}-web-store.zip"),
            zip(&with_manifest(files.clone(), &for_store))?,
        );

        if let Some(signer) = signer {
            manifest["key"] = signer.public().manifest_key().into();
        }
        if let Some(serve_from) = &serve_from {
            manifest["update_url"] = format!("{serve_from}updates.xml").into();
        }
        let unpacked = with_manifest(files, &manifest);
        let mut unsigned = None;
        if let Some(signer) = signer {
            let crx = Crx3::of(zip(&unpacked)?, signer.public())?;
            let message = crx.message()?;
            match signer.sign(&message)? {
                None => unsigned = Some(sha256(&message)),
                Some(signature) => {
                    let crx = crx.with(&signature)?;
                    let name = format!("holdfast-{version}.crx");
                    if let Some(serve_from) = &serve_from {
                        let codebase = format!("{serve_from}{name}");
                        let updates =
                            update_manifest(&signer.public().id(), &version, &codebase, &crx, &manifest);
                        archives.insert("updates.xml".into(), updates.into_bytes());
                    }
                    archives.insert(name, crx);
                }
            }
        }
        let id = signer.map(|signer| signer.public().id());
        Ok(Self { version, id, unpacked, archives, unsigned })
    }

    fn write(&self, out: &Path) -> Result<()> {
        let folder = out.join(format!("holdfast-{}", self.version));
        if folder.exists() {
            fs::remove_dir_all(&folder)?;
        }
        let mut total = 0;
        for (path, bytes) in &self.unpacked {
            let file = folder.join(path);
            fs::create_dir_all(file.parent().context("a file lies in a directory")?)?;
            fs::write(&file, bytes).with_context(|| file.display().to_string())?;
            total += bytes.len();
            if bytes.len() >= 50_000 {
                println!("{:>9} bytes    {path}", bytes.len());
            }
        }
        println!("{total:>9} bytes  {}/", folder.display());
        for (name, bytes) in &self.archives {
            let file = out.join(name);
            fs::write(&file, bytes).with_context(|| file.display().to_string())?;
            println!("{:>9} bytes  {}", bytes.len(), file.display());
        }
        if let Some(id) = &self.id {
            println!("id {id}, version {}", self.version);
        }
        Ok(())
    }
}

/// A directory's URL, ending in `/`. Chrome takes plain http from this machine only in tests, so it is not refused.
fn directory_url(url: &str) -> Result<String> {
    let has_scheme = url.starts_with("https://") || url.starts_with("http://127.0.0.1:");
    if !has_scheme || url.contains(['?', '#', '"', '<', ' ']) {
        bail!("--serve-from wants the https URL of a directory, without query");
    }
    Ok(if url.ends_with('/') { url.to_owned() } else { format!("{url}/") })
}

fn files_of(directory: &Path) -> Result<Files> {
    let mut files = Files::new();
    let mut open = vec![directory.to_path_buf()];
    while let Some(at) = open.pop() {
        for entry in fs::read_dir(&at).with_context(|| at.display().to_string())? {
            let path = entry?.path();
            if path.is_dir() {
                open.push(path);
                continue;
            }
            let inside = path.strip_prefix(directory)?;
            let parts: Option<Vec<&str>> = inside.iter().map(|part| part.to_str()).collect();
            let name = parts.with_context(|| format!("{} is not UTF-8", inside.display()))?.join("/");
            files.insert(name, fs::read(&path).with_context(|| path.display().to_string())?);
        }
    }
    Ok(files)
}

fn with_manifest(mut files: Files, manifest: &Value) -> Files {
    files.insert("manifest.json".into(), format!("{manifest:#}\n").into_bytes());
    files
}

/// The content script, and the right to put it into pages that are open already, for one more origin. Chrome lets
/// nobody but the manifest, or an agent's click, give an extension a host, so another origin means another package.
fn allow_page(manifest: &mut Value, origin: &PageOrigin) -> Result<()> {
    let pattern = json!(format!("{origin}/*"));
    for place in ["/content_scripts/0/matches", "/host_permissions"] {
        let patterns = manifest.pointer_mut(place).and_then(Value::as_array_mut);
        let patterns = patterns.with_context(|| format!("the manifest has no {place}"))?;
        if !patterns.contains(&pattern) {
            patterns.push(pattern.clone());
        }
    }
    Ok(())
}

fn zip(files: &Files) -> Result<Vec<u8>> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default()
        .compression_method(CompressionMethod::Deflated)
        .compression_level(Some(9))
        .last_modified_time(DateTime::default())
        .unix_permissions(0o644);
    for (name, bytes) in files {
        zip.start_file(name.as_str(), options)?;
        zip.write_all(bytes)?;
    }
    Ok(zip.finish()?.into_inner())
}

/// An archive that is to be signed.
/// Source: Chromium, `components/crx_file/crx3.proto` and `crx_creator.cc`.
struct Crx3<'a> {
    zip: Vec<u8>,
    public: &'a PublicKey,
    signed_data: Vec<u8>,
}

impl<'a> Crx3<'a> {
    fn of(zip: Vec<u8>, public: &'a PublicKey) -> Result<Self> {
        Ok(Self { zip, public, signed_data: field(1, &public.id_bytes()) })
    }

    /// What the signature is for.
    fn message(&self) -> Result<Vec<u8>> {
        let mut message = b"CRX3 SignedData\0".to_vec();
        message.extend(little_endian(self.signed_data.len())?);
        message.extend(&self.signed_data);
        message.extend(&self.zip);
        Ok(message)
    }

    /// The whole package.
    fn with(&self, signature: &[u8]) -> Result<Vec<u8>> {
        const SHA256_WITH_RSA: u64 = 2;
        const SIGNED_HEADER_DATA: u64 = 10_000;
        let proof = [field(1, self.public.der()), field(2, signature)].concat();
        let header = [field(SHA256_WITH_RSA, &proof), field(SIGNED_HEADER_DATA, &self.signed_data)].concat();
        let mut crx = b"Cr24".to_vec();
        crx.extend(3_u32.to_le_bytes());
        crx.extend(little_endian(header.len())?);
        crx.extend(&header);
        crx.extend(&self.zip);
        Ok(crx)
    }
}

fn little_endian(length: usize) -> Result<[u8; 4]> {
    Ok(u32::try_from(length)?.to_le_bytes())
}

/// A length-delimited field of a protocol buffer.
fn field(number: u64, bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    for mut number in [number << 3 | 2, bytes.len() as u64] {
        while number > 0x7f {
            out.push((number & 0x7f) as u8 | 0x80);
            number >>= 7;
        }
        out.push(number as u8);
    }
    out.extend(bytes);
    out
}

/// What Chrome asks for every few hours.
/// Source: Chromium, `extensions/common/updater/update_manifest.h`.
fn update_manifest(id: &str, version: &str, codebase: &str, crx: &[u8], manifest: &Value) -> String {
    let digest = hex(&sha256(crx));
    format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <gupdate xmlns=\"http://www.google.com/update2/response\" protocol=\"2.0\">\n  \
           <app appid=\"{id}\">\n    \
             <updatecheck codebase=\"{}\" version=\"{}\" prodversionmin=\"{}\" hash_sha256=\"{digest}\" size=\"{}\"/>\n  \
           </app>\n\
         </gupdate>\n",
        xml::safe(codebase),
        xml::safe(version),
        xml::safe(manifest["minimum_chrome_version"].as_str().unwrap_or("0")),
        crx.len(),
    )
}

#[cfg(test)]
mod tests {
    use std::{io::Read, process::Command};

    use aws_lc_rs::signature::{RSA_PKCS1_2048_8192_SHA256, UnparsedPublicKey};
    use zip::ZipArchive;

    use super::*;

    fn files() -> Files {
        let manifest = json!({
            "manifest_version": 3, "version": "1.2.3", "minimum_chrome_version": "120", "key": "development",
            "content_scripts": [{"matches": ["https://flex.twilio.com/*"], "js": ["content.js"]}],
            "host_permissions": ["https://flex.twilio.com/*"],
        });
        let files =
            Files::from([("content.js".into(), b"1".to_vec()), ("pkg/worker.js".into(), vec![b'w'; 9_000])]);
        with_manifest(files, &manifest)
    }

    fn options(serve_from: Option<&str>, page_origin: &[&str]) -> Options {
        Options {
            key: None,
            passphrase: passphrase::Source::default(),
            release: release::Terms::none(),
            public_key: None,
            digest_out: None,
            signature: None,
            serve_from: serve_from.map(str::to_owned),
            page_origin: page_origin.iter().map(|origin| origin.parse().unwrap()).collect(),
            extension: None,
            out: None,
        }
    }

    fn key() -> Signer {
        Signer::Key(SigningKey::make().unwrap())
    }

    fn make(signer: Option<&Signer>, options: &Options) -> Packages {
        Packages::make(files(), "licences".into(), signer, options).unwrap()
    }

    fn manifest_in(archive: &[u8]) -> Value {
        let mut archive = ZipArchive::new(Cursor::new(archive)).unwrap();
        let mut text = String::new();
        archive.by_name("manifest.json").unwrap().read_to_string(&mut text).unwrap();
        serde_json::from_str(&text).unwrap()
    }

    #[test]
    fn the_same_files_and_the_same_key_give_the_same_bytes_whenever_they_are_packed() {
        let (key, options) = (key(), options(Some("https://acme.test/x"), &[]));
        let once = make(Some(&key), &options);
        let mut archive =
            ZipArchive::new(Cursor::new(&once.archives["holdfast-1.2.3-web-store.zip"])).unwrap();
        for index in 0..archive.len() {
            let time = archive.by_index(index).unwrap().last_modified();
            assert_eq!(time, Some(DateTime::default()), "the clock has no part in it");
        }
        let twice = make(Some(&key), &options);
        assert_eq!(once.archives, twice.archives);
        assert_eq!(once.unpacked, twice.unpacked);
        assert_eq!(
            once.archives.keys().collect::<Vec<_>>(),
            ["holdfast-1.2.3-web-store.zip", "holdfast-1.2.3.crx", "updates.xml"]
        );
    }

    #[test]
    fn the_package_is_a_crx3_whose_signature_its_own_public_key_confirms() {
        let key = key();
        let crx = &make(Some(&key), &options(None, &[])).archives["holdfast-1.2.3.crx"];
        assert_eq!(crx[..8], *b"Cr24\x03\0\0\0");
        let header_length = u32::from_le_bytes(crx[8..12].try_into().unwrap()) as usize;
        let (header, archive) = crx[12..].split_at(header_length);
        // The header's last field is the signed data: tag, length, and in it the id's tag, length and 16 bytes.
        let signed_data = &header[header.len() - 18..];
        assert_eq!(signed_data[2..], key.public().id_bytes());
        let signature = &header[header.len() - 18 - 4 - 256..][..256];
        let message = [b"CRX3 SignedData\0", &18_u32.to_le_bytes()[..], signed_data, archive].concat();
        UnparsedPublicKey::new(&RSA_PKCS1_2048_8192_SHA256, key.public().der())
            .verify(&message, signature)
            .unwrap();
        assert_eq!(manifest_in(archive)["key"], key.public().manifest_key());
    }

    /// The command of docs/rollout.md, as whoever has the key runs it.
    fn openssl_signs(digest: &Path, key: &Path, signature: &Path) {
        let page = fs::read_to_string(crate::checkout::root().unwrap().join("docs/rollout.md")).unwrap();
        let said = page.lines().find(|line| line.trim_start().starts_with("openssl pkeyutl -sign"));
        let said = said.expect("docs/rollout.md says how").trim_start().split(" #").next().unwrap();
        let words = said.split_whitespace().skip(1).map(|word| match word {
            "holdfast.pem" => key.as_os_str(),
            "holdfast.sha256" => digest.as_os_str(),
            "holdfast.signature" => signature.as_os_str(),
            word => word.as_ref(),
        });
        let ran = Command::new("openssl").args(words).output().unwrap();
        assert!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    }

    #[test]
    fn signed_elsewhere_by_openssl_the_package_is_the_same_to_the_byte() {
        let dir = tempfile::tempdir().unwrap();
        let [private, digest, signature] =
            ["holdfast.pem", "holdfast.sha256", "holdfast.signature"].map(|name| dir.path().join(name));
        let key = SigningKey::make().unwrap();
        let public_key = key.write(&private, None).unwrap();
        let options = || options(Some("https://acme.test/x"), &[]);
        let here = make(Some(&Signer::Key(key)), &options());

        // The machine that builds knows the public half alone.
        let before = Options { public_key: Some(public_key.clone()), ..options() };
        let packages = make(Signer::of(&before).unwrap().as_ref(), &before);
        assert_eq!(packages.archives.keys().collect::<Vec<_>>(), ["holdfast-1.2.3-web-store.zip"]);
        assert_eq!(packages.id, here.id);
        fs::write(&digest, packages.unsigned.unwrap()).unwrap();
        assert_eq!(fs::metadata(&digest).unwrap().len(), 32);
        openssl_signs(&digest, &private, &signature);

        let after = Options { public_key: Some(public_key), signature: Some(signature), ..options() };
        let packages = make(Signer::of(&after).unwrap().as_ref(), &after);
        assert_eq!(packages.archives, here.archives);
        assert_eq!((packages.unpacked, packages.unsigned), (here.unpacked, None));
    }

    #[test]
    fn a_signature_of_another_key_or_for_other_bytes_completes_no_package() {
        let (key, other) = (SigningKey::make().unwrap(), SigningKey::make().unwrap());
        let complete = |signature: Vec<u8>| {
            let signer = Signer::Elsewhere { public: key.public().clone(), signature: Some(signature) };
            Packages::make(files(), "licences".into(), Some(&signer), &options(None, &[]))
        };
        let unpacked = make(
            Some(&Signer::Elsewhere { public: key.public().clone(), signature: None }),
            &options(None, &[]),
        )
        .unpacked;
        let message = Crx3::of(zip(&unpacked).unwrap(), key.public()).unwrap().message().unwrap();
        assert!(complete(key.sign(&message).unwrap()).is_ok());
        for wrong in [other.sign(&message).unwrap(), key.sign(b"another package").unwrap(), Vec::new()] {
            let refused = complete(wrong).err().unwrap();
            assert!(refused.to_string().contains("not this key's"), "{refused}");
        }
    }

    #[test]
    fn after_a_lost_key_the_package_policy_and_allowed_origin_of_the_new_one_agree_about_the_new_id() {
        let dir = tempfile::tempdir().unwrap();
        let (lost, new) = (SigningKey::make().unwrap(), SigningKey::make().unwrap());
        let id = new.public().id();
        assert_ne!(id, lost.public().id(), "a new key is a new extension");
        let public = new.write(&dir.path().join("new.pem"), None).unwrap();
        let packages = make(Some(&Signer::Key(new)), &options(Some("https://acme.test/x"), &[]));
        assert_eq!(packages.id.as_deref(), Some(id.as_str()));
        let updates = String::from_utf8(packages.archives["updates.xml"].clone()).unwrap();
        assert!(updates.contains(&format!("appid=\"{id}\"")), "{updates}");
        let root = crate::checkout::root().unwrap();
        let out = dir.path().join("policy");
        crate::policy::run(&root, &crate::policy::Options::for_key(&public, &out)).unwrap();
        let linux = fs::read_to_string(out.join("chrome/linux/holdfast.json")).unwrap();
        assert!(linux.contains(&id) && !linux.contains(&lost.public().id()), "{linux}");
        let origin = format!("chrome-extension://{id}/");
        let policy: Value = serde_json::from_str(&linux).unwrap();
        assert_eq!(policy["AudioCaptureAllowedUrls"], json!([origin]));
    }

    #[test]
    fn the_store_gets_neither_a_key_nor_an_update_url() {
        let packages = make(Some(&key()), &options(Some("https://acme.test/x/"), &[]));
        let manifest = manifest_in(&packages.archives["holdfast-1.2.3-web-store.zip"]);
        assert!(manifest.get("key").is_none() && manifest.get("update_url").is_none(), "{manifest}");
        let unpacked: Value = serde_json::from_slice(&packages.unpacked["manifest.json"]).unwrap();
        assert_eq!(unpacked["update_url"], "https://acme.test/x/updates.xml");
    }

    #[test]
    fn without_a_key_there_is_no_crx_and_the_unpacked_folder_keeps_the_development_id() {
        let packages = make(None, &options(None, &[]));
        assert_eq!(packages.archives.keys().collect::<Vec<_>>(), ["holdfast-1.2.3-web-store.zip"]);
        let unpacked: Value = serde_json::from_slice(&packages.unpacked["manifest.json"]).unwrap();
        assert_eq!(unpacked["key"], "development");
    }

    #[test]
    fn every_package_carries_the_licences_of_others() {
        let packages = make(None, &options(None, &[]));
        assert_eq!(packages.unpacked[LICENCES], b"licences");
        let archive = Cursor::new(&packages.archives["holdfast-1.2.3-web-store.zip"]);
        assert!(ZipArchive::new(archive).unwrap().by_name(LICENCES).is_ok());
    }

    #[test]
    fn a_package_for_a_self_hosted_flex_has_its_origin_beside_twilios_and_no_other() {
        let packages = make(None, &options(None, &["https://flex.acme.test", "https://flex.acme.test"]));
        let manifest: Value = serde_json::from_slice(&packages.unpacked["manifest.json"]).unwrap();
        let both = json!(["https://flex.twilio.com/*", "https://flex.acme.test/*"]);
        assert_eq!(manifest["content_scripts"][0]["matches"], both);
        assert_eq!(manifest["host_permissions"], both);
    }

    #[test]
    fn the_update_manifest_names_the_package_its_version_and_its_digest() {
        let key = key();
        let packages = make(Some(&key), &options(Some("https://acme.test/a&b"), &[]));
        let updates = String::from_utf8(packages.archives["updates.xml"].clone()).unwrap();
        xml::assert_well_formed(&updates);
        let digest = hex(&sha256(&packages.archives["holdfast-1.2.3.crx"]));
        for part in [
            format!("appid=\"{}\"", key.public().id()),
            "codebase=\"https://acme.test/a&amp;b/holdfast-1.2.3.crx\"".into(),
            "version=\"1.2.3\"".into(),
            "prodversionmin=\"120\"".into(),
            format!("hash_sha256=\"{digest}\""),
        ] {
            assert!(updates.contains(&part), "{part} is missing in {updates}");
        }
    }

    #[test]
    fn packages_are_served_over_tls() {
        for bad in ["http://acme.test/", "acme.test", "https://acme.test/?x", "ftp://acme.test/"] {
            assert!(directory_url(bad).is_err(), "{bad}");
        }
    }
}
