//! Schedules, cycles, phases and milestones: every rule about *when*. Pure: no I/O and no clock,
//! all functions take the time they are about.

mod schedule;

pub use schedule::{Schedule, ScheduleError};
