//! The object store: files of trained models. A local directory by default, any S3 by settings.
//!
//! Each file is written whole and has its SHA-256 in the database, so that a file which was cut off, mixed up or damaged
//! is refused when it is read.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::TryStreamExt;
use object_store::aws::AmazonS3Builder;
use object_store::local::LocalFileSystem;
use object_store::path::Path;
use object_store::{ClientOptions, ObjectStore, RetryConfig};
use secrecy::{ExposeSecret, SecretString};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use crate::{StorageError, Store};

/// Time limit of one request to S3: a model's largest file has some hundred MB.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);

/// Retries of a request to S3 within a job's attempt; the job itself is retried as well.
const RETRIES: usize = 3;

/// Where the objects are, as the settings say it.
#[derive(Debug, Clone)]
pub struct ObjectsConfig {
    /// `s3://bucket/prefix`, `file:///directory`, or the path of a directory, which is created with the first file.
    pub url: String,
    /// For S3: the server's URL; `None`: Amazon's of the region.
    pub endpoint: Option<String>,
    /// For S3: the region.
    pub region: String,
    /// For S3: access key and secret; `None`: as the machine's role allows.
    pub keys: Option<(SecretString, SecretString)>,
}

impl ObjectsConfig {
    /// A local directory.
    pub fn directory(path: impl Into<String>) -> Self {
        Self { url: path.into(), endpoint: None, region: String::new(), keys: None }
    }
}

/// A stored file: what the database keeps of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ObjectFile {
    /// Name below its directory.
    pub name: String,
    /// Size.
    pub bytes: u64,
    /// SHA-256 of the content, lower-case hex.
    pub sha256: String,
}

/// The object store of an installation.
#[derive(Debug, Clone)]
pub struct Objects {
    kind: Kind,
    prefix: String,
}

#[derive(Debug, Clone)]
enum Kind {
    /// Opened by each call: a directory that is missing or unmounted now may be there for the next call.
    Directory(PathBuf),
    S3(Arc<dyn ObjectStore>),
}

impl Objects {
    /// Opens the store. Nothing is read or written yet, so a service starts while the store is away.
    ///
    /// # Errors
    /// [`StorageError::Configuration`] where a setting cannot be used.
    pub fn open(config: &ObjectsConfig) -> Result<Self, StorageError> {
        match config.url.split_once("://") {
            None => Ok(Self::directory(&config.url)),
            Some(("file", path)) if path.starts_with('/') => Ok(Self::directory(path)),
            Some(("s3", path)) => Self::s3(config, path),
            Some(_) => Err(StorageError::configuration(
                Store::Objects,
                "OBJECT_STORE_URL must be a directory, file:///directory or s3://bucket/prefix",
            )),
        }
    }

    fn directory(path: &str) -> Self {
        Self { kind: Kind::Directory(path.into()), prefix: String::new() }
    }

    fn s3(config: &ObjectsConfig, path: &str) -> Result<Self, StorageError> {
        let (bucket, prefix) = path.split_once('/').unwrap_or((path, ""));
        let options = ClientOptions::new().with_timeout(REQUEST_TIMEOUT).with_allow_http(true);
        let mut builder = AmazonS3Builder::new()
            .with_bucket_name(bucket)
            .with_region(&config.region)
            .with_client_options(options)
            .with_retry(RetryConfig { max_retries: RETRIES, ..RetryConfig::default() });
        if let Some(endpoint) = &config.endpoint {
            builder = builder.with_endpoint(endpoint);
        }
        if let Some((key, secret)) = &config.keys {
            builder = builder.with_access_key_id(key.expose_secret()).with_secret_access_key(secret.expose_secret());
        }
        let store = builder.build().map_err(|error| StorageError::configuration(Store::Objects, error))?;
        Ok(Self { kind: Kind::S3(Arc::new(store)), prefix: prefix.to_owned() })
    }

    /// Writes a file whole: readers see either nothing or all of it. Overwrites an older file of the name.
    ///
    /// # Errors
    /// The store is away or refuses the write.
    pub async fn put(&self, directory: &str, name: &str, content: Bytes) -> Result<ObjectFile, StorageError> {
        let file = ObjectFile { name: name.to_owned(), bytes: content.len() as u64, sha256: sha256(&content) };
        self.store()?.put(&self.path(directory, name), content.into()).await?;
        Ok(file)
    }

