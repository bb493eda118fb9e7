//! One binary for all integration tests: it links once. One module per topic.

mod command_line;
mod commands;
mod conda;
mod config;
mod control;
mod cran;
mod engine;
mod galaxy;
mod github_client;
mod migrations;
mod planner;
mod promotion;
mod publication;
mod rehearsal;
mod retention;
mod rules;
mod runner;
mod sample_jobs;
mod simulated_github;
mod store;
mod upstream;
mod web;
mod world;
