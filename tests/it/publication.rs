//! Snapshots at targets beyond the published folder: registries, buckets and sites, with what goes over the line
//! counted, and with connections that end and programs that are killed at every step.

mod bucket;
mod catalogues;
mod commands;
mod gate;
mod job;
mod netlify;
mod oci;
mod registry;
mod site;
mod storage;
mod trees;
