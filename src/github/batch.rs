//! Many small questions in few GraphQL queries: one alias for each, batches that shrink where GitHub
//! cannot answer them in time and grow again, and an answer of its own for each question.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};

use futures_util::future::join_all;
use serde_json::{Map, Value};

use super::client::GitHub;
use super::graphql::GraphQlAnswer;
use super::limits::Priority;
use super::transport::Unanswered;
use super::{Absence, Lookup};
use crate::failure::Failure;

/// Queries under way at once. GitHub grants 60 seconds of GraphQL computing per minute, so more would
/// not be answered sooner for long.
const AT_ONCE: usize = 4;
/// So many lone questions in a row that nobody answers mean that GitHub is down, not that they are hard.
const HOPELESS: u32 = 3;

/// A kind of question that can be put many at a time.
pub(super) trait Question: Sync {
    /// What is asked about.
    type Key: Ord + Clone + Send;
    /// What is learnt.
    type Found: Send;

    /// The query for `keys`, with the alias of [`alias`] for each, and its variables.
    fn query(&self, keys: &[Self::Key]) -> (String, Map<String, Value>);
    /// What is asked about, for messages.
    fn about(&self, key: &Self::Key) -> String;
    /// Reads what stands at the alias of `key`, which is not null.
    fn read(&self, key: &Self::Key, node: Value) -> Lookup<Self::Found>;
    /// The last resort for a question that failed with `failure` even alone.
    fn alone(
        &self,
        github: &GitHub,
        key: &Self::Key,
        failure: Failure,
    ) -> impl Future<Output = Lookup<Self::Found>> + Send;
}

/// The alias of the question at `index` of a query.
pub(super) fn alias(index: usize) -> String {
    format!("a{index}")
}

/// Asks `question` about all of `keys`, up to `largest` at a time. Each key gets its own answer; where
/// GitHub cannot be asked any more, the keys that are left have failed. Only a
/// [`Failure::Configuration`] ends it all.
pub(super) async fn ask_in_batches<Q: Question>(
    github: &GitHub,
    question: &Q,
    keys: BTreeSet<Q::Key>,
    largest: usize,
) -> Result<BTreeMap<Q::Key, Lookup<Q::Found>>, Failure> {
    let largest = largest.clamp(1, 100);
    let sweep = Mutex::new(Sweep {
        waiting: keys.into_iter().collect(),
        halves: Vec::new(),
        size: largest,
        largest,
        answers: BTreeMap::new(),
        failed_alone: 0,
        stopped: None,
    });
    join_all((0..AT_ONCE).map(|_| work(github, question, &sweep))).await;
    let sweep = sweep.into_inner().unwrap_or_else(PoisonError::into_inner);
    match sweep.stopped {
        Some(failure @ Failure::Configuration { .. }) => Err(failure),
        _ => Ok(sweep.answers),
    }
}

struct Sweep<K, T> {
    waiting: VecDeque<K>,
    /// Halves of batches that were too much: asked before anything new.
    halves: Vec<Vec<K>>,
    size: usize,
    largest: usize,
    answers: BTreeMap<K, Lookup<T>>,
    failed_alone: u32,
    stopped: Option<Failure>,
}

impl<K: Ord + Clone, T> Sweep<K, T> {
    fn next(&mut self) -> Option<Vec<K>> {
        self.halves.pop().or_else(|| {
            let count = self.size.min(self.waiting.len());
            (count > 0).then(|| self.waiting.drain(..count).collect())
        })
    }

    fn worked(&mut self, count: usize) {
        self.failed_alone = 0;
        if count >= self.size {
            self.size = (self.size * 2).min(self.largest);
        }
    }

    fn halve(&mut self, mut batch: Vec<K>) {
        self.size = self.size.min((batch.len() / 2).max(1));
        let second = batch.split_off(batch.len() / 2);
        self.halves.extend([second, batch].into_iter().filter(|half| !half.is_empty()));
    }

    /// Nothing more can be asked: whatever has no answer has failed.
    fn stop(&mut self, batch: Vec<K>, failure: Failure) {
        let left = batch.into_iter().chain(self.halves.drain(..).flatten()).chain(self.waiting.drain(..));
        for key in left {
            self.answers.insert(key, Lookup::Failed(failure.clone()));
        }
        self.stopped = Some(failure);
    }
}

