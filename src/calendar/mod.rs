//! Schedules, cycles, phases and milestones: every rule about *when*. Pure: no I/O and no clock,
//! all functions take the time they are about.

mod cycle;
mod missed;
mod schedule;
mod targets;

pub use cycle::{
    Calendar, CalendarFault, CalendarItem, CyclePoint, MilestoneRule, Offset, Phase, PhaseRule, Promote,
};
pub use missed::{CatchUp, Overlap};
pub use schedule::{Schedule, ScheduleError};
pub use targets::{RRelease, RTargets, Targets, TargetsError};
