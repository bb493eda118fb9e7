//! One binary for all integration tests: it links once. One module per topic.

mod simulated_github;
