//! Reports over random histories: whatever GitHub does with requests, and wherever the power fails, people
//! are told of everything once.

use std::collections::{BTreeMap, BTreeSet};
use std::future::{Future as _, poll_fn};
use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use jiff::SignedDuration;
use proptest::prelude::*;
use serde_json::json;
use tokio_util::sync::CancellationToken;

use super::Services;
use super::engines::Engines;
use super::reports::Delivery;
use crate::clock::{Clock as _, ManualClock};
use crate::daemon::{RunContext, new_boot_id};
use crate::github::{GitHub, GitHubSettings, Pace, marker};
use crate::rehearse::github::event::Event;
use crate::rehearse::github::{GitHubState, Repository, Served, SimulatedGitHub};
use crate::store::{Durability, NewReportComment, Store, Telling};

const REPOSITORY: &str = "o/r";
const SUBJECT: &str = "package/a";

/// One thing that happens.
#[derive(Clone, Debug)]
enum Step {
    /// Something is new, with a comment or without.
    News { is_commented: bool },
    /// All is well.
    Over,
    /// A pass tells what there is to tell, while GitHub fails like this.
    Deliver(&'static str),
    /// A pass is killed after so many steps of its own.
    Crash(usize),
}

/// What people should know in the end of one time of trouble.
#[derive(Debug, Default)]
struct Episode {
    /// Everything that they were to be called for, in order.
    news: Vec<String>,
    body: String,
    is_over: bool,
    /// True where an undisturbed pass has told it.
    is_told: bool,
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fault = prop::sample::select(vec![
        "",
        "",
        "POST /repos/o/r/issues nth 1 drop-after",
        "POST /repos/o/r/issues nth 1 drop-before",
        "POST /repos/o/r/issues nth 2 drop-after",
        "POST /repos/o/r/issues nth 1 truncate",
        "POST /repos/o/r/issues nth 2 status 502",
        "POST /repos/o/r/issues nth 1 retry-after 60",
        "PATCH /repos/o/r/issues nth 1 drop-after",
        "PATCH /repos/o/r/issues nth 2 drop-before",
        "GET /repos/o/r/issues nth 1 status 502",
        "graphql viewer nth 1 drop-after",
    ]);
    let step = prop_oneof![
        4 => any::<bool>().prop_map(|is_commented| Step::News { is_commented }),
        1 => Just(Step::Over),
        4 => fault.prop_map(Step::Deliver),
        2 => (1..40_usize).prop_map(Step::Crash),
    ];
    prop::collection::vec(step, 1..16)
}

struct Place {
    folder: tempfile::TempDir,
    clock: Arc<ManualClock>,
    store: Store,
    github: Arc<SimulatedGitHub>,
    served: Served,
}

impl Place {
    async fn new() -> Self {
        crate::tls::prepare();
        let folder = tempfile::tempdir().unwrap();
        let clock = ManualClock::new("2026-11-20T04:00:00Z".parse().unwrap());
        let store = Store::open(&folder.path().join("tidegate.db"), Durability::ProcessCrash).await.unwrap();
        let mut state = GitHubState::default();
        state.add(Repository::upstream(REPOSITORY));
        state.add(Repository::upstream("o/s"));
        let journal = Self::journal_in(&folder);
        let github = Arc::new(SimulatedGitHub::open(state, &journal, clock.clone()).unwrap());
        let served = Arc::clone(&github).serve().await.unwrap();
        Self { folder, clock, store, github, served }
    }

    fn journal_in(folder: &tempfile::TempDir) -> PathBuf {
        folder.path().join("github.jsonl")
    }

    async fn tell(&self, episode: &Episode, comment: Option<String>) {
        self.tell_in(REPOSITORY, episode, comment).await;
    }

    async fn tell_in(&self, repository: &str, episode: &Episode, comment: Option<String>) {
        let telling = Telling {
            distribution: "d".to_owned(),
            subject: SUBJECT.to_owned(),
            repository: repository.to_owned(),
            title: "a fails".to_owned(),
            body: episode.body.clone(),
            labels: Vec::new(),
            facts: json!({}),
            comments: comment.map(|key| NewReportComment { body: key.clone(), key }).into_iter().collect(),
            is_over: episode.is_over,
        };
        self.store.tell(&telling, self.clock.now()).await.unwrap();
    }

