//! What an integration tells its repository: one change for each metapackage, never twice, and never against
//! a person's will.

use std::path::PathBuf;
use std::sync::Arc;

use jiff::SignedDuration;
use tidegate::clock::Clock as _;
use tidegate::decide::event_words::Event as Said;
use tidegate::rehearse::github::event::Event;
use tidegate::rehearse::github::git::FileChanges;
use tidegate::rehearse::github::pulls::{MergeMethod, PullEdit, PullMerge, PullState};
use tidegate::rehearse::github::{GitHubState, Repository, SimulatedGitHub};
use tidegate::store::ActionState;

use super::scene::{Package, Scene};

const REPOSITORY: &str = "qiime2/package-integration";
const BUILD_CONFIG: &str = "2026.10/staged/tiny/conda_build_config.yaml";
const DATA: &str = "2026.10/staged/tiny/data.yaml";

/// A distribution whose metapackages are told to a repository on a simulated GitHub.
struct Told {
    scene: Scene,
    github: Arc<SimulatedGitHub>,
    _journal: tempfile::TempDir,
}

impl Told {
    async fn new(settings: &'static str) -> Self {
        let mut scene = Scene::new(r#""q2-types", "q2cli""#).await;
        let journal = tempfile::tempdir().unwrap();
        let files = [
            (BUILD_CONFIG, "python:\n- '3.10'\nq2_types:\n- 0.9\nqiime2_epoch:\n- '2026.10'\n"),
            (DATA, "meta:\n  phone_home: true\nrun:\n- q2-types\nversion: 2026.01.01.00.00.00\n"),
        ];
        let mut state = GitHubState::default();
        state.add(Repository::with_files(REPOSITORY, files, scene.clock.now()).unwrap());
        let path: PathBuf = journal.path().join("github.jsonl");
        let github = Arc::new(SimulatedGitHub::open(state, &path, scene.clock.clone()).unwrap());
        scene.github = Some(Arc::clone(&github).serve().await.unwrap());
        scene.repository = settings;
        Scene::offer(&scene.forge(), &[]);
        Scene::offer(&scene.tested(), &[Package::new("q2-types", "1.0"), Package::new("q2cli", "1.0")]);
        Self { scene, github, _journal: journal }
    }

    /// A pass that sees the newest builds, and one after they have settled.
    async fn integrate(&self) -> String {
        self.scene.next_day("integrate").await;
        self.scene.clock.set(self.scene.clock.now() + SignedDuration::from_hours(1));
        self.pass().await
    }

    async fn pass(&self) -> String {
        let run = self.scene.pass("integrate").await;
        run.summary.or(run.error).unwrap_or_default()
    }

    /// A file at the head of a branch.
    fn file(&self, branch: &str, path: &str) -> String {
        self.github.read(|state| {
            let git = state.repository(REPOSITORY).unwrap().git.as_ref().unwrap();
            let tree = git.commit(git.branch(branch).unwrap()).unwrap().tree;
            let blob = git.blob(git.entry(tree, path).unwrap().oid).unwrap();
            String::from_utf8(blob.to_vec()).unwrap()
        })
    }

    /// Has GitHub fail in the way that this says.
    fn strike(&self, fault: &str) {
        self.github.set_faults(vec![fault.parse().unwrap()]);
    }

    /// The commit at the head of a branch.
    fn head(&self, branch: &str) -> String {
        self.github.read(|state| {
            let git = state.repository(REPOSITORY).unwrap().git.as_ref().unwrap();
            git.branch(branch).unwrap().to_string()
        })
    }

    fn pulls(&self) -> Vec<(u64, String, String)> {
        self.github.read(|state| {
            let pulls = state.repository(REPOSITORY).unwrap().pulls.values();
            pulls.map(|pull| (pull.number, pull.title.clone(), pull.body.clone())).collect()
        })
    }

    /// What the timeline says of the repository.
    async fn timeline(&self) -> String {
        let events = self.scene.events().await.into_iter();
        let told = events.filter(|event| ["commit", "pull-request"].contains(&event.kind.as_str()));
        let told = told.map(|event| {
            Said::new(&event.kind, event.package.as_deref(), &event.body).told()
                + &format!(" {}", event.body["packages"])
        });
        told.collect::<Vec<_>>().join("\n")
    }

    fn end(&self) {
        assert_eq!(self.github.violations(), Vec::<String>::new());
    }
}

const COMMIT: &str = "[integrate.repository]\nname = \"qiime2/package-integration\"\n\
                      build_config = \"2026.10/staged/tiny/conda_build_config.yaml\"\n\
                      data = \"2026.10/staged/tiny/data.yaml\"\nvia = \"commit\"\n";
const PULL_REQUEST: &str = "[integrate.repository]\nname = \"qiime2/package-integration\"\n\
                            build_config = \"2026.10/staged/tiny/conda_build_config.yaml\"\n\
                            data = \"2026.10/staged/tiny/data.yaml\"\n";

#[tokio::test]
async fn a_metapackage_is_committed_once_as_upstream_writes_its_files() {
    let told = Told::new(COMMIT).await;
    insta::assert_snapshot!(told.integrate().await, @"qiime2-tiny 2026.11.21.05.00.00 holds 2 members; Update qiime2-tiny to 2026.11.21.05.00.00 was committed to qiime2/package-integration");
    insta::assert_snapshot!(told.file("main", BUILD_CONFIG), @r"
    python:
    - '3.10'
    q2_types:
    - '1.0'
    q2cli:
    - '1.0'
    qiime2_epoch:
    - '2026.10'
    ");
    insta::assert_snapshot!(told.file("main", DATA), @r"
    meta:
      phone_home: true
    run:
    - q2-types
    - q2cli
    version: 2026.11.21.05.00.00
    ");
    insta::assert_snapshot!(told.pass().await, @"the newest metapackage holds the newest builds");
    insta::assert_snapshot!(told.timeline().await, @r#"committed to qiime2/package-integration: Update qiime2-tiny to 2026.11.21.05.00.00 ["q2-types","q2cli"]"#);
    told.end();
}

#[tokio::test]
async fn a_pull_request_is_opened_updated_in_place_and_at_rest_once_it_is_merged() {
    let told = Told::new(PULL_REQUEST).await;
    insta::assert_snapshot!(told.integrate().await, @"qiime2-tiny 2026.11.21.05.00.00 holds 2 members; pull request #1 of qiime2/package-integration: Update qiime2-tiny to 2026.11.21.05.00.00");
    insta::assert_snapshot!("pull_request_body", told.pulls()[0].2);
    insta::assert_snapshot!(told.pass().await, @"the newest metapackage holds the newest builds");

    Scene::offer(&told.scene.tested(), &[Package::new("q2cli", "1.1")]);
    insta::assert_snapshot!(told.integrate().await, @"qiime2-tiny 2026.11.22.06.00.00 holds 2 members; pull request #1 of qiime2/package-integration: Update qiime2-tiny to 2026.11.22.06.00.00");
    assert_eq!(told.pulls().len(), 1);
    assert!(told.file("tidegate/tiny", BUILD_CONFIG).contains("q2cli:\n- '1.1'\n"));
    let merge = PullMerge {
        repository: REPOSITORY.to_owned(),
        number: 1,
        method: MergeMethod::Merge,
        message: None,
        by: "moderator".to_owned(),
        at: told.scene.clock.now(),
    };
    told.github.perform(Event::PullMerged(merge)).unwrap();
    insta::assert_snapshot!(told.pass().await, @"the newest metapackage holds the newest builds");
    told.pass().await;
    insta::assert_snapshot!(told.timeline().await, @r#"
    pull request #1 opened: Update qiime2-tiny to 2026.11.21.05.00.00 ["q2-types","q2cli"]
    pull request #1 updated: Update qiime2-tiny to 2026.11.22.06.00.00 ["q2-types","q2cli"]
    pull request #1 merged: Update qiime2-tiny to 2026.11.22.06.00.00 []
    "#);
    told.end();
}

#[tokio::test]
async fn a_closed_pull_request_is_a_no_and_a_persons_commit_means_hands_off() {
    let told = Told::new(PULL_REQUEST).await;
    told.integrate().await;
    let close = PullEdit {
        repository: REPOSITORY.to_owned(),
        number: 1,
        title: None,
        body: None,
        state: Some(PullState::Closed),
        base: None,
        by: "moderator".to_owned(),
        at: told.scene.clock.now(),
    };
    told.github.perform(Event::PullEdited(close)).unwrap();
    insta::assert_snapshot!(told.pass().await, @"pull request #1 was closed: no, for these builds");
    assert_eq!(told.pulls().len(), 1);
    insta::assert_snapshot!(told.timeline().await, @r#"
    pull request #1 opened: Update qiime2-tiny to 2026.11.21.05.00.00 ["q2-types","q2cli"]
    pull request #1 closed: Update qiime2-tiny to 2026.11.21.05.00.00 []
    "#);

    let changes = FileChanges::write([("README", "a person was here")]);
    let now = told.scene.clock.now();
    told.github.commit_as("anna", REPOSITORY, "tidegate/tiny", changes, "Look at this", now).unwrap();
    Scene::offer(&told.scene.tested(), &[Package::new("q2cli", "1.1")]);
    insta::assert_snapshot!(told.integrate().await, @"qiime2-tiny 2026.11.22.06.00.00 holds 2 members; somebody else committed to tidegate/tiny, which is left alone");
    assert_eq!(told.file("tidegate/tiny", "README"), "a person was here");
    told.end();
}

/// What the journal says of every action, oldest first.
async fn journal(told: &Told) -> Vec<ActionState> {
    let store = &told.scene.store;
    let mut states = Vec::new();
    for run in store.runs(None, 100).await.unwrap().into_iter().rev() {
        states.extend(store.actions_of(run.id).await.unwrap().into_iter().map(|action| action.state));
    }
    states
}

#[tokio::test]
async fn a_commit_whose_answer_was_lost_is_taken_over_and_not_made_again() {
    let told = Told::new(COMMIT).await;
    told.strike("graphql createCommitOnBranch nth 1 drop-after");
    told.integrate().await;
    assert_eq!(journal(&told).await, [ActionState::Intended]);
    let head = told.head("main");
    told.pass().await;
    assert_eq!((told.head("main"), journal(&told).await), (head, vec![ActionState::Done]));
    insta::assert_snapshot!(told.timeline().await, @r#"committed to qiime2/package-integration: Update qiime2-tiny to 2026.11.21.05.00.00 ["q2-types","q2cli"]"#);
    told.end();
}

#[tokio::test]
async fn a_commit_that_was_never_made_is_made_by_the_next_pass() {
    let told = Told::new(COMMIT).await;
    told.strike("graphql createCommitOnBranch nth 1 drop-before");
    told.integrate().await;
    told.pass().await;
    assert!(told.file("main", BUILD_CONFIG).contains("q2cli:\n- '1.0'\n"));
    assert_eq!(journal(&told).await.last(), Some(&ActionState::Done));
    assert!(told.scene.store.open_actions().await.unwrap().is_empty());
    told.end();
}

#[tokio::test]
async fn lost_answers_to_push_and_opening_leave_one_pull_request() {
    for fault in [
        "graphql updateRefs nth 1 drop-after",
        "graphql updateRefs nth 1 drop-before",
        "POST /repos/qiime2/package-integration/pulls nth 1 drop-after",
        "POST /repos/qiime2/package-integration/pulls nth 1 drop-before",
    ] {
        let told = Told::new(PULL_REQUEST).await;
        told.strike(fault);
        told.integrate().await;
        told.pass().await;
        assert_eq!(told.pulls().len(), 1, "{fault}");
        assert_eq!(journal(&told).await.last(), Some(&ActionState::Done), "{fault}");
        assert!(told.scene.store.open_actions().await.unwrap().is_empty(), "{fault}");
        assert_eq!(told.timeline().await.matches("opened").count(), 1, "{fault}");
        told.end();
    }
}

#[tokio::test]
async fn a_change_back_on_the_same_head_is_proposed_once_more() {
    let told = Told::new(PULL_REQUEST).await;
    told.integrate().await;
    // A person empties the text: nothing says any more what is proposed, so it is proposed again.
    let edit = PullEdit {
        repository: REPOSITORY.to_owned(),
        number: 1,
        title: None,
        body: Some("edited".to_owned()),
        state: None,
        base: None,
        by: "moderator".to_owned(),
        at: told.scene.clock.now(),
    };
    told.github.perform(Event::PullEdited(edit)).unwrap();
    told.pass().await;
    assert_eq!(told.pulls().len(), 1);
    assert_ne!(told.pulls()[0].2, "edited");
    assert_eq!(journal(&told).await, [ActionState::Done, ActionState::Done]);
    told.end();
}

#[tokio::test]
async fn a_file_that_is_not_there_is_named() {
    let told = Told::new(
        "[integrate.repository]\nname = \"qiime2/package-integration\"\n\
         build_config = \"2026.10/tiny.yaml\"\ndata = \"2026.10/staged/tiny/data.yaml\"\n",
    )
    .await;
    insta::assert_snapshot!(told.integrate().await, @"qiime2/package-integration has no file 2026.10/tiny.yaml; make it, or correct the job's file");
    told.end();
}
