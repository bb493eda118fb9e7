//! The files in which QIIME 2 keeps its distributions: read as they are written, and written as its own
//! tools write them.
//!
//! | file | what it holds |
//! |---|---|
//! | `build_config` | `conda_build_config.yaml`: one version or spec for each package |
//! | `distribution_data` | `data.yaml` of a distribution: its members, its ignore list, its version |
//! | `seed_environment` | `seed-environment-conda.yml`: the successor of the first |
//! | `catalogue` | `data.yaml` of all distributions: epochs, packages and who is in which |
//! | `kind`, `places`, `inspection` | which of them one is, and what is wrong in it, with the place |
//! | `yaml` | the part of YAML that they are written in |

pub mod build_config;
pub mod catalogue;
pub mod distribution_data;
pub mod inspection;
pub mod kind;
mod places;
pub mod seed_environment;
pub mod yaml;