    /// One pass as a new process; where it is killed, after so many steps.
    async fn deliver(&self, killed_after: usize) {
        self.clock.set(self.clock.now() + SignedDuration::from_mins(10));
        let now = self.clock.now();
        let settings = GitHubSettings::new(self.served.base_url().parse().unwrap(), "t".to_owned().into());
        let github = GitHub::new(settings, self.store.clone(), self.clock.clone(), Pace::None).await.unwrap();
        let occurrence = self.store.request_run("j", now, "a test", now).await.unwrap();
        let boot = new_boot_id();
        self.store.recover(&boot, now).await.unwrap();
        let claim = self.store.claim_occurrence(occurrence, &boot, now).await.unwrap();
        let folder = self.folder.path().to_path_buf();
        let services = Services {
            store: self.store.clone(),
            github: Some(github),
            http: reqwest::Client::new(),
            clock: self.clock.clone(),
            publish: folder.clone(),
            signer: Default::default(),
            artifacts: folder.clone(),
            engines: Engines::new(crate::config::Engines::default(), folder, self.clock.clone()),
        };
        let context = RunContext {
            run_id: claim.run,
            job: "j".to_owned(),
            nominal: now,
            clock: self.clock.clone(),
            store: self.store.clone(),
            cancel: CancellationToken::new(),
        };
        let delivery = Delivery::new(&services, "d", &context);
        let mut round = pin!(delivery.deliver());
        let mut steps = 0;
        let ended = poll_fn(|waker| {
            steps += 1;
            match steps > killed_after {
                true => Poll::Ready(None),
                false => round.as_mut().poll(waker).map(Some),
            }
        })
        .await;
        match ended {
            Some(ended) => ended.unwrap(),
            // What was on its way to GitHub arrives.
            None => tokio::time::sleep(Duration::from_millis(30)).await,
        }
    }

