//! What operators write: `tidegate.toml`, distributions, exceptions and jobs. Files are parsed with the
//! place of every value, checked alone and against each other, and resolved to plain types; every
//! mistake in every file is shown in one run.
//!
//! The way of a file: `files` reads it, `document` parses it, `inspect` holds it against the JSON Schema
//! of its type, `cross` against the other files, and `configuration` makes the typed values.

mod conda;
mod configuration;
mod cross;
mod cross_conda;
mod cross_jobs;
mod cross_targets;
mod diagnostic;
mod distribution;
mod document;
mod files;
mod forecast;
mod format;
mod inspect;
mod job;
mod jobs;
mod nearest;
mod policy;
mod r_files;
mod recheck;
mod recheck_r;
mod report;
mod reports_r;
mod schema;
mod secret;
mod settings;
mod shipped;
mod signing;
mod targets;
mod template;
mod text_duration;

pub use conda::{CondaChannel, CondaDistribution, CondaPackage, Reports};
pub use configuration::Configuration;
pub(crate) use diagnostic::Finding;
pub use diagnostic::{Colour, Diagnostic};
pub use distribution::{
    AdvisorySource, Channel, ChannelHome, Distribution, Ecosystem, Exception, PublishTarget, Universe,
};
pub use forecast::Forecast;
pub use job::{Job, Retry, When};
pub use jobs::{
    CheckStatus, EngineKind, Intake, Integrate, IntegrationRepository, JobKind, PollReleases, Promote,
    Publish as PublishJob, Snapshot, WriteStatus,
};
pub use policy::{Policy, PullRequestPolicy, UpstreamPolicy};
pub use r_files::{Binaries, FetchBy, KeptFor};
pub use recheck::Recheck;
pub use recheck_r::{Only, RecheckR};
pub use report::Report;
pub use reports_r::{Maintainers, ReportsR};
pub use schema::{schema, schema_names};
pub use secret::SecretSource;
pub use settings::{
    Daemon, Engines, GitHub, GitHubActions, IntakeAccess, LocalEngine, Retention, ServedFolder, Settings,
    SlurmCluster, Web,
};
pub use shipped::{shipped, shipped_texts};
pub use signing::{Signing, SigningKey};
pub use targets::{NetlifySite, ObjectStorage, OciRegistry, Publish};
pub use template::{CommandFields, CommandWord};
pub use text_duration::TextDuration;

pub(crate) use nearest::{listed, nearest};
