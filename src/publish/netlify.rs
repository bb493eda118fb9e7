//! Publishing to a site of Netlify: a snapshot is a folder `/<distribution>/<date>` of the site, and
//! `/<distribution>/latest` the same once more.
//!
//! A site is switched as a whole: a deploy names every file by its digest, only what Netlify lacks is sent, and
//! readers see the deploy once all of it is there. So each publication is a deploy of what the site shows now with
//! the snapshot added, and costs what is new in it. Netlify has no conditional deploys: one tidegate only may
//! publish to a site.

mod answer;
mod catalogue;

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures_util::future::BoxFuture;
use reqwest::header::{CONTENT_TYPE, RETRY_AFTER};
use reqwest::{RequestBuilder, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha1::{Digest as _, Sha1};
use url::Url;

use self::answer::{checked, read, told};
use super::catalogue::{Catalogue, CatalogueTarget};
use super::target::{Ground, Journal, MANIFEST, Receipt, Sent, Target, Tree, refused};
use crate::digest::{hex, sha256_hex};
use crate::failure::Failure;

/// How many files of a site one request lists.
const PAGE: usize = 1000;
/// No site has more pages than this.
const MOST_PAGES: usize = 500;

/// How long a deploy is waited for in one attempt; the next one goes on waiting.
const PATIENCE: Duration = Duration::from_secs(15 * 60);
/// The first and the longest wait between two looks at a deploy.
const FIRST_LOOK: Duration = Duration::from_millis(200);
const SLOWEST_LOOK: Duration = Duration::from_secs(5);

/// The states in which a deploy says what it lacks, or lacks nothing.
const TOLD: [&str; 5] = ["prepared", "uploading", "uploaded", "processing", "ready"];

/// How often a request is made again that came too soon, and how long is waited where Netlify does not say.
const TOO_SOON: usize = 8;
const PAUSE: Duration = Duration::from_secs(15);
/// The longest pause that is waited for within an attempt.
const LONGEST_PAUSE: Duration = Duration::from_secs(90);

/// A site, and how Netlify is asked.
#[derive(Clone, Debug)]
pub struct NetlifySettings {
    /// The address of the API.
    pub api: String,
    /// The site's id or domain.
    pub site: String,
    /// The token.
    pub token: SecretString,
}

/// A site of Netlify as a target.
pub struct Netlify {
    client: reqwest::Client,
    api: Url,
    site: String,
    token: SecretString,
}

/// A file of a site as it is listed.
#[derive(Deserialize)]
struct SiteFile {
    path: String,
    sha: String,
}

/// A deploy, as far as it matters here.
#[derive(Deserialize)]
struct Deploy {
    id: String,
    state: String,
    #[serde(default)]
    required: Option<Vec<String>>,
    #[serde(default)]
    error_message: Option<String>,
}

/// What is kept between attempts.
#[derive(Serialize, Deserialize)]
struct Kept {
    /// The deploy that was begun.
    deploy: String,
    /// The digest of all that it names.
    named: String,
}

impl Kept {
    fn of(value: Option<&Value>) -> Option<Self> {
        value.and_then(|kept| serde_json::from_value(kept.clone()).ok())
    }
}

/// Files of a site by path, with the digests that Netlify goes by.
type Digests = BTreeMap<String, String>;

/// A change of what the site shows.
struct Change<'c> {
    /// What the site shows now.
    site: Digests,
    /// What it is to show.
    wanted: Digests,
    /// Whose files the change brings.
    source: Source<'c>,
    /// Their digests, by the path that the source knows.
    ours: &'c Digests,
}

