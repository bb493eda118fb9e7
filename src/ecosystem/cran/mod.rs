//! R: DESCRIPTION and PACKAGES files, archives, R-universe, and the files of R-multiverse.
//!
//! From the outside in: [`universe`] and [`cran_index`] ask the network (through [`fetch`]), [`files`] and [`advisories`]
//! read repositories, [`archive`] and [`description`] look into packages, [`check_log`] into the logs of their
//! checks, [`index`] makes a folder of packages one that R can install from, and [`layout`] is where every
//! path is built.

pub mod advisories;
pub mod archive;
pub mod check_log;
pub mod cran_index;
pub mod dcf;
pub mod description;
pub mod fetch;
pub mod files;
pub mod index;
pub mod layout;
pub mod licence;
pub mod make;
pub mod universe;