    /// What people were called for by each issue: by the text with which it was opened, and by comments.
    fn calls(&self) -> BTreeMap<u64, (Vec<String>, Vec<String>)> {
        let mut calls: BTreeMap<u64, (Vec<String>, Vec<String>)> = BTreeMap::new();
        let journal = std::fs::read_to_string(Self::journal_in(&self.folder)).unwrap();
        let first_line = |body: &str| body.lines().next().unwrap_or_default().to_owned();
        for line in journal.lines() {
            match serde_json::from_str(line).unwrap() {
                Event::IssueOpened(new) => {
                    let number = calls.len() as u64 + 1;
                    let words = first_line(&new.body).split(' ').map(str::to_owned).collect();
                    calls.insert(number, (words, Vec::new()));
                }
                Event::Commented { number, body, .. } => {
                    calls.get_mut(&number).unwrap().1.push(first_line(&body));
                }
                _ => {}
            }
        }
        calls
    }
}

/// Plays a history to its end, with two undisturbed passes after it, and returns what should be known.
async fn play(place: &Place, history: &[Step]) -> Vec<Episode> {
    let mut episodes: Vec<Episode> = Vec::new();
    let mut count = 0;
    for step in history {
        let is_present = episodes.last().is_some_and(|episode| !episode.is_over);
        match step {
            Step::News { is_commented } => {
                if !is_present {
                    episodes.push(Episode::default());
                }
                let episode = episodes.last_mut().unwrap();
                count += 1;
                let comment = (*is_commented && is_present).then(|| format!("n{count}"));
                episode.news.extend(comment.clone());
                episode.body = format!("{} v{count}", episode.news.join(" "));
                place.tell(episode, comment).await;
            }
            Step::Over if is_present => {
                let episode = episodes.last_mut().unwrap();
                count += 1;
                episode.is_over = true;
                episode.news.push(format!("over{count}"));
                episode.body = format!("over v{count}");
                place.tell(episode, Some(format!("over{count}"))).await;
            }
            Step::Over => {}
            Step::Deliver(fault) => {
                let faults = Some(*fault).filter(|fault| !fault.is_empty());
                place.github.set_faults(faults.iter().map(|fault| fault.parse().unwrap()).collect());
                place.deliver(usize::MAX).await;
                place.github.set_faults(Vec::new());
                if let (None, Some(episode)) = (faults, episodes.last_mut()) {
                    episode.is_told |= is_present;
                }
            }
            Step::Crash(after) => place.deliver(*after).await,
        }
    }
    place.deliver(usize::MAX).await;
    place.deliver(usize::MAX).await;
    episodes
}

async fn check(place: &Place, episodes: &[Episode]) {
    let calls = place.calls();
    let issues = place.github.read(|state| state.repository(REPOSITORY).unwrap().issues.clone());
    let mut seen = BTreeSet::new();
    for issue in issues.values() {
        let marked = marker::parse(&issue.body).unwrap();
        let number = marked["episode"].as_u64().unwrap();
        assert!(seen.insert(number), "two issues for episode {number}");
        let episode = &episodes[usize::try_from(number).unwrap() - 1];
        assert!(issue.body.starts_with(&episode.body), "{} is not {}", issue.body, episode.body);
        assert_eq!(issue.closed_at.is_some(), episode.is_over, "{episode:?}");
        let (opening, comments) = &calls[&issue.number];
        let told: Vec<&String> =
            opening.iter().filter(|word| word.starts_with('n')).chain(comments).collect();
        assert_eq!(told, episode.news.iter().collect::<Vec<_>>(), "all of it, once, in order");
    }
    for (index, episode) in episodes.iter().enumerate() {
        let is_there = seen.contains(&(index as u64 + 1));
        assert!(is_there || (episode.is_over && !episode.is_told), "not told: {episode:?}");
    }
    assert!(place.store.untold_reports("d", place.clock.now()).await.unwrap().is_empty());
    assert!(place.store.open_actions().await.unwrap().is_empty());
    assert_eq!(place.github.violations(), Vec::<String>::new());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 40, max_shrink_iters: 60, ..ProptestConfig::default() })]
    #[test]
    fn whatever_fails_everything_is_told_and_nothing_twice(history in steps()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let place = Place::new().await;
            let episodes = play(&place, &history).await;
            check(&place, &episodes).await;
        });
    }
}

#[tokio::test]
async fn a_repository_that_refused_is_asked_again_after_a_week_and_not_before() {
    let place = Place::new().await;
    let trouble = Episode { body: "trouble".to_owned(), ..Episode::default() };
    place.github.set_faults(vec!["POST /repos/o/r/issues every 1 status 410".parse().unwrap()]);
    place.tell(&trouble, None).await;
    place.deliver(usize::MAX).await;
    let refused = place.store.report("d", SUBJECT).await.unwrap().unwrap().refused;
    assert_eq!(refused.as_deref(), Some("the repository has issues switched off, or the issue was deleted"));
    place.github.set_faults(Vec::new());
    place.deliver(usize::MAX).await;
    assert_eq!(place.calls().len(), 0);
    place.clock.set(place.clock.now() + SignedDuration::from_hours(7 * 24));
    place.deliver(usize::MAX).await;
    assert_eq!(place.calls().len(), 1);
    let told = place.store.report("d", SUBJECT).await.unwrap().unwrap();
    assert_eq!((told.refused, told.number), (None, Some(1)));
}

#[tokio::test]
async fn a_report_that_is_configured_to_go_elsewhere_begins_anew_there() {
    let place = Place::new().await;
    let trouble = Episode { body: "trouble".to_owned(), ..Episode::default() };
    place.tell(&trouble, None).await;
    place.deliver(usize::MAX).await;
    for repository in ["o/s", REPOSITORY] {
        place.tell_in(repository, &trouble, None).await;
        place.deliver(usize::MAX).await;
    }
    let issues = |name: &str| place.github.read(|state| state.repository(name).unwrap().issues.len());
    assert_eq!((issues(REPOSITORY), issues("o/s")), (1, 1), "the first one is known again");
}