/// Where files are read from.
#[derive(Clone, Copy)]
enum Source<'s> {
    Tree(&'s Tree),
    Catalogue(&'s Catalogue),
}

impl Source<'_> {
    /// The folder of the site that its files belong to.
    fn root(self) -> String {
        match self {
            Self::Tree(tree) => format!("{}/{}", tree.distribution, tree.date),
            Self::Catalogue(catalogue) => catalogue.distribution.clone(),
        }
    }

    async fn bytes(self, path: &str) -> Result<Vec<u8>, Failure> {
        let unreadable = |why: &str| Failure::permanent(format!("cannot read `{path}`: {why}"));
        match self {
            Self::Tree(tree) => {
                tokio::fs::read(tree.place(path)).await.map_err(|error| unreadable(&error.to_string()))
            }
            Self::Catalogue(catalogue) => {
                catalogue.files.get(path).cloned().ok_or_else(|| unreadable("the catalogue has no such file"))
            }
        }
    }
}

impl Netlify {
    /// The site that `settings` describe. Nothing is asked of it yet.
    pub fn new(settings: NetlifySettings) -> Result<Self, Failure> {
        crate::tls::prepare();
        let client = reqwest::Client::builder()
            .user_agent(concat!("tidegate/", env!("CARGO_PKG_VERSION")))
            .connect_timeout(Duration::from_secs(10))
            .timeout(Duration::from_secs(10 * 60))
            .build()
            .map_err(|error| Failure::permanent(format!("cannot set up HTTP: {error}")))?;
        let api = settings.api.parse().map_err(|error| Failure::Configuration {
            message: format!("`{}` is no address: {error}", settings.api),
            hint: None,
        })?;
        Ok(Self { client, api, site: settings.site, token: settings.token })
    }

    async fn send(&self, tree: &Tree, ground: &Ground<'_>) -> Result<Receipt, Failure> {
        let ours = digests(tree).await?;
        let site = self.files().await?;
        let root = format!("/{}/{}", tree.distribution, tree.date);
        let identity = ours
            .get(MANIFEST)
            .cloned()
            .ok_or_else(|| Failure::permanent(format!("{} has no {MANIFEST}", tree.folder.display())))?;
        if let Some(there) = site.get(&format!("{root}/{MANIFEST}"))
            && *there != identity
            && !ground.may_replace(tree, there)
        {
            let difference = format!("its manifest has sha1 {there}, and ours {identity}");
            return Err(refused(tree, &self.address(&root), &difference));
        }
        let wanted = wanted(tree, &site, &ours);
        let change = Change { site, wanted, source: Source::Tree(tree), ours: &ours };
        let sent = self.show_change(change, Kept::of(ground.progress.as_ref()), ground.journal).await?;
        let is_latest = tree.is_latest;
        Ok(Receipt { address: self.address(&root), identity, sent, is_latest, kept: Value::Null })
    }

    /// Makes the site show a change, where it does not yet. `known` is the deploy that an interrupted attempt began.
    async fn show_change(
        &self,
        change: Change<'_>,
        known: Option<Kept>,
        journal: &dyn Journal,
    ) -> Result<Sent, Failure> {
        let mut sent = Sent { there: change.ours.len() as u64, ..Sent::default() };
        if change.wanted == change.site {
            return Ok(sent);
        }
        let deploy = self.deploy(&change.wanted, known, journal).await?;
        self.send_required(&change, &deploy, &mut sent).await?;
        self.until(&deploy.id, &["ready"]).await?;
        match self.files().await? == change.wanted {
            true => Ok(sent),
            false => Err(Failure::transient(format!(
                "{} shows another deploy than the one that was sent",
                self.site
            ))),
        }
    }

    fn address(&self, path: &str) -> String {
        format!("{}{path}", self.site)
    }

    /// Every file that the site shows now.
    async fn files(&self) -> Result<Digests, Failure> {
        let mut files = Digests::new();
        for page in 1..=MOST_PAGES {
            let mut url = self.url(&["sites", &self.site, "files"]);
            url.query_pairs_mut()
                .append_pair("page", &page.to_string())
                .append_pair("per_page", &PAGE.to_string());
            let listed: Vec<SiteFile> =
                self.ask(&|| self.client.get(url.clone()), "list the files of the site").await?;
            let whole = listed.len() == PAGE;
            let before = files.len();
            files.extend(listed.into_iter().map(|file| (file.path, file.sha)));
            // Services that know no pages answer with the same list again.
            if !whole || files.len() == before {
                return Ok(files);
            }
        }
        Err(Failure::permanent(format!("the site {} has too many files to list", self.site)))
    }

