//! The life of pull requests for R packages, against a simulated GitHub: scripted histories, each with the right
//! end, nothing twice, and a last pass that writes nothing.

mod exceptions;
mod histories;
mod lost;
mod others;
mod scene;
mod settings;
