//! The files of the page of video: read once, kept in memory, whole and compressed. They are a few hundred kilobytes, and whoever
//! was sent a link waits for them on a phone.
//!
//! What was not there at the start is never served, so no path of a request ever reaches the disk.

use std::{
    collections::BTreeMap,
    fs,
    io::{self, Write as _},
    path::{Path, PathBuf},
};

use aws_lc_rs::digest;
use axum::{
    body::Bytes,
    http::{HeaderMap, HeaderValue, header},
};
use flate2::{Compression, write::GzEncoder};
use twilio::hex;

/// What is answered to whoever follows a link.
pub const PAGE: &str = "index.html";

/// All files together, in bytes; more is another directory.
const MAX_BYTES: u64 = 16 * 1024 * 1024;

/// Directories below the given one.
const MAX_DEPTH: usize = 4;

/// What is served, and as what.
const TYPES: [(&str, &str); 9] = [
    ("html", "text/html; charset=utf-8"),
    ("css", "text/css; charset=utf-8"),
    ("js", "text/javascript; charset=utf-8"),
    ("wasm", "application/wasm"),
    ("svg", "image/svg+xml"),
    ("png", "image/png"),
    ("ico", "image/x-icon"),
    ("txt", "text/plain; charset=utf-8"),
    ("md", "text/plain; charset=utf-8"),
];

/// Why the page cannot be served.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum NoPage {
    /// Something of the directory is not readable.
    #[error("{path} cannot be read: {cause}", path = .path.display())]
    Unreadable {
        /// Which.
        path: PathBuf,
        /// What the operating system says.
        cause: io::ErrorKind,
    },
    /// There is no page in it.
    #[error("{path} holds no {PAGE}: put the files of the page there (dist/join)", path = .0.display())]
    NoIndex(PathBuf),
    /// It is something else.
    #[error("{path} holds more than 16 MiB: is it the directory of the page?", path = .0.display())]
    TooLarge(PathBuf),
}

/// All files.
#[derive(Debug)]
pub struct PageFiles(BTreeMap<String, File>);

/// One of them.
#[derive(Debug)]
pub struct File {
    /// Its media type.
    pub media_type: HeaderValue,
    plain: Form,
    /// Where that is shorter.
    gzip: Option<Form>,
}

/// A file's bytes in one encoding.
#[derive(Debug)]
pub struct Form {
    /// What is sent.
    pub bytes: Bytes,
    /// Names exactly these.
    pub etag: HeaderValue,
    /// How they are compressed, if they are.
    pub encoding: Option<HeaderValue>,
}

impl PageFiles {
    /// Reads a directory.
    ///
    /// # Errors
    /// [`NoPage`].
    pub fn read(directory: &Path) -> Result<Self, NoPage> {
        let (mut files, mut bytes) = (BTreeMap::new(), 0);
        collect(directory, "", MAX_DEPTH, &mut bytes, &mut files)?;
        if bytes > MAX_BYTES {
            return Err(NoPage::TooLarge(directory.to_owned()));
        }
        if !files.contains_key(PAGE) {
            return Err(NoPage::NoIndex(directory.to_owned()));
        }
        Ok(Self(files))
    }

    /// The file of this name, as `pkg/join.js`.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&File> {
        self.0.get(name)
    }

    /// Their names.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.0.keys().map(String::as_str)
    }
}

impl File {
    fn new(media_type: &'static str, bytes: Vec<u8>) -> Self {
        let name = hex(&digest::digest(&digest::SHA256, &bytes).as_ref()[..16]);
        let etag = |of: &str| {
            HeaderValue::from_str(&format!("\"{name}{of}\"")).unwrap_or(HeaderValue::from_static("\"\""))
        };
        let gzip = compressed(&bytes).filter(|gzip| gzip.len() < bytes.len()).map(|gzip| Form {
            bytes: gzip.into(),
            etag: etag("-gzip"),
            encoding: Some(HeaderValue::from_static("gzip")),
        });
        let plain = Form { etag: etag(""), bytes: bytes.into(), encoding: None };
        Self { media_type: HeaderValue::from_static(media_type), plain, gzip }
    }

    /// The form that a client takes which sends these headers.
    #[must_use]
    pub fn form(&self, headers: &HeaderMap) -> &Form {
        self.gzip.as_ref().filter(|_| takes_gzip(headers)).unwrap_or(&self.plain)
    }
}

impl Form {
    /// Whether the client has exactly this already.
    #[must_use]
    pub fn is_known(&self, headers: &HeaderMap) -> bool {
        let known = headers.get_all(header::IF_NONE_MATCH).iter().filter_map(|value| value.to_str().ok());
        let mut tags = known.flat_map(|list| list.split(',')).map(|tag| tag.trim().trim_start_matches("W/"));
        tags.any(|tag| tag == "*" || tag.as_bytes() == self.etag.as_bytes())
    }
}