    /// A deploy that names all of `wanted`: the one that an interrupted attempt began, where it still goes on,
    /// or a new one.
    async fn deploy(
        &self,
        wanted: &Digests,
        known: Option<Kept>,
        journal: &dyn Journal,
    ) -> Result<Deploy, Failure> {
        let listed = serde_json::to_vec(wanted)
            .map_err(|error| Failure::permanent(format!("a deploy would be no JSON: {error}")))?;
        let named = sha256_hex(&listed);
        if let Some(kept) = known.filter(|kept| kept.named == named)
            && self.goes_on(&kept.deploy).await?
        {
            return self.until(&kept.deploy, &TOLD).await;
        }
        let url = self.url(&["sites", &self.site, "deploys"]);
        let body = json!({ "files": wanted, "async": true });
        let deploy: Deploy =
            self.ask(&|| self.client.post(url.clone()).json(&body), "begin a deploy").await?;
        let kept = Kept { deploy: deploy.id.clone(), named };
        let kept = serde_json::to_value(&kept)
            .map_err(|error| Failure::permanent(format!("a deploy is no JSON: {error}")))?;
        journal.keep(kept).await?;
        self.until(&deploy.id, &TOLD).await
    }

    /// Whether a deploy that was begun before can still become what the site shows. One that was that already, and
    /// is not any more, cannot.
    async fn goes_on(&self, id: &str) -> Result<bool, Failure> {
        let url = self.url(&["deploys", id]);
        let what = format!("look at the deploy {id}");
        let answer = self.answer(&|| self.client.get(url.clone()), &what).await?;
        if answer.status() == StatusCode::NOT_FOUND {
            return Ok(false);
        }
        let deploy: Deploy = read(answer, &what).await?;
        Ok(!matches!(deploy.state.as_str(), "error" | "ready"))
    }

    /// Sends what the deploy lacks; each content once.
    async fn send_required(
        &self,
        change: &Change<'_>,
        deploy: &Deploy,
        sent: &mut Sent,
    ) -> Result<(), Failure> {
        let mut required: BTreeSet<&str> = deploy.required.iter().flatten().map(String::as_str).collect();
        for (path, digest) in change.ours {
            if !required.remove(digest.as_str()) {
                continue;
            }
            let bytes = change.source.bytes(path).await?;
            if sha1_hex(&bytes) != *digest {
                return Err(Failure::permanent(format!("`{path}` changed while it was sent")));
            }
            let whole = format!("{}/{path}", change.source.root());
            let mut parts = vec!["deploys", &deploy.id, "files"];
            parts.extend(whole.split('/'));
            let url = self.url(&parts);
            let size = bytes.len() as u64;
            let bytes = bytes::Bytes::from(bytes);
            let put = || {
                let put = self.client.put(url.clone()).header(CONTENT_TYPE, "application/octet-stream");
                put.body(bytes.clone())
            };
            let what = format!("send `{path}`");
            checked(self.answer(&put, &what).await?, &what).await?;
            sent.add(size);
            sent.there = sent.there.saturating_sub(1);
        }
        match required.into_iter().next() {
            // What the site shows Netlify has, unless somebody took it away meanwhile.
            Some(digest) => Err(Failure::transient(format!(
                "{} asks for a file with sha1 {digest} that it showed before",
                self.site
            ))),
            None => Ok(()),
        }
    }

