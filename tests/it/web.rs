//! The web server of the daemon: notices that workflows send, and the published folder.

mod daemon;
mod files;
mod health;
mod notices;
mod place;
