//! TLS at our own listener, where no proxy ends it: certificate and key from files, read again when they change, so that
//! a renewed certificate needs no restart.

use std::{
    fmt, fs, io,
    sync::{Arc, Mutex, PoisonError},
};

use aws_lc_rs::digest::{SHA256, digest};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

use crate::server_settings::TlsFiles;

/// Why certificate and key cannot be used. Never holds a part of them.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file cannot be read.
    #[error("{file} cannot be read: {cause}")]
    File {
        /// The path as configured.
        file: String,
        /// What the operating system says.
        cause: io::ErrorKind,
    },
    /// No certificate in it.
    #[error("{0} holds no certificate in PEM")]
    NoCertificate(String),
    /// No private key in it.
    #[error("{0} holds no private key in PEM")]
    NoKey(String),
    /// The two do not belong together, or one is of a kind that rustls does not know.
    #[error("certificate and key cannot be used together: {0}")]
    Unusable(rustls::Error),
}

/// The certificate that is shown now.
pub struct Certificate {
    files: TlsFiles,
    current: Mutex<Loaded>,
}

struct Loaded {
    key: Arc<CertifiedKey>,
    /// Of both files, to see when they change.
    digest: [u8; 32],
}

impl Certificate {
    /// Reads the files.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn load(files: &TlsFiles) -> Result<Arc<Self>, TlsError> {
        let current = Mutex::new(read(files)?);
        Ok(Arc::new(Self { files: files.clone(), current }))
    }

    /// Reads the files again; true when they have changed and are now used. What cannot be used changes nothing.
    ///
    /// # Errors
    /// [`TlsError`].
    pub fn reload(&self) -> Result<bool, TlsError> {
        let loaded = read(&self.files)?;
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        let changed = current.digest != loaded.digest;
        if changed {
            *current = loaded;
        }
        Ok(changed)
    }

    /// The chain that is shown now, the server's own certificate first.
    #[must_use]
    pub fn chain(&self) -> Vec<CertificateDer<'static>> {
        self.key().cert.clone()
    }

    fn key(&self) -> Arc<CertifiedKey> {
        Arc::clone(&self.current.lock().unwrap_or_else(PoisonError::into_inner).key)
    }

    /// What the listener needs: TLS 1.2 and 1.3, HTTP/1.1.
    ///
    /// # Errors
    /// [`TlsError::Unusable`].
    pub fn server_config(self: &Arc<Self>) -> Result<ServerConfig, TlsError> {
        let mut config = ServerConfig::builder_with_provider(Arc::new(default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(TlsError::Unusable)?
            .with_no_client_auth()
            .with_cert_resolver(Arc::clone(self) as _);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(config)
    }
}

impl ResolvesServerCert for Certificate {
    fn resolve(&self, _hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        Some(self.key())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificate").field("files", &self.files).finish_non_exhaustive()
    }
}

fn read(files: &TlsFiles) -> Result<Loaded, TlsError> {
    let (chain_name, key_name) = (files.certificate.display().to_string(), files.key.display().to_string());
    let bytes = |path, file: &str| {
        fs::read(path).map_err(|error| TlsError::File { file: file.to_owned(), cause: error.kind() })
    };
    let (chain, key) = (bytes(&files.certificate, &chain_name)?, bytes(&files.key, &key_name)?);
    let mut both = digest(&SHA256, &chain).as_ref().to_vec();
    both.extend_from_slice(digest(&SHA256, &key).as_ref());
    let mut sum = [0; 32];
    sum.copy_from_slice(digest(&SHA256, &both).as_ref());

    let chain: Vec<_> = CertificateDer::pem_slice_iter(&chain)
        .collect::<Result<_, _>>()
        .map_err(|_pem| TlsError::NoCertificate(chain_name.clone()))?;
    if chain.is_empty() {
        return Err(TlsError::NoCertificate(chain_name));
    }
    let key = PrivateKeyDer::from_pem_slice(&key).map_err(|_pem| TlsError::NoKey(key_name))?;
    let key = CertifiedKey::from_der(chain, key, &default_provider()).map_err(TlsError::Unusable)?;
    Ok(Loaded { key: Arc::new(key), digest: sum })
}
