//! The states of a Slurm job, as far as they differ here.

/// What Slurm says of a job.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JobState {
    /// It has not begun.
    Waiting,
    /// It runs, or is being put away.
    Running,
    /// Slurm ended it at its time limit.
    TimedOut,
    /// Slurm ended it at its memory limit.
    OutOfMemory,
    /// It ended in the way that this word of Slurm's says.
    Ended(String),
    /// Slurm knows nothing of it any more.
    Forgotten,
}

impl JobState {
    /// Reads a long state of `squeue`, `sacct` or `scontrol` (their manual pages, "JOB STATE CODES").
    /// Words that are not known count as running: the next look tells.
    pub fn from_slurm(word: &str) -> Self {
        match word.trim().trim_end_matches('+') {
            "PENDING" | "CONFIGURING" | "REQUEUED" | "REQUEUE_FED" | "REQUEUE_HOLD" | "RESV_DEL_HOLD"
            | "SPECIAL_EXIT" => Self::Waiting,
            "TIMEOUT" => Self::TimedOut,
            "OUT_OF_MEMORY" => Self::OutOfMemory,
            ended @ ("COMPLETED" | "FAILED" | "CANCELLED" | "NODE_FAIL" | "BOOT_FAIL" | "PREEMPTED"
            | "REVOKED" | "DEADLINE") => Self::Ended(ended.to_owned()),
            _ => Self::Running,
        }
    }

    /// True where it will not go on.
    pub fn has_ended(&self) -> bool {
        !matches!(self, Self::Waiting | Self::Running)
    }

    /// Why nothing is known of what a job without a report did.
    pub(super) fn why_lost(&self, job: &str) -> String {
        match self {
            Self::Ended(word) => match word.as_str() {
                "CANCELLED" => format!("job {job} was cancelled in Slurm"),
                "COMPLETED" | "FAILED" => {
                    format!(
                        "Slurm says {word} of job {job}, but it left no report; see slurm.log in its folder"
                    )
                }
                word => format!("Slurm ended job {job} with {word}, which says nothing of the tests"),
            },
            _ => format!("Slurm does not know job {job} any more, and it left no report"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::JobState;

    #[test]
    fn states_are_told_apart_as_far_as_they_differ() {
        let cases = [
            ("PENDING", JobState::Waiting),
            ("RUNNING", JobState::Running),
            ("COMPLETING", JobState::Running),
            ("CANCELLED+", JobState::Ended("CANCELLED".into())),
            ("NODE_FAIL", JobState::Ended("NODE_FAIL".into())),
            ("TIMEOUT", JobState::TimedOut),
            ("OUT_OF_MEMORY", JobState::OutOfMemory),
            ("A_LATER_STATE", JobState::Running),
        ];
        for (word, state) in cases {
            assert_eq!(JobState::from_slurm(word), state, "{word}");
        }
    }

    #[test]
    fn what_is_lost_is_told_in_words_that_say_whose_doing_it_was() {
        let states = ["PREEMPTED", "FAILED", "CANCELLED"].map(JobState::from_slurm);
        let told: Vec<String> =
            states.iter().chain([&JobState::Forgotten]).map(|state| state.why_lost("7")).collect();
        insta::assert_snapshot!(told.join("\n"), @r"
        Slurm ended job 7 with PREEMPTED, which says nothing of the tests
        Slurm says FAILED of job 7, but it left no report; see slurm.log in its folder
        job 7 was cancelled in Slurm
        Slurm does not know job 7 any more, and it left no report
        ");
    }
}