    /// Reads a file and compares it with what was written.
    ///
    /// # Errors
    /// [`StorageError::Corrupt`] where size or SHA-256 differ, [`StorageError::Vanished`] where the file is gone, and
    /// the store's own errors.
    pub async fn get(&self, directory: &str, file: &ObjectFile) -> Result<Bytes, StorageError> {
        let path = self.path(directory, &file.name);
        let content = match self.store()?.get(&path).await {
            Ok(found) => found.bytes().await?,
            Err(object_store::Error::NotFound { .. }) => {
                return Err(StorageError::Vanished(format!(
                    "{path} of the object store (OBJECT_STORE_URL must be the same for API and worker)"
                )));
            }
            Err(error) => return Err(error.into()),
        };
        if content.len() as u64 != file.bytes || sha256(&content) != file.sha256 {
            return Err(StorageError::Corrupt(format!(
                "{path} of the object store is damaged: its SHA-256 is not the one that was written"
            )));
        }
        Ok(content)
    }

    /// Deletes every file of a directory; a missing one is none.
    ///
    /// # Errors
    /// The store is away.
    pub async fn delete_directory(&self, directory: &str) -> Result<u64, StorageError> {
        let store = self.store()?;
        let prefix = Path::from(format!("{}/{directory}", self.prefix));
        let files: Vec<Path> = store.list(Some(&prefix)).map_ok(|file| file.location).try_collect().await?;
        for file in &files {
            match store.delete(file).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(error.into()),
            }
        }
        Ok(files.len() as u64)
    }

    fn store(&self) -> Result<Arc<dyn ObjectStore>, StorageError> {
        match &self.kind {
            Kind::S3(store) => Ok(store.clone()),
            Kind::Directory(path) => {
                std::fs::create_dir_all(path)?;
                Ok(Arc::new(LocalFileSystem::new_with_prefix(path)?.with_automatic_cleanup(true)))
            }
        }
    }

    fn path(&self, directory: &str, name: &str) -> Path {
        Path::from(format!("{}/{directory}/{name}", self.prefix))
    }
}

fn sha256(content: &[u8]) -> String {
    use std::fmt::Write;
    Sha256::digest(content).iter().fold(String::with_capacity(64), |mut hex, byte| {
        let _ = write!(hex, "{byte:02x}");
        hex
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn store() -> (tempfile::TempDir, Objects) {
        let directory = tempfile::tempdir().unwrap();
        let url = directory.path().join("objects").display().to_string();
        let objects = Objects::open(&ObjectsConfig::directory(url)).unwrap();
        (directory, objects)
    }

    #[tokio::test]
    async fn a_flipped_bit_a_cut_and_a_missing_file_are_refused() {
        let (directory, objects) = store();
        let file = objects.put("models/v1", "items.npy", Bytes::from_static(b"twelve bytes")).await.unwrap();
        assert_eq!(objects.get("models/v1", &file).await.unwrap(), &b"twelve bytes"[..]);
        let path = directory.path().join("objects/models/v1/items.npy");
        for bad in [&b"twelve bytEs"[..], b"twelve byte", b""] {
            std::fs::write(&path, bad).unwrap();
            let error = objects.get("models/v1", &file).await.unwrap_err();
            assert!(matches!(&error, StorageError::Corrupt(text) if text.contains("models/v1/items.npy")), "{error}");
            assert!(!error.is_transient());
        }
        assert_eq!(objects.delete_directory("models/v1").await.unwrap(), 1);
        assert_eq!(objects.delete_directory("models/v1").await.unwrap(), 0);
        assert!(matches!(objects.get("models/v1", &file).await.unwrap_err(), StorageError::Vanished(_)));
    }

    #[tokio::test]
    async fn a_store_that_is_away_is_a_transient_failure() {
        let (directory, objects) = store();
        std::fs::write(directory.path().join("objects"), "a file in the directory's place").unwrap();
        let error = objects.put("models/v1", "items.npy", Bytes::new()).await.unwrap_err();
        assert!(error.is_transient(), "{error}");
    }
}
