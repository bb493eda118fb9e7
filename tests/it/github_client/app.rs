//! A GitHub App in place of a token: what it proves, when it fetches another token, and what stays the same
//! from one to the next.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use jiff::{SignedDuration, Timestamp};
use serde_json::json;
use tidegate::clock::{Clock as _, ManualClock};
use tidegate::failure::Failure;
use tidegate::github::{
    App, CommitMessage, FileChange, GitHub, GitHubSettings, Lookup, NewIssue, Oid, Pace, Priority, PrivateKey,
};
use tidegate::rehearse::github::{
    GitHubState, Repository, Served, SimulatedGitHub, app::App as KnownApp, git,
};
use tidegate::store::{Durability, Store};

use super::repo;
use super::server::{Reply, Request, START, Server};

const KEY: &str = include_str!("../../data/github/app-key.pem");
const PUBLIC_KEY: &str = include_str!("../../data/github/app-key.pub.pem");
const OTHER_KEY: &str = include_str!("../../data/github/other-app-key.pem");
const TOKENS: &str = "POST /app/installations/{installation_id}/access_tokens";

fn app(key: &str) -> App {
    App { id: 12, key: PrivateKey::read(&key.into()).unwrap(), installation: None }
}

/// A simulated GitHub with an App, and what a client of it needs.
struct Place {
    simulated: Arc<SimulatedGitHub>,
    served: Served,
    store: Store,
    clock: Arc<ManualClock>,
    _folder: tempfile::TempDir,
}

impl Place {
    async fn new() -> Self {
        Self::installed(&[(7, "r-multiverse")]).await
    }

    async fn installed(installations: &[(u64, &str)]) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new(START.parse().unwrap());
        let mut state = GitHubState::default();
        state.add(Repository::with_files("o/r", [("a", "1\n")], clock.now()).unwrap());
        let journal = folder.path().join("github.jsonl");
        let simulated = Arc::new(SimulatedGitHub::open(state, &journal, clock.clone()).unwrap());
        let installations = installations.iter().map(|(id, whose)| (*id, (*whose).to_owned()));
        simulated.set_app(KnownApp {
            id: 12,
            slug: "tidegate-app".to_owned(),
            public_key: PUBLIC_KEY.to_owned(),
            installations: installations.collect::<BTreeMap<_, _>>(),
        });
        let served = simulated.clone().serve().await.unwrap();
        let store = Store::open(&folder.path().join("state.db"), Durability::ProcessCrash).await.unwrap();
        Self { simulated, served, store, clock, _folder: folder }
    }

    /// A client of this place; a second one is what a restart makes.
    async fn client(&self, app: App) -> GitHub {
        let settings = GitHubSettings::of_app(self.served.base_url().parse().unwrap(), app);
        GitHub::new(settings, self.store.clone(), self.clock.clone(), Pace::None).await.unwrap()
    }

    fn advance(&self, minutes: i64) {
        self.clock.set(self.clock.now() + SignedDuration::from_mins(minutes));
    }

    fn asked(&self, call: &str) -> u64 {
        self.simulated.requests().get(call).copied().unwrap_or(0)
    }

    fn fault(&self, fault: &str) {
        self.simulated.set_faults(vec![fault.parse().unwrap()]);
    }

    /// The messages and authors of the branch's commits, newest first.
    fn commits(&self) -> Vec<(String, String)> {
        self.simulated.read(|state| {
            let git = state.repository("o/r").unwrap().git.as_ref().unwrap();
            let mut commits = Vec::new();
            let mut next = git.refs.get("refs/heads/main").cloned();
            while let Some(oid) = next {
                let commit: &git::Commit = git.commit(oid).unwrap();
                commits.push((commit.message.clone(), commit.author.name.clone()));
                next = commit.parents.first().cloned();
            }
            commits
        })
    }
}

async fn look(github: &GitHub) -> Result<(), Failure> {
    match github.get(&["repos", "o", "r"], &[], Priority::Poll).await {
        Lookup::Failed(failure) => Err(failure),
        Lookup::Found(_) | Lookup::Absent { .. } => Ok(()),
    }
}

async fn commit(github: &GitHub) -> Oid {
    let main = "main".parse().unwrap();
    let Lookup::Found(head) = github.branch_head(&repo("o/r"), &main).await else { panic!("no head") };
    let files = [FileChange { path: "a".to_owned(), contents: Some("2\n".to_owned()) }];
    let message = CommitMessage { headline: "Change a".to_owned(), body: String::new() };
    github.commit_files(&repo("o/r"), &main, &head.oid, &files, &message).await.unwrap().oid
}

