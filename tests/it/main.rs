//! One binary for all integration tests: it links once. One module per topic.

mod command_line;
mod config;
mod github_client;
mod world;
