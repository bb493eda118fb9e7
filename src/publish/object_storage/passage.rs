//! One attempt at bringing the objects of a tree into a bucket.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{FutureExt as _, StreamExt as _, TryStreamExt as _, stream};
use object_store::multipart::MultipartStore as _;
use object_store::path::Path as Key;
use object_store::{
    Attribute, Attributes, ObjectMeta, ObjectStore as _, ObjectStoreExt as _, PutMode, PutOptions,
    PutPayload, UpdateVersion,
};
use sha2::{Digest as _, Sha256};
use tokio::fs::File;
use tokio::io::AsyncReadExt as _;
use tokio::sync::Mutex;

use super::memory::{Memory, Object, Upload};
use super::{Bucket, failure};
use crate::digest::hex;
use crate::failure::Failure;
use crate::publish::folder_sums::FileSum;
use crate::publish::target::{Ground, Sent, Tree, TreeFile, Turn, refused};

/// Objects larger than this are sent in parts of this size.
pub(super) const PART: usize = 8 << 20;

/// How many objects are on their way at once.
const AT_ONCE: usize = 4;

/// After so many new objects the journal is told of them. What it was not told of is compared byte by byte.
const KEPT_AFTER: usize = 32;

/// One attempt.
pub(super) struct Passage<'p> {
    bucket: &'p Bucket,
    tree: &'p Tree,
    ground: &'p Ground<'p>,
    /// What lies below the date, by path.
    there: BTreeMap<String, ObjectMeta>,
    /// Where objects of other snapshots with the same content lie, by checksum.
    elsewhere: BTreeMap<String, (Key, Object)>,
    /// What earlier generations, done or not, wrote below the date.
    ours: Vec<Memory>,
    state: Mutex<State>,
}

struct State {
    memory: Memory,
    sent: Sent,
    untold: usize,
}

impl<'p> Passage<'p> {
    /// Looks at what is there, and ends the uploads that an interrupted attempt left.
    pub async fn begin(
        bucket: &'p Bucket,
        tree: &'p Tree,
        ground: &'p Ground<'p>,
        identity: &str,
    ) -> Result<Self, Failure> {
        let mut memory = Memory::read(ground.progress.as_ref());
        identity.clone_into(&mut memory.identity);
        let mut still_there = Vec::new();
        for upload in std::mem::take(&mut memory.uploads) {
            // One that cannot be ended now holds up nothing; it is tried again.
            if end(bucket, &upload).await.is_err() {
                still_there.push(upload);
            }
        }
        memory.uploads = still_there;
        ground.journal.keep(memory.to_value()?).await?;
        let root = bucket.key(&tree.distribution, &tree.date.to_string())?;
        let listed: Vec<ObjectMeta> = bucket
            .store
            .list(Some(&root))
            .try_collect()
            .await
            .map_err(|error| failure(&format!("list {root}"), &error))?;
        let below = |meta: ObjectMeta| {
            let path = meta.location.as_ref().strip_prefix(root.as_ref())?.strip_prefix('/')?.to_owned();
            Some((path, meta))
        };
        let mut elsewhere = BTreeMap::new();
        for other in ground.others.iter().filter(|other| other.date != tree.date) {
            for (path, object) in Memory::of(other).objects {
                let key = bucket.key(&tree.distribution, &format!("{}/{path}", other.date))?;
                elsewhere.insert(object.sha256.clone(), (key, object));
            }
        }
        Ok(Self {
            bucket,
            tree,
            ground,
            there: listed.into_iter().filter_map(below).collect(),
            elsewhere,
            ours: ground.earlier_generations(tree).map(Memory::of).collect(),
            state: Mutex::new(State { memory, sent: Sent::default(), untold: 0 }),
        })
    }

    /// Brings every object there in its turn, and takes away what earlier generations had and this one has not.
    pub async fn finish(self) -> Result<(Sent, Memory), Failure> {
        let files = self.tree.in_turns();
        for turn in [Turn::Content, Turn::Index, Turn::About, Turn::Manifest] {
            let placed: Vec<_> =
                files.iter().filter(|file| file.turn == turn).map(|file| self.place(file).boxed()).collect();
            stream::iter(placed).buffer_unordered(AT_ONCE).try_collect::<Vec<()>>().await?;
            self.keep(&mut *self.state.lock().await).await?;
        }
        self.take_away().await?;
        let State { mut memory, sent, .. } = self.state.into_inner();
        // Objects that a later attempt found to be another generation's are none of this tree.
        memory.objects.retain(|path, _| files.iter().any(|file| file.path == path));
        Ok((sent, memory))
    }