fn hint(result: Result<(), Failure>) -> (String, String) {
    match result {
        Err(Failure::Configuration { message, hint }) => (message, hint.unwrap_or_default()),
        other => panic!("no mistake of the configuration: {other:?}"),
    }
}

#[tokio::test]
async fn one_token_serves_until_shortly_before_its_hour_is_over() {
    let place = Place::new().await;
    let github = place.client(app(KEY)).await;
    assert_eq!(place.simulated.requests(), BTreeMap::new(), "nothing is sent before it is needed");
    let (one, two) = tokio::join!(look(&github), look(&github));
    one.and(two).unwrap();
    place.advance(54);
    look(&github).await.unwrap();
    assert_eq!((place.asked(TOKENS), place.asked("GET /app/installations")), (1, 1));
    for hour in 1..=5 {
        place.advance(56);
        look(&github).await.unwrap();
        commit(&github).await;
        assert_eq!(place.asked(TOKENS), 1 + hour);
    }
    assert_eq!(place.asked("GET /app/installations"), 1, "the installation is found once");
    assert_eq!(place.simulated.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_named_installation_is_not_looked_for() {
    let place = Place::installed(&[(7, "r-multiverse"), (8, "someone")]).await;
    let github = place.client(App { installation: Some(8), ..app(KEY) }).await;
    look(&github).await.unwrap();
    assert_eq!(place.asked("GET /app/installations"), 0);
}

#[tokio::test]
async fn an_app_writes_under_its_own_login_and_finds_what_it_wrote() {
    let place = Place::new().await;
    let github = place.client(app(KEY)).await;
    let login = github.login().await.unwrap();
    assert_eq!(login, "tidegate-app[bot]");
    let new = NewIssue { title: "Look".to_owned(), body: "at this".to_owned(), labels: Vec::new() };
    let opened = github.open_issue(&repo("o/r"), &new).await.unwrap();
    assert_eq!(opened.author.as_deref(), Some(login.as_str()));
    let found = github.open_issues_by(&repo("o/r"), &login).await.unwrap();
    assert_eq!(found.iter().map(|issue| issue.number).collect::<Vec<_>>(), [opened.number]);
    commit(&github).await;
    assert_eq!(place.commits()[0], ("Change a".to_owned(), login));
    assert_eq!(place.simulated.violations(), Vec::<String>::new());
}

#[tokio::test]
async fn a_token_that_is_refused_in_the_middle_of_work_is_replaced_once_and_nothing_happens_twice() {
    let place = Place::new().await;
    let github = place.client(app(KEY)).await;
    let main = "main".parse().unwrap();
    let Lookup::Found(head) = github.branch_head(&repo("o/r"), &main).await else { panic!("no head") };
    place.simulated.revoke_tokens();
    let files = [FileChange { path: "a".to_owned(), contents: Some("2\n".to_owned()) }];
    let message = CommitMessage { headline: "Change a".to_owned(), body: String::new() };
    github.commit_files(&repo("o/r"), &main, &head.oid, &files, &message).await.unwrap();
    assert_eq!(place.commits().len(), 2, "{:?}", place.commits());
    place.simulated.revoke_tokens();
    look(&github).await.unwrap();
    place.simulated.revoke_tokens();
    github.comment(&repo("o/r"), 1, "hello").await.unwrap_err();
    assert_eq!(place.asked(TOKENS), 4);
}

#[tokio::test]
async fn a_renewal_that_fails_leaves_the_old_token_in_use_while_it_is_good() {
    let place = Place::new().await;
    let github = place.client(app(KEY)).await;
    look(&github).await.unwrap();
    place.fault("POST /app/installations every 1 status 502");
    place.advance(57);
    look(&github).await.unwrap();
    look(&github).await.unwrap();
    assert_eq!(place.asked(TOKENS), 2, "the next attempt has half a minute's time");
    place.advance(4);
    assert!(look(&github).await.unwrap_err().is_transient());
    place.simulated.set_faults(Vec::new());
    look(&github).await.unwrap();
}

#[tokio::test]
async fn a_crash_between_the_token_and_its_use_loses_a_token_and_nothing_else() {
    let place = Place::new().await;
    let github = place.client(app(KEY)).await;
    place.fault("POST /app/installations nth 1 drop-after");
    let lost = github.get(&["repos", "o", "r"], &[], Priority::Action).await;
    assert!(matches!(lost, Lookup::Failed(Failure::Transient { .. })), "{lost:?}");
    drop(github);
    let restarted = place.client(app(KEY)).await;
    commit(&restarted).await;
    assert_eq!((place.asked(TOKENS), place.commits().len()), (2, 2));
}

#[tokio::test]
async fn what_the_operator_has_to_mend_is_said() {
    let place = Place::new().await;
    let (message, hint_of_key) = hint(look(&place.client(app(OTHER_KEY)).await).await);
    assert!(message.contains("401") && hint_of_key.contains("private key has to be one of the App 12"));

    let nowhere = Place::installed(&[]).await;
    let (message, _) = hint(look(&nowhere.client(app(KEY)).await).await);
    assert_eq!(message, "the GitHub App 12 is installed nowhere");

    let twice = Place::installed(&[(7, "r-multiverse"), (8, "someone")]).await;
    let (message, hint_of_places) = hint(look(&twice.client(app(KEY)).await).await);
    assert!(message.ends_with("several places: 7 (r-multiverse), 8 (someone)"), "{message}");
    assert!(hint_of_places.contains("`installation = ...`"), "{hint_of_places}");

    let gone = place.client(App { installation: Some(9), ..app(KEY) }).await;
    let (_, hint_of_number) = hint(look(&gone).await);
    assert!(hint_of_number.contains("`installation` is the number"), "{hint_of_number}");
}

#[test]
fn only_a_private_key_is_one_and_no_message_shows_it() {
    let cut = &KEY[..KEY.len() / 2];
    let other_kind = "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIA==\n-----END EC PRIVATE KEY-----\n";
    for text in ["", "hello", cut, PUBLIC_KEY, other_kind] {
        let (message, hint) = hint(PrivateKey::read(&text.into()).map(drop));
        assert_eq!(message, "the private key of the GitHub App is no RSA key as PEM");
        assert!(hint.contains(".pem file"), "{hint}");
    }
    let shown = format!("{:?}", GitHubSettings::of_app("http://localhost".parse().unwrap(), app(KEY)));
    assert!(
        shown.contains("PrivateKey(..)") && !shown.contains("BEGIN") && !shown.contains("content"),
        "{shown}"
    );
}

/// A GitHub that gives a token for each hour, numbered, and answers the rest with `handler`, which is told the
/// number of the token.
async fn hourly(handler: impl Fn(&Request, &str) -> Reply + Send + Sync + 'static) -> Server {
    let given = AtomicU32::new(0);
    Server::answering(move |request| match request.path.as_str() {
        "/app/installations/7/access_tokens" => {
            let number = given.fetch_add(1, Ordering::SeqCst) + 1;
            let start: Timestamp = START.parse().unwrap();
            let expires = start + SignedDuration::from_hours(number.into());
            Reply::json(201, json!({ "token": format!("ghs_{number}"), "expires_at": expires.to_string() }))
        }
        _ => {
            let token = request.headers["authorization"].to_str().unwrap();
            handler(request, token.strip_prefix("Bearer ghs_").unwrap())
        }
    })
    .await
}

async fn client_of(server: &Server, clock: &Arc<ManualClock>, store: &Store) -> GitHub {
    let settings = GitHubSettings::of_app(server.url.clone(), App { installation: Some(7), ..app(KEY) });
    GitHub::new(settings, store.clone(), clock.clone(), Pace::None).await.unwrap()
}

async fn empty_store() -> (tempfile::TempDir, Store) {
    let folder = tempfile::tempdir().unwrap();
    let store = Store::open(&folder.path().join("state.db"), Durability::ProcessCrash).await.unwrap();
    (folder, store)
}

#[tokio::test]
async fn an_etag_is_sent_with_the_token_that_it_belongs_to_and_with_no_other() {
    let server = hourly(|request, token| {
        let etag = format!("\"{token}\"");
        match request.headers.get("if-none-match") {
            Some(known) if *known == *etag => Reply::empty(304).with("etag", etag),
            Some(_) => panic!("the ETag of another token"),
            None => Reply::json(200, json!({ "seen by": token })).with("etag", etag),
        }
    })
    .await;
    let (_folder, store) = empty_store().await;
    let clock = ManualClock::new(START.parse().unwrap());
    let github = client_of(&server, &clock, &store).await;
    let seen = async |github: &GitHub| {
        let Lookup::Found(fetched) = github.get(&["repos", "o", "r"], &[], Priority::Poll).await else {
            panic!("not found")
        };
        fetched.json::<serde_json::Value>("it").unwrap()["seen by"].as_str().unwrap().to_owned()
    };
    assert_eq!((seen(&github).await, seen(&github).await), ("1".to_owned(), "1".to_owned()));
    clock.set(clock.now() + SignedDuration::from_mins(58));
    assert_eq!((seen(&github).await, seen(&github).await), ("2".to_owned(), "2".to_owned()));
    let restarted = client_of(&server, &clock, &store).await;
    assert_eq!(seen(&restarted).await, "3");
    let asked: Vec<_> =
        server.seen().iter().filter(|request| request.path == "/repos/o/r").cloned().collect();
    let with_etag: Vec<_> =
        asked.iter().map(|request| request.headers.contains_key("if-none-match")).collect();
    assert_eq!(with_etag, [false, true, false, true, false]);
    let kept = |token: &str| tidegate::store::CacheKey {
        url: format!("{}repos/o/r", server.url),
        token: token.to_owned(),
        accept: "application/vnd.github+json".to_owned(),
    };
    // What earlier tokens were answered is not kept: nobody can ask about it again.
    for (hash, is_kept) in
        [("8d552bcc72daf0ca", false), ("61bf26ebd7b202de", false), ("073e468e558285c5", true)]
    {
        let answer = store.kept_answer(&kept(&format!("app-12-7/{hash}")), 1000).await.unwrap();
        assert_eq!(answer.is_some(), is_kept, "{hash}");
    }
}

#[tokio::test]
async fn limits_belong_to_the_installation_and_outlive_its_tokens_and_a_restart() {
    let server = hourly(|_, _| Reply::empty(403).with("retry-after", 3000)).await;
    let (_folder, store) = empty_store().await;
    let clock = ManualClock::new(START.parse().unwrap());
    clock.set(clock.now() + SignedDuration::from_mins(50));
    let github = client_of(&server, &clock, &store).await;
    let until = |result: Result<(), Failure>| match result {
        Err(Failure::Transient { retry_at: Some(at), .. }) => at.to_string(),
        other => panic!("no time to come back at: {other:?}"),
    };
    assert_eq!(until(look(&github).await), "2026-07-15T01:40:00Z");
    clock.set(clock.now() + SignedDuration::from_mins(20));
    assert_eq!(until(look(&github).await), "2026-07-15T01:40:00Z", "with the token of the next hour too");
    let restarted = client_of(&server, &clock, &store).await;
    assert_eq!(until(look(&restarted).await), "2026-07-15T01:40:00Z");
    let asked = server.seen().iter().filter(|request| request.path == "/repos/o/r").count();
    assert_eq!(asked, 1, "nothing was sent before that time");
}

#[tokio::test]
async fn a_token_that_is_refused_twice_is_the_operators_to_mend() {
    let server = hourly(|_, _| Reply::json(401, json!({ "message": "Bad credentials" }))).await;
    let (_folder, store) = empty_store().await;
    let clock = ManualClock::new(START.parse().unwrap());
    let github = client_of(&server, &clock, &store).await;
    let (message, hint) = hint(look(&github).await);
    assert!(message.contains("401") && hint.contains("still installed"), "{message} {hint}");
    let asked = server.seen().iter().filter(|request| request.path == "/repos/o/r").count();
    assert_eq!(asked, 2, "once more, and no more");
}

#[tokio::test]
async fn a_limit_on_tokens_is_waited_for() {
    let server = Server::answering(|_| Reply::empty(429).with("retry-after", 120)).await;
    let (_folder, store) = empty_store().await;
    let clock = ManualClock::new(START.parse().unwrap());
    let github = client_of(&server, &clock, &store).await;
    for _ in 0..3 {
        let failure = look(&github).await.unwrap_err();
        let Failure::Transient { retry_at: Some(at), .. } = failure else { panic!("{failure:?}") };
        assert_eq!(at.to_string(), "2026-07-15T00:02:00Z");
    }
    assert_eq!(server.seen().len(), 1);
    clock.set("2026-07-15T00:02:00Z".parse().unwrap());
    look(&github).await.unwrap_err();
    assert_eq!(server.seen().len(), 2);
}
