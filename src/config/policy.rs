//! A distribution's policy: which rules decide, how careful they are, and how changes are made.

use jiff::SignedDuration;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::text_duration::TextDuration;
use crate::domain::{
    CheckedR, Confirmation, DeletionPolicy, DependencyRule, EvidencePolicy, MergeMethod, ReleasesFrom,
    StagingModel, Via, WithdrawnBytes,
};

/// Which rules decide, how careful they are, and how changes are made.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Policy {
    /// How the staging channel holds packages. Default: `pinned`.
    #[serde(default)]
    pub staging: StagingModel,
    /// How a change reaches a channel's repository. Default: `pull-request`.
    #[serde(default)]
    pub via: Via,
    /// How evidence is read. Default: `guarded`.
    #[serde(default)]
    pub evidence: EvidencePolicy,
    /// The share of packages (0 to 1) that may lose `passing` in one observation before the source is held
    /// to be broken. Default: 0.25.
    #[serde(default = "default_mass_change")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub mass_change: f64,
    /// How many observations in a row, the first included, confirm a sudden change of many packages. Default: 3.
    #[serde(default = "default_confirm_after")]
    #[schemars(range(min = 1, max = 100))]
    pub confirm_after: u32,
    /// The share of the last snapshot's packages (0 to 1) that may be missing from the next one before it is
    /// held. Default: 0.2.
    #[serde(default = "default_shrink")]
    #[schemars(range(min = 0.0, max = 1.0))]
    pub shrink: f64,
    /// How many days after a snapshot `config.json` is deleted from its channel's repository, by a job of kind
    /// `write-status`: until the next cycle builds then follow today's CRAN. Default: 7.
    #[serde(default = "default_config_json_days")]
    #[schemars(range(min = 0, max = 366))]
    pub config_json_days: u16,
    /// The age at which a stored fact counts as unknown. Default: `6h`.
    #[serde(default = "default_max_age")]
    pub max_age: TextDuration,
    /// The versions of R whose checks count: `release` is the one that the cycle targets, `oldrelease` the one
    /// before it. Default: `["release"]`.
    #[serde(default = "default_checks")]
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub checks: Vec<CheckedR>,
    /// What a package needs of the packages of the distribution that it depends on. Default: `strict`.
    #[serde(default)]
    pub dependencies: DependencyRule,
    /// What becomes of the files of a package that is withdrawn from a published snapshot, where the command does not
    /// say. Default: `keep`.
    #[serde(default)]
    pub withdrawn_bytes: WithdrawnBytes,
    /// How pull requests look.
    #[serde(default)]
    pub pull_request: PullRequestPolicy,
    /// What is made of the repositories and releases of packages.
    #[serde(default)]
    pub upstream: UpstreamPolicy,
}

/// What is made of the repositories and releases of packages.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct UpstreamPolicy {
    /// How many looks in a row, the first included, confirm that a repository is gone or blocked. Default: 3.
    #[serde(default = "default_confirm_after")]
    #[schemars(range(min = 1, max = 100))]
    pub confirm_after: u32,
    /// How long these looks have to last at least. Default: `24h`.
    #[serde(default = "default_confirm_time")]
    pub confirm_time: TextDuration,
    /// What snapshots do with a package whose repository is gone or blocked for good. Default: `keep`.
    #[serde(default)]
    pub deleted: DeletionPolicy,
    /// Whether a pull request proposes the new address of a repository that was renamed or transferred.
    /// Default: true.
    #[serde(default = "default_propose_listing")]
    pub propose_listing: bool,
    /// What counts as a release of a package that is listed with `*release`. Default: `published`.
    #[serde(default)]
    pub releases: ReleasesFrom,
    /// Packages to which the other of the two applies. Default: none.
    #[serde(default)]
    pub except: Vec<String>,
}

impl UpstreamPolicy {
    /// What counts as a release of a package that is listed with `*release`.
    pub fn releases_of(&self, package: &str) -> ReleasesFrom {
        let excepted = self.except.iter().any(|name| name == package);
        match (self.releases, excepted) {
            (ReleasesFrom::Published, false) | (ReleasesFrom::Tags, true) => ReleasesFrom::Published,
            (ReleasesFrom::Tags, false) | (ReleasesFrom::Published, true) => ReleasesFrom::Tags,
        }
    }