    /// Waits until the deploy is in one of `states`.
    async fn until(&self, id: &str, states: &[&str]) -> Result<Deploy, Failure> {
        let url = self.url(&["deploys", id]);
        let (mut wait, mut waited) = (FIRST_LOOK, Duration::ZERO);
        loop {
            let deploy: Deploy =
                self.ask(&|| self.client.get(url.clone()), &format!("look at the deploy {id}")).await?;
            if states.contains(&deploy.state.as_str()) {
                return Ok(deploy);
            }
            if deploy.state == "error" {
                let why = deploy.error_message.unwrap_or_else(|| "it does not say why".to_owned());
                return Err(Failure::transient(format!("the deploy {id} of {} failed: {why}", self.site)));
            }
            if waited >= PATIENCE {
                let state = deploy.state;
                let message = format!("the deploy {id} of {} is still {state} after {waited:?}", self.site);
                return Err(Failure::transient(message));
            }
            tokio::time::sleep(wait).await;
            waited += wait;
            wait = (wait * 2).min(SLOWEST_LOOK);
        }
    }

    async fn ask<T: for<'de> Deserialize<'de>>(
        &self,
        request: &(dyn Fn() -> RequestBuilder + Sync),
        what: &str,
    ) -> Result<T, Failure> {
        read(self.answer(request, what).await?, what).await
    }

    /// The answer to a request, which is made again where it came too soon.
    async fn answer(
        &self,
        request: &(dyn Fn() -> RequestBuilder + Sync),
        what: &str,
    ) -> Result<Response, Failure> {
        for _ in 0..TOO_SOON {
            let made = request().bearer_auth(self.token.expose_secret()).send().await;
            let answer = made.map_err(|error| {
                Failure::transient(format!("cannot {what} {}: {}", self.site, told(&error)))
            })?;
            if answer.status() != StatusCode::TOO_MANY_REQUESTS {
                return Ok(answer);
            }
            let seconds =
                answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()?.parse().ok());
            let pause = seconds.map_or(PAUSE, Duration::from_secs);
            if pause > LONGEST_PAUSE {
                break;
            }
            tokio::time::sleep(pause).await;
        }
        Err(Failure::transient(format!("cannot {what} {}: Netlify asks to wait", self.site)))
    }

    /// An address of the API, each part of it escaped.
    fn url(&self, parts: &[&str]) -> Url {
        let mut url = self.api.clone();
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().extend(parts);
        }
        url
    }
}

impl Target for Netlify {
    fn publish<'a>(
        &'a self,
        tree: &'a Tree,
        ground: &'a Ground<'a>,
    ) -> BoxFuture<'a, Result<Receipt, Failure>> {
        Box::pin(self.send(tree, ground))
    }

    fn catalogues(&self) -> Option<&dyn CatalogueTarget> {
        Some(self)
    }
}

/// What the site is to show: what it shows now, with the tree under its date, and under `latest` where it is that.
fn wanted(tree: &Tree, site: &Digests, ours: &Digests) -> Digests {
    let mut roots = vec![format!("/{}/{}/", tree.distribution, tree.date)];
    if tree.is_latest {
        roots.push(format!("/{}/latest/", tree.distribution));
    }
    let replaced = |path: &str| roots.iter().any(|root| path.starts_with(root));
    let kept = site.iter().filter(|(path, _)| !replaced(path));
    let mut wanted: Digests = kept.map(|(path, digest)| (path.clone(), digest.clone())).collect();
    for root in &roots {
        wanted.extend(ours.iter().map(|(path, digest)| (format!("{root}{path}"), digest.clone())));
    }
    wanted
}

/// The digests of a tree that Netlify goes by.
async fn digests(tree: &Tree) -> Result<Digests, Failure> {
    let tree = tree.clone();
    let read = tokio::task::spawn_blocking(move || -> std::io::Result<Digests> {
        let paths = tree.files.files().map(|(path, _)| path);
        paths.map(|path| Ok((path.to_owned(), sha1_hex(&std::fs::read(tree.place(path))?)))).collect()
    });
    let read = read.await.map_err(|error| Failure::permanent(format!("a tree was not read: {error}")))?;
    read.map_err(|error| Failure::permanent(format!("cannot read the published tree: {error}")))
}

fn sha1_hex(bytes: &[u8]) -> String {
    hex(&Sha1::digest(bytes))
}