/// Reads what is below `directory`; names begin with `prefix`.
fn collect(
    directory: &Path,
    prefix: &str,
    depth: usize,
    bytes: &mut u64,
    files: &mut BTreeMap<String, File>,
) -> Result<(), NoPage> {
    let unreadable =
        |path: &Path, cause: &io::Error| NoPage::Unreadable { path: path.to_owned(), cause: cause.kind() };
    for entry in fs::read_dir(directory).map_err(|cause| unreadable(directory, &cause))? {
        let entry = entry.map_err(|cause| unreadable(directory, &cause))?;
        let path = entry.path();
        // A name that is no text is no address either.
        let Ok(name) = entry.file_name().into_string() else { continue };
        // Follows links: the files of a container may be some.
        let kind = fs::metadata(&path).map_err(|cause| unreadable(&path, &cause))?;
        if kind.is_dir() && depth > 0 {
            collect(&path, &format!("{prefix}{name}/"), depth - 1, bytes, files)?;
        } else if kind.is_file()
            && let Some(media_type) = media_type(&name)
        {
            *bytes += kind.len();
            if *bytes > MAX_BYTES {
                return Ok(());
            }
            let content = fs::read(&path).map_err(|cause| unreadable(&path, &cause))?;
            files.insert(format!("{prefix}{name}"), File::new(media_type, content));
        }
    }
    Ok(())
}

/// The media type of a file that may be served; `None` for all others.
#[must_use]
pub fn media_type(name: &str) -> Option<&'static str> {
    let (stem, ending) = name.rsplit_once('.')?;
    let known = TYPES.iter().find(|(known, _)| ending.eq_ignore_ascii_case(known));
    known.filter(|_| !stem.is_empty()).map(|(_, media_type)| *media_type)
}

fn compressed(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
    encoder.write_all(bytes).ok()?;
    encoder.finish().ok()
}

/// Whether `Accept-Encoding` names gzip, or everything, and not with `q=0`.
fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(header::ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    let mut takes = None;
    for entry in accepted.flat_map(|list| list.split(',')) {
        let mut parts = entry.split(';').map(str::trim);
        let coding = parts.next().unwrap_or_default();
        let refused = parts.any(|part| {
            let weight = part.strip_prefix("q=").and_then(|weight| weight.parse::<f32>().ok());
            weight.is_some_and(|weight| weight <= 0.0)
        });
        if coding.eq_ignore_ascii_case("gzip") {
            return !refused;
        }
        if coding == "*" {
            takes = Some(!refused);
        }
    }
    takes.unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(name: header::HeaderName, value: &'static str) -> HeaderMap {
        HeaderMap::from_iter([(name, HeaderValue::from_static(value))])
    }

    #[test]
    fn a_client_gets_gzip_only_where_it_takes_it_and_it_is_shorter() {
        let (long, short) = (File::new("text/plain", vec![b'x'; 1000]), File::new("text/plain", vec![b'x']));
        for (accepts, gzip) in [
            ("gzip", true),
            ("br, GZIP;q=0.5", true),
            ("*", true),
            ("gzip;q=0", false),
            ("*;q=0", false),
            ("gzip;q=0, *", false),
            ("br", false),
            ("xgzip", false),
            ("", false),
        ] {
            let headers = with(header::ACCEPT_ENCODING, accepts);
            assert_eq!(long.form(&headers).encoding.is_some(), gzip, "{accepts}");
            assert!(short.form(&headers).encoding.is_none());
        }
        assert!(long.form(&HeaderMap::new()).encoding.is_none());
    }

    #[test]
    fn a_tag_names_the_bytes_and_their_encoding() {
        let file = File::new("text/plain", vec![b'x'; 1000]);
        let (plain, gzip) = (file.form(&HeaderMap::new()), file.form(&with(header::ACCEPT_ENCODING, "gzip")));
        assert_ne!(plain.etag, gzip.etag);
        assert_ne!(plain.etag, File::new("text/plain", vec![b'y'; 1000]).plain.etag);
        let tag = plain.etag.to_str().unwrap();
        for known in [tag, &format!("W/{tag}"), &format!("\"a\", {tag}"), "*"] {
            let headers =
                HeaderMap::from_iter([(header::IF_NONE_MATCH, HeaderValue::from_str(known).unwrap())]);
            assert!(plain.is_known(&headers), "{known}");
            assert_eq!(gzip.is_known(&headers), known == "*", "{known}");
        }
        assert!(!plain.is_known(&HeaderMap::new()));
    }

    #[test]
    fn only_files_of_known_kinds_are_served() {
        for (name, served) in [
            ("join.js", true),
            ("join_bg.wasm", true),
            ("LICENSE.TXT", true),
            ("join.js.map", false),
            (".html", false),
            ("key.pem", false),
            ("LICENSE", false),
        ] {
            assert_eq!(media_type(name).is_some(), served, "{name}");
        }
    }

    #[test]
    fn a_directory_that_is_not_the_pages_is_told() {
        let directory = std::env::temp_dir().join(format!("token-service-no-page-{}", std::process::id()));
        fs::create_dir_all(&directory).unwrap();
        assert_eq!(PageFiles::read(&directory).unwrap_err(), NoPage::NoIndex(directory.clone()));
        fs::write(directory.join("large.js"), vec![0; usize::try_from(MAX_BYTES).unwrap() + 1]).unwrap();
        assert_eq!(PageFiles::read(&directory).unwrap_err(), NoPage::TooLarge(directory.clone()));
        fs::remove_dir_all(&directory).unwrap();
        let gone = NoPage::Unreadable { path: directory.clone(), cause: io::ErrorKind::NotFound };
        assert_eq!(PageFiles::read(&directory).unwrap_err(), gone);
    }
}