    /// What confirms that a repository is gone.
    pub fn confirmation(&self) -> Confirmation {
        let time = SignedDuration::try_from(self.confirm_time.get()).unwrap_or(SignedDuration::MAX);
        Confirmation { looks: self.confirm_after, time }
    }
}

impl Default for UpstreamPolicy {
    fn default() -> Self {
        Self {
            confirm_after: default_confirm_after(),
            confirm_time: default_confirm_time(),
            deleted: DeletionPolicy::default(),
            propose_listing: default_propose_listing(),
            releases: ReleasesFrom::default(),
            except: Vec::new(),
        }
    }
}

/// How pull requests look.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PullRequestPolicy {
    /// Labels that every pull request gets. Default: none.
    #[serde(default)]
    pub labels: Vec<String>,
    /// What the names of the branches begin with. Default: `tidegate/`.
    #[serde(default = "default_branch_prefix")]
    #[schemars(extend("format" = "branch-prefix"))]
    pub branch_prefix: String,
    /// How many pull requests may be open at the same time; the rest wait for their turn. Default: 20.
    #[serde(default = "default_max_open")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_open: u32,
    /// How many pull requests may be opened within any hour; the rest wait for their turn. Default: 20.
    #[serde(default = "default_max_per_hour")]
    #[schemars(range(min = 1, max = 1000))]
    pub max_per_hour: u32,
    /// Whether pull requests are opened as drafts. Default: false.
    #[serde(default)]
    pub draft: bool,
    /// How GitHub merges a pull request by itself once everything that its branch requires is there: `merge`,
    /// `squash` or `rebase`. The repository has to allow auto-merge. Default: it does not.
    #[serde(default)]
    pub auto_merge: Option<MergeMethod>,
    /// Logins that are asked for a review of every pull request. Default: none.
    #[serde(default)]
    pub reviewers: Vec<String>,
    /// Teams of the repository's organisation, by their short names, that are asked too. Default: none.
    #[serde(default)]
    pub team_reviewers: Vec<String>,
    /// The label that a person gives a closed pull request to have the same proposed again.
    /// Default: `tidegate: propose again`.
    #[serde(default = "default_propose_again")]
    #[schemars(length(min = 1, max = 50))]
    pub propose_again: String,
}

impl Default for Policy {
    fn default() -> Self {
        Self {
            staging: StagingModel::default(),
            via: Via::default(),
            evidence: EvidencePolicy::default(),
            mass_change: default_mass_change(),
            confirm_after: default_confirm_after(),
            shrink: default_shrink(),
            config_json_days: default_config_json_days(),
            max_age: default_max_age(),
            checks: default_checks(),
            dependencies: DependencyRule::default(),
            withdrawn_bytes: WithdrawnBytes::default(),
            pull_request: PullRequestPolicy::default(),
            upstream: UpstreamPolicy::default(),
        }
    }
}

impl Default for PullRequestPolicy {
    fn default() -> Self {
        Self {
            labels: Vec::new(),
            branch_prefix: default_branch_prefix(),
            max_open: default_max_open(),
            max_per_hour: default_max_per_hour(),
            draft: false,
            auto_merge: None,
            reviewers: Vec::new(),
            team_reviewers: Vec::new(),
            propose_again: default_propose_again(),
        }
    }
}

fn default_mass_change() -> f64 {
    0.25
}

fn default_confirm_after() -> u32 {
    3
}

fn default_confirm_time() -> TextDuration {
    TextDuration::from_secs(24 * 60 * 60)
}

fn default_propose_listing() -> bool {
    true
}

fn default_shrink() -> f64 {
    0.2
}

fn default_config_json_days() -> u16 {
    7
}

fn default_max_age() -> TextDuration {
    TextDuration::from_secs(6 * 60 * 60)
}

fn default_checks() -> Vec<CheckedR> {
    vec![CheckedR::Release]
}

fn default_branch_prefix() -> String {
    "tidegate/".into()
}

fn default_max_open() -> u32 {
    20
}

fn default_max_per_hour() -> u32 {
    20
}

fn default_propose_again() -> String {
    "tidegate: propose again".into()
}
