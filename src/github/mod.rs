//! GitHub: batched polls, pull requests, commits, workflow runs and rate limits. Only this room knows octocrab.
