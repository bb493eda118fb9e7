//! `tidegate.toml`: what belongs to the machine, not to a distribution.

use std::net::SocketAddr;
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::secret::SecretSource;
use super::targets::Publish;
use super::text_duration::TextDuration;
use crate::engine::sandbox::Sandbox;
use crate::github::RepositoryName;

/// The settings of one tidegate: `tidegate.toml`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Settings {
    /// The folder that holds the database and the stored artifacts. A relative path begins at the folder
    /// of this file. Default: `/var/lib/tidegate`.
    #[serde(default = "default_state")]
    pub state: PathBuf,
    /// The folder that holds the job files. A relative path begins at the folder of this file. Default:
    /// `../jobs`.
    #[serde(default = "default_jobs")]
    pub jobs: PathBuf,
    /// How GitHub is reached.
    #[serde(default)]
    pub github: GitHub,
    /// Where snapshots are published. Needed as soon as a channel has `publish = "directory"`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub publish: Option<Publish>,
    /// The web server of the daemon: notices of builds come in by it, and the published folder goes out.
    /// Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub web: Option<Web>,
    /// Who may tell of what happened to whole distributions.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intake: Option<IntakeAccess>,
    /// Where tests run.
    #[serde(default)]
    pub engine: Engines,
    /// How the daemon behaves.
    #[serde(default)]
    pub daemon: Daemon,
    /// How long history is kept.
    #[serde(default)]
    pub retention: Retention,
}

/// How GitHub is reached.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitHub {
    /// The address of the REST API, without a `/` at the end; GraphQL lies under it at `graphql`. Default:
    /// `https://api.github.com`.
    #[serde(default = "default_api")]
    #[schemars(extend("format" = "uri"))]
    pub api: String,
    /// Where the token is read from. No job runs without one, or without `app`: GitHub's GraphQL API answers nobody
    /// who brings no token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<SecretSource>,
    /// The GitHub App that tidegate is, in place of a token.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub app: Option<GitHubApp>,
    /// How long one request may take. Default: `30s`.
    #[serde(default = "default_timeout")]
    pub timeout: TextDuration,
}

/// A GitHub App. It gets a token of GitHub for an hour, again and again, and writes as `<slug>[bot]`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitHubApp {
    /// The number of the App, as its settings on GitHub show it.
    #[schemars(range(min = 1))]
    pub id: u64,
    /// Where its private key is read from: the `.pem` file as GitHub gave it.
    pub private_key: SecretSource,
    /// The number of the installation. Default: GitHub is asked; the App has to be installed in exactly one place.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub installation: Option<u64>,
}

/// The web server of the daemon.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Web {
    /// The address and port that it listens on, such as `127.0.0.1:8080`. It speaks plain HTTP: before any
    /// address but loopback belongs a proxy that speaks TLS, since tokens come with the notices.
    #[schemars(with = "String", extend("format" = "socket-address"))]
    pub listen: SocketAddr,
}

/// Who may send notices of the kinds `stage` and `pass`, which are about whole distributions. Notices of
/// builds have a token for each package, in the distribution's file.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntakeAccess {
    /// SHA-256 of the token, as `tidegate token new` prints it.
    #[schemars(extend("format" = "sha256"))]
    pub token_sha256: String,
}

/// Where tests run. A job names one of these.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Engines {
    /// This machine.
    #[serde(default)]
    pub local: LocalEngine,
    /// A Slurm cluster. Needed as soon as a job names the engine `slurm`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub slurm: Option<SlurmCluster>,
    /// Runs of a workflow of GitHub Actions. Needed as soon as a job names the engine `github-actions`.
    #[serde(rename = "github-actions", skip_serializing_if = "Option::is_none")]
    pub github_actions: Option<GitHubActions>,
}

/// Tests as processes of this machine.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LocalEngine {
    /// How many tests run at the same time, whatever jobs ask for. Default: 2.
    #[serde(default = "default_workers")]
    #[schemars(range(min = 1, max = 256))]
    pub workers: u32,
    /// How tests are kept apart from the machine. Default: `bubblewrap`.
    #[serde(default)]
    pub sandbox: Sandbox,
    /// The socket that starts a worker under systemd, such as `/run/tidegate/worker.socket`. Default: none;
    /// workers are processes of the daemon's own unit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub socket: Option<PathBuf>,
}

