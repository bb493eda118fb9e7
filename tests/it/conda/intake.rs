//! New builds of conda packages: told of by notices or dropped into a folder, fetched, checked and published.

mod builds;
mod crashes;
mod dropped;
mod refusals;
mod scene;
