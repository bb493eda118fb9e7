//! A world of conda packages on stage.
//!
//! Its archives are made when the rehearsal begins. Channels of others are folders below the output and not
//! a server: a test outlives the process that began it, and where the rehearsal is killed, the channels have
//! to be there for it. GitHub with the artifacts of workflows is served on loopback, and notices go over HTTP
//! to tidegate's own web server. What tidegate makes of it is summed up in `summary` and `report`.

mod channels;
mod relocated;
mod report;
mod scenery;
mod story;
mod summary;
mod trial;
mod visits;

pub(super) use scenery::CondaScenery;
pub use summary::{CondaSummary, MetapackageSummary, StateChange, Tests};

pub use super::world::CondaWorld;
