//! The rules: pure functions from stored facts to verdicts and plans. No I/O, no clock, no
//! randomness; the same input gives the same output, in whatever order the input came.
//!
//! | file | the question it answers |
//! |---|---|
//! | `admission` | which new builds are whole, and which have waited too long? |
//! | `build_config` | how does an integration repository learn of a metapackage? |
//! | `channel_files` | what do the files of a channel say anew, and when does `config.json` go? |
//! | `channel_report` | who is told of how a channel of R packages stands, and of what? |
//! | `culprit` | which change of its environment turned a package red? |
//! | `forecast` | what would the next dependency freeze change if it began today? |
//! | `integrate` | which builds does a metapackage take next, and is it time? |
//! | `latest` | which snapshot does `latest` show? |
//! | `ledger` | did a package's version go down, or come again from another commit? |
//! | `status` | what speaks against each package of a channel? |
//! | `own_check` | which R packages are checked once more, and what does that clear? |
//! | `exceptions` | does an exception still count? |
//! | `guard` | is a sudden change of many packages believable? |
//! | `look` | what does one look at a channel come to, with the guard and what was known before? |
//! | `stage` | which packages does the candidate freeze of the `follow` model pin? |
//! | `promote` | what may move into a channel now, and how? |
//! | `publication` | when is a publication that failed tried again? |
//! | `recheck` | which members of a metapackage need a test, and may it pass? |
//! | `report` | when are people called, and for what? |
//! | `retention` | which kept files stay? |
//! | `recheck_report` | what is told of a recheck, to whom? |
//! | `snapshot` | what is part of the snapshot, and why is the rest not? |
//! | `standing` | what is known of the revision that a channel holds? |
//! | `upstream` | where does a repository stand, and which of its releases counts? |
//! | `words`, `conda_words`, `event_words`, `pieces` | how does what was found and done read? |

pub mod admission;
mod beside;
pub mod build_config;
pub mod channel_files;
pub mod channel_report;
pub mod conda_words;
pub mod culprit;
pub mod event_words;
pub mod exceptions;
pub mod forecast;
pub mod guard;
pub mod integrate;
pub mod latest;
pub mod ledger;
pub mod look;
pub mod own_check;
mod pieces;
pub mod promote;
pub mod publication;
pub mod recheck;
pub mod recheck_report;
pub mod report;
pub mod retention;
pub mod snapshot;
pub mod stage;
mod standing;
pub mod status;
pub mod upstream;
pub mod words;
