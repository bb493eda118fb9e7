//! The GitHub client against a server on loopback: what it asks, what it makes of answers, good and
//! bad, and that it keeps to GitHub's limits.

mod app;
mod artifacts;
mod dispatches;
mod issues;
mod limits;
mod reads;
mod server;
mod writes;

use tidegate::github::{Oid, RepositoryName};

fn repo(name: &str) -> RepositoryName {
    name.parse().unwrap()
}

fn oid(digit: &str) -> Oid {
    digit.repeat(40).parse().unwrap()
}