fn locked<K, T>(sweep: &Mutex<Sweep<K, T>>) -> MutexGuard<'_, Sweep<K, T>> {
    sweep.lock().unwrap_or_else(PoisonError::into_inner)
}

async fn work<Q: Question>(github: &GitHub, question: &Q, sweep: &Mutex<Sweep<Q::Key, Q::Found>>) {
    loop {
        let Some(batch) = locked(sweep).next() else { return };
        match ask(github, question, &batch).await {
            Ok(answer) => {
                let too_much = read(question, &batch, answer, sweep);
                match too_much.as_slice() {
                    [] => {}
                    [key] if batch.len() == 1 => {
                        let failure = Failure::transient(format!("{}: too much", question.about(key)));
                        ask_alone(github, question, key, failure, sweep).await;
                    }
                    _ => locked(sweep).halve(too_much),
                }
            }
            Err(Unanswered::TooMuch(failure)) => match batch.as_slice() {
                [key] => ask_alone(github, question, key, failure, sweep).await,
                _ => locked(sweep).halve(batch),
            },
            Err(Unanswered::Broken(failure)) => locked(sweep).stop(batch, failure),
        }
    }
}

async fn ask<Q: Question>(
    github: &GitHub,
    question: &Q,
    batch: &[Q::Key],
) -> Result<GraphQlAnswer, Unanswered> {
    let (query, variables) = question.query(batch);
    let answer = github.ask(&query, Value::Object(variables), Priority::Poll).await?;
    if answer.data.is_null() {
        let message =
            format!("a query about {} things failed as a whole: {}", batch.len(), answer.messages());
        return Err(Unanswered::TooMuch(Failure::transient(message)));
    }
    Ok(answer)
}

/// Stores the answer for each key; returns the keys that may be answered in a smaller batch.
fn read<Q: Question>(
    question: &Q,
    batch: &[Q::Key],
    mut answer: GraphQlAnswer,
    sweep: &Mutex<Sweep<Q::Key, Q::Found>>,
) -> Vec<Q::Key> {
    let (mut found, mut too_much) = (Vec::new(), Vec::new());
    for (index, key) in batch.iter().enumerate() {
        let alias = alias(index);
        let about = || question.about(key);
        // A null may stand at the alias or at a field below it: an error anywhere below counts.
        let lookup = match answer.error_at(&alias) {
            Some(error) if error.is_too_much() => {
                too_much.push(key.clone());
                continue;
            }
            Some(error) if error.is_not_found() => Lookup::Absent { reason: Absence::NotFound },
            Some(error) => Lookup::Failed(error.failure(&about())),
            None => match answer.data.get_mut(&alias).map(Value::take) {
                None | Some(Value::Null) => {
                    Lookup::Failed(Failure::permanent(format!("{}: GitHub answered nothing", about())))
                }
                Some(node) => question.read(key, node),
            },
        };
        found.push((key.clone(), lookup));
    }
    let mut sweep = locked(sweep);
    if too_much.is_empty() {
        sweep.worked(batch.len());
    }
    sweep.answers.extend(found);
    too_much
}

async fn ask_alone<Q: Question>(
    github: &GitHub,
    question: &Q,
    key: &Q::Key,
    failure: Failure,
    sweep: &Mutex<Sweep<Q::Key, Q::Found>>,
) {
    let lookup = question.alone(github, key, failure).await;
    let mut sweep = locked(sweep);
    let given_up = match &lookup {
        Lookup::Failed(failure) if failure.is_transient() => {
            sweep.failed_alone += 1;
            (sweep.failed_alone >= HOPELESS).then(|| failure.clone())
        }
        // An answer, although not the one hoped for: GitHub is there.
        Lookup::Failed(_) | Lookup::Found(_) | Lookup::Absent { .. } => {
            sweep.failed_alone = 0;
            None
        }
    };
    sweep.answers.insert(key.clone(), lookup);
    if let Some(failure) = given_up {
        sweep.stop(Vec::new(), failure);
    }
}
