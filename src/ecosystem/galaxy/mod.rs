//! Galaxy: suites as the files of repositories of tools describe them, and what a suite holds in the end.
//!
//! A suite is a repository with `repository_dependencies.xml`, or a `.shed.yml` from which planemo makes one.
//! Neither pins much: what a file leaves open stays open here, and is said.

mod destructure;
mod lock;
mod problem;
mod repository;
mod repository_dependencies;
mod shed_yml;
mod shelf;
mod text;
mod tools;

pub use destructure::destructure;
pub use lock::Lock;
pub use problem::SuiteProblem;
pub use repository::{Repository, Required};
pub use shelf::{Shelf, Suite, is_suite_source};