    async fn place(&self, file: &TreeFile<'_>) -> Result<(), Failure> {
        let key = self.key(file.path)?;
        let mut mode = PutMode::Create;
        if let Some(meta) = self.there.get(file.path) {
            let tag = self.tag_of(meta).await?;
            if self.has(file, meta, tag.as_deref()).await? {
                return self.remember(file, tag, None).await;
            }
            if !self.ours.iter().any(|memory| memory.objects.contains_key(file.path)) {
                let difference = format!("`{}` has another content there", file.path);
                let address = self.bucket.address_of(&self.tree.distribution, &self.tree.date.to_string());
                return Err(refused(self.tree, &address, &difference));
            }
            mode = PutMode::Update(UpdateVersion { e_tag: tag, version: meta.version.clone() });
        } else if let Some(tag) = self.copied(file, &key).await? {
            return self.remember(file, Some(tag), None).await;
        }
        let tag = match file.sum.size > PART as u64 {
            true => self.send_in_parts(file, &key).await?,
            false => self.send_whole(file, &key, mode).await?,
        };
        self.remember(file, tag, Some(file.sum.size)).await
    }

    /// Whether the object that is there has the content of `file`: by what was remembered, else by its bytes.
    async fn has(&self, file: &TreeFile<'_>, meta: &ObjectMeta, tag: Option<&str>) -> Result<bool, Failure> {
        if meta.size != file.sum.size {
            return Ok(false);
        }
        let remembered =
            |memory: &Memory| memory.objects.get(file.path).is_some_and(|object| object.is(file.sum, tag));
        if remembered(&self.state.lock().await.memory) || self.ours.iter().any(remembered) {
            return Ok(true);
        }
        let what = format!("read {}", meta.location);
        let found = self.bucket.store.get(&meta.location).await.map_err(|error| failure(&what, &error))?;
        let mut bytes = found.into_stream();
        let mut hasher = Sha256::new();
        while let Some(piece) = bytes.try_next().await.map_err(|error| failure(&what, &error))? {
            hasher.update(&piece);
        }
        Ok(hex(&hasher.finalize()) == file.sum.sha256)
    }

    /// The tag of an object. Some services leave it out of lists.
    async fn tag_of(&self, meta: &ObjectMeta) -> Result<Option<String>, Failure> {
        match &meta.e_tag {
            Some(tag) => Ok(Some(tag.clone())),
            None => {
                let looked = self.bucket.store.head(&meta.location).await;
                Ok(looked.map_err(|error| failure(&format!("look at {}", meta.location), &error))?.e_tag)
            }
        }
    }

    /// Has the service copy what another snapshot has with the same content. Its tag; none where there is nothing
    /// to copy, or it is no longer what it was.
    async fn copied(&self, file: &TreeFile<'_>, key: &Key) -> Result<Option<String>, Failure> {
        let Some((from, object)) = self.elsewhere.get(&file.sum.sha256) else { return Ok(None) };
        let store = &self.bucket.store;
        let what = format!("copy {from} to {key}");
        match store.head(from).await {
            Ok(meta) if meta.size == file.sum.size && object.is(file.sum, meta.e_tag.as_deref()) => {}
            Ok(_) | Err(object_store::Error::NotFound { .. }) => return Ok(None),
            Err(error) => return Err(failure(&what, &error)),
        }
        store.copy(from, key).await.map_err(|error| failure(&what, &error))?;
        let copy = store.head(key).await.map_err(|error| failure(&what, &error))?;
        match copy.size == file.sum.size {
            true => Ok(copy.e_tag),
            false => Err(Failure::transient(format!("cannot {what}: the copy has {} bytes", copy.size))),
        }
    }

    async fn send_whole(
        &self,
        file: &TreeFile<'_>,
        key: &Key,
        mode: PutMode,
    ) -> Result<Option<String>, Failure> {
        let path = self.tree.place(file.path);
        let bytes = tokio::fs::read(&path).await.map_err(|error| unreadable(file.path, &error))?;
        if crate::digest::sha256_hex(&bytes) != file.sum.sha256 {
            return Err(changed(file.path));
        }
        let attributes = Attributes::from_iter([(Attribute::ContentType, content_type(file.path))]);
        let options = PutOptions { mode, attributes, ..PutOptions::default() };
        match self.bucket.store.put_opts(key, PutPayload::from(bytes), options).await {
            Ok(put) => Ok(put.e_tag),
            // Another writer of the same snapshot, or our own request whose answer was lost: the next attempt
            // looks at what is there.
            Err(
                error
                @ (object_store::Error::AlreadyExists { .. } | object_store::Error::Precondition { .. }),
            ) => Err(Failure::transient(format!("{key} was written by another request meanwhile: {error}"))),
            Err(error) => Err(failure(&format!("send {key}"), &error)),
        }
    }

