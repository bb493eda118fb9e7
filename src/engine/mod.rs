//! Engines: where tests run. Each takes assignments, outlives a restart of the daemon, and tells how
//! they ended.