/// Tests as jobs of a Slurm cluster.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SlurmCluster {
    /// The folder for assignments, at the same path here and on every node. A relative path begins at the
    /// folder of this file.
    pub folder: PathBuf,
    /// tidegate on the nodes, such as `/usr/bin/tidegate`.
    pub program: PathBuf,
    /// The platform of the nodes. Default: `linux-64`.
    #[serde(default = "default_platform")]
    #[schemars(extend("format" = "conda-platform"))]
    pub platform: String,
    /// How tests are kept apart from the node. Default: `bubblewrap`.
    #[serde(default)]
    pub sandbox: Sandbox,
    /// The folder for fetched packages on the nodes; one of each node will do. Default: `packages` in `folder`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cache: Option<PathBuf>,
    /// The partition. Default: the cluster's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<String>,
    /// The account that is charged. Default: the user's own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub account: Option<String>,
    /// The most tests that are submitted as one job array; 1 makes each a job of its own. At most the cluster's own
    /// `MaxArraySize` less 1. Default: 1000.
    #[serde(default = "default_array_size")]
    #[schemars(range(min = 1, max = 100_000))]
    pub array_size: u32,
    /// The most tests of one array that run at the same time, as `%` in `sbatch --array` says. Default: as many as there
    /// is room for.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 100_000))]
    pub array_running: Option<u32>,
    /// Further arguments of `sbatch`. Default: none.
    #[serde(default)]
    pub arguments: Vec<String>,
    /// `slurm.conf`. Default: where Slurm looks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration: Option<PathBuf>,
}

/// Tests as runs of a workflow of GitHub Actions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct GitHubActions {
    /// The repository whose workflow runs, as `owner/name`.
    #[schemars(with = "String", extend("format" = "repository"))]
    pub repository: RepositoryName,
    /// The file of the workflow below `.github/workflows`. Default: `tidegate-test.yml`.
    #[serde(default = "default_workflow")]
    #[schemars(extend("format" = "workflow-file"))]
    pub workflow: String,
    /// The branch whose file of the workflow runs. Default: `main`.
    #[serde(default = "default_branch")]
    #[schemars(extend("format" = "branch"))]
    pub branch: String,
    /// The platform of its runners. Default: `linux-64`.
    #[serde(default = "default_platform")]
    #[schemars(extend("format" = "conda-platform"))]
    pub platform: String,
    /// How many runs go on at the same time, whatever jobs ask for. Default: 20.
    #[serde(default = "default_most_runs")]
    #[schemars(range(min = 1, max = 256))]
    pub most: u32,
    /// How often GitHub is asked how far the runs are. Default: `20s`.
    #[serde(default = "default_interval")]
    pub interval: TextDuration,
    /// Where runners find the channels that are folders of this machine. Default: nowhere.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub served: Vec<ServedFolder>,
}

/// A folder of channels that a web server shows to runners.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ServedFolder {
    /// The folder. A relative path begins at the folder of this file.
    pub folder: PathBuf,
    /// The address at which the same files lie, without a `/` at the end.
    #[schemars(extend("format" = "uri"))]
    pub address: String,
}

/// How the daemon behaves.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Daemon {
    /// How long running jobs may go on after the daemon was asked to stop. Default: `60s`.
    #[serde(default = "default_stop_within")]
    pub stop_within: TextDuration,
    /// How often the planner wakes and looks for due occurrences. Default: `10s`.
    #[serde(default = "default_heartbeat")]
    pub heartbeat: TextDuration,
    /// How many runs may go on at the same time. Default: 4.
    #[serde(default = "default_concurrent_runs")]
    #[schemars(range(min = 1, max = 64))]
    pub concurrent_runs: u8,
}

/// How long history is kept. What a snapshot or an open action needs is kept for good.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Retention {
    /// The age at which runs with their observations, plans and logs are deleted. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub runs: Option<TextDuration>,
    /// The age from which on the binaries of a snapshot are not kept in the store of files any more. Sources stay for
    /// good, and so does what is published. Default: never.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub binaries: Option<TextDuration>,
}

impl Default for GitHub {
    fn default() -> Self {
        Self { api: default_api(), token: None, app: None, timeout: default_timeout() }
    }
}

impl Default for LocalEngine {
    fn default() -> Self {
        Self { workers: default_workers(), sandbox: Sandbox::default(), socket: None }
    }
}

impl Default for Daemon {
    fn default() -> Self {
        Self {
            stop_within: default_stop_within(),
            heartbeat: default_heartbeat(),
            concurrent_runs: default_concurrent_runs(),
        }
    }
}

fn default_state() -> PathBuf {
    "/var/lib/tidegate".into()
}

fn default_jobs() -> PathBuf {
    "../jobs".into()
}

fn default_api() -> String {
    "https://api.github.com".into()
}

fn default_timeout() -> TextDuration {
    TextDuration::from_secs(30)
}

fn default_workers() -> u32 {
    2
}

fn default_platform() -> String {
    "linux-64".into()
}

fn default_array_size() -> u32 {
    1000
}

fn default_workflow() -> String {
    "tidegate-test.yml".into()
}

fn default_branch() -> String {
    "main".into()
}

fn default_most_runs() -> u32 {
    20
}

fn default_interval() -> TextDuration {
    TextDuration::from_secs(20)
}

fn default_stop_within() -> TextDuration {
    TextDuration::from_secs(60)
}

fn default_heartbeat() -> TextDuration {
    TextDuration::from_secs(10)
}

fn default_concurrent_runs() -> u8 {
    4
}