    /// Sends a large file in parts. The journal knows the upload before its first part.
    async fn send_in_parts(&self, file: &TreeFile<'_>, key: &Key) -> Result<Option<String>, Failure> {
        let store = &self.bucket.store;
        let what = format!("send {key}");
        let id = store.create_multipart(key).await.map_err(|error| failure(&what, &error))?;
        let upload = Upload { key: key.to_string(), id: id.clone() };
        {
            let mut state = self.state.lock().await;
            state.memory.uploads.push(upload.clone());
            self.keep(&mut state).await?;
        }
        let sent = self.send_parts(file, key, &id).await;
        // Where it cannot be ended either, the journal still knows it, and the next attempt ends it.
        let is_ended = sent.is_ok() || end(self.bucket, &upload).await.is_ok();
        let mut state = self.state.lock().await;
        state.memory.uploads.retain(|known| *known != upload || !is_ended);
        self.keep(&mut state).await?;
        sent
    }

    async fn send_parts(
        &self,
        file: &TreeFile<'_>,
        key: &Key,
        id: &String,
    ) -> Result<Option<String>, Failure> {
        let store = &self.bucket.store;
        let what = format!("send {key}");
        let path = self.tree.place(file.path);
        let mut from = File::open(&path).await.map_err(|error| unreadable(file.path, &error))?;
        let (mut parts, mut hasher) = (Vec::new(), Sha256::new());
        loop {
            let mut part = Vec::with_capacity(PART);
            let read = (&mut from).take(PART as u64).read_to_end(&mut part).await;
            if read.map_err(|error| unreadable(file.path, &error))? == 0 {
                break;
            }
            hasher.update(&part);
            let payload = PutPayload::from(Bytes::from(part));
            let sent = store.put_part(key, id, parts.len(), payload).await;
            parts.push(sent.map_err(|error| failure(&what, &error))?);
        }
        if hex(&hasher.finalize()) != file.sum.sha256 {
            return Err(changed(file.path));
        }
        match store.complete_multipart(key, id, parts).await {
            Ok(whole) => Ok(whole.e_tag),
            // An answer that was lost, and the request made again: the next attempt looks at what is there.
            Err(object_store::Error::NotFound { .. }) => {
                Err(Failure::transient(format!("cannot {what}: its upload was ended before")))
            }
            Err(error) => Err(failure(&what, &error)),
        }
    }

    /// Removes the objects of earlier generations that the manifest no longer names.
    async fn take_away(&self) -> Result<(), Failure> {
        let wanted: BTreeMap<&str, &FileSum> = self.tree.files.files().collect();
        let earlier = self.ours.iter().flat_map(|memory| memory.objects.keys());
        for path in earlier.filter(|path| !wanted.contains_key(path.as_str())) {
            if !self.there.contains_key(path) {
                continue;
            }
            let key = self.key(path)?;
            match self.bucket.store.delete(&key).await {
                Ok(()) | Err(object_store::Error::NotFound { .. }) => {}
                Err(error) => return Err(failure(&format!("take {key} away"), &error)),
            }
        }
        Ok(())
    }

    async fn remember(
        &self,
        file: &TreeFile<'_>,
        tag: Option<String>,
        sent: Option<u64>,
    ) -> Result<(), Failure> {
        let mut state = self.state.lock().await;
        match sent {
            Some(bytes) => state.sent.add(bytes),
            None => state.sent.there += 1,
        }
        let object = Object { sha256: file.sum.sha256.clone(), size: file.sum.size, tag };
        state.memory.objects.insert(file.path.to_owned(), object);
        state.untold += 1;
        match state.untold >= KEPT_AFTER {
            true => self.keep(&mut state).await,
            false => Ok(()),
        }
    }

    async fn keep(&self, state: &mut State) -> Result<(), Failure> {
        self.ground.journal.keep(state.memory.to_value()?).await?;
        state.untold = 0;
        Ok(())
    }

    fn key(&self, path: &str) -> Result<Key, Failure> {
        self.bucket.key(&self.tree.distribution, &format!("{}/{path}", self.tree.date))
    }
}

/// Ends an upload in parts, so that its parts are dropped. One that is not there any more is ended.
async fn end(bucket: &Bucket, upload: &Upload) -> Result<(), Failure> {
    let key = Key::parse(&upload.key)
        .map_err(|error| Failure::permanent(format!("`{}` cannot be a key: {error}", upload.key)))?;
    match bucket.store.abort_multipart(&key, &upload.id).await {
        Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
        Err(error) => Err(failure(&format!("end an upload of {key}"), &error)),
    }
}

fn unreadable(path: &str, error: &std::io::Error) -> Failure {
    Failure::permanent(format!("cannot read `{path}` of the published tree: {error}"))
}

fn changed(path: &str) -> Failure {
    Failure::permanent(format!("`{path}` of the published tree changed while it was sent"))
}

/// What browsers are told of a file; R does not ask.
pub(super) fn content_type(path: &str) -> &'static str {
    match path.rsplit_once('.').map(|(_, ending)| ending) {
        Some("html") => "text/html; charset=utf-8",
        Some("json") => "application/json",
        Some("xml") => "application/xml",
        Some("gz" | "tgz" | "rds") => "application/gzip",
        Some("zip") => "application/zip",
        _ if path.ends_with("/PACKAGES") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}
