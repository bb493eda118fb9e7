//! An S3-compatible server with one bucket, behind a gate.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use axum::body::{Body, to_bytes};
use s3s::auth::SimpleAuth;
use s3s::service::S3ServiceBuilder;
use tidegate::publish::object_storage::{Bucket, BucketSettings};

use super::gate::{Gate, Service};

pub const KEY: &str = "key-of-a-test";
pub const SECRET: &str = "secret-of-a-test";

/// The storage with its bucket, and what stands before it.
pub struct Storage {
    folder: tempfile::TempDir,
    pub gate: Gate,
}

impl Storage {
    pub async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        fs::create_dir(folder.path().join("bucket")).unwrap();
        let mut service = S3ServiceBuilder::new(s3s_fs::FileSystem::new(folder.path()).unwrap());
        service.set_auth(SimpleAuth::from_single(KEY, SECRET));
        let service = service.build();
        // The server looks and writes in two steps; those that keep the word of a conditional write do it in one.
        let one_by_one = Arc::new(tokio::sync::Mutex::new(()));
        let service: Service = Arc::new(move |request| {
            let (service, one_by_one) = (service.clone(), one_by_one.clone());
            Box::pin(async move {
                let _turn = one_by_one.lock().await;
                let answer = service.call(request.map(s3s::Body::from)).await.unwrap();
                let (parts, body) = answer.into_parts();
                http::Response::from_parts(parts, to_bytes(Body::new(body), usize::MAX).await.unwrap())
            })
        });
        Self { folder, gate: Gate::before(service).await }
    }

    pub fn target(&self) -> Bucket {
        self.asked_with(SECRET)
    }

    pub fn asked_with(&self, secret: &str) -> Bucket {
        Bucket::new(BucketSettings {
            endpoint: format!("http://{}", self.gate.address),
            bucket: "bucket".to_owned(),
            region: "us-east-1".to_owned(),
            prefix: Some("r/snapshots".to_owned()),
            access_key: KEY.into(),
            secret_key: secret.into(),
        })
        .unwrap()
    }

    pub fn place(&self, path: &str) -> PathBuf {
        self.folder.path().join("bucket/r/snapshots/demo").join(path)
    }

    /// The objects of a date, with their checksums.
    pub fn objects(&self, date: &str) -> BTreeMap<String, String> {
        let mut found = BTreeMap::new();
        walk(&self.place(date), "", &mut found);
        found
    }

    /// The date that `latest.json` names.
    pub fn latest(&self) -> Option<String> {
        let text = fs::read(self.place("latest.json")).ok()?;
        let latest: serde_json::Value = serde_json::from_slice(&text).unwrap();
        latest["date"].as_str().map(str::to_owned)
    }

    /// The files in which the server keeps parts of uploads that were not ended.
    pub fn parts(&self) -> usize {
        let mut files = BTreeMap::new();
        walk(self.folder.path(), "", &mut files);
        files.keys().filter(|path| path.contains("upload_id-") && path.contains(".part-")).count()
    }
}

fn walk(folder: &Path, below: &str, found: &mut BTreeMap<String, String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries {
        let entry = entry.unwrap();
        let path = format!("{below}{}", entry.file_name().to_string_lossy());
        match entry.file_type().unwrap().is_dir() {
            true => walk(&entry.path(), &format!("{path}/"), found),
            false => {
                let bytes = fs::read(entry.path()).unwrap();
                found.insert(path, tidegate::digest::sha256_hex(&bytes));
            }
        }
    }
}
