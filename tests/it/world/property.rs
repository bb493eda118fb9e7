//! Whatever is recorded in whatever order, the indexed playback says what reading every row says.

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;
use tidegate::rehearse::world::{Building, EvidenceRow, Seen, World};

use super::folder::{Folder, alpha, commit, row, time};

/// Minute, universe, commit and kind of a row.
type Written = (u16, bool, u8, u8);

const CHANNELS: [&str; 2] = ["community", "staging"];

fn at(minute: u16) -> Timestamp {
    time("2026-04-15T00:00:00Z") + SignedDuration::from_mins(i64::from(minute))
}

fn evidence(mut rows: Vec<Written>) -> String {
    rows.sort();
    rows.dedup_by_key(|(minute, staging, ..)| (*minute, *staging));
    let written = rows.into_iter().map(|(minute, staging, digit, kind)| {
        let (time, channel) = (at(minute).to_string(), CHANNELS[usize::from(staging)]);
        let digit = char::from(b'1' + digit);
        match kind {
            0 => format!("{{\"at\": \"{time}\", \"universe\": \"{channel}\", \"package\": \"alpha\", \"gone\": true}}\n"),
            1 => row(&time, channel, digit, ", \"building\": \"recent\""),
            _ => row(&time, channel, digit, &format!(", \"remotes\": [\"a/b{kind}\"]")),
        }
    });
    written.collect()
}

/// The last row that `wanted` picks, found by reading all of them.
fn last(world: &World, at: Timestamp, wanted: impl Fn(&EvidenceRow) -> bool) -> Option<&EvidenceRow> {
    world.evidence.iter().rfind(|row| row.at <= at && wanted(row))
}

/// The rules once more: gone?, remotes, building.
fn by_reading(
    world: &World,
    channel: &str,
    commit: &str,
    at: Timestamp,
) -> (bool, Vec<String>, Option<bool>) {
    let newest = |channel: &str| last(world, at, |row| row.universe == channel);
    if newest(channel).is_some_and(|row| row.seen.is_none()) {
        return (true, Vec::new(), None);
    }
    let other = CHANNELS[usize::from(channel == CHANNELS[0])];
    let is_about = |seen: &Option<Seen>| seen.as_ref().is_some_and(|seen| seen.commit == commit);
    let found = [channel, other]
        .into_iter()
        .find_map(|channel| last(world, at, |row| row.universe == channel && is_about(&row.seen)));
    let Some(found) = found else { return (false, Vec::new(), Some(true)) };
    let seen = found.seen.as_ref().unwrap();
    let is_newest = newest(&found.universe).is_some_and(|row| is_about(&row.seen));
    let building = (seen.building.is_some() && is_newest).then_some(false);
    (false, seen.remotes.clone(), building)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn the_index_says_what_reading_every_row_says(
        rows in prop::collection::vec((0..300_u16, any::<bool>(), 0..3_u8, 0..5_u8), 0..25),
        questions in prop::collection::vec((0..320_u16, any::<bool>(), 0..4_u8), 1..20),
    ) {
        let playback = Folder::new().with("evidence.jsonl", evidence(rows)).playback();
        for (minute, staging, digit) in questions {
            let channel = CHANNELS[usize::from(staging)];
            let commit = commit(char::from(b'1' + digit));
            let listings = [alpha(&commit)];
            let said = playback.rows(channel, &listings, at(minute))[0];
            let not_built_yet = said.building.map(|building| building == Building::NotBuiltYet);
            prop_assert_eq!(
                (said.gone, said.remotes.to_vec(), not_built_yet),
                by_reading(playback.world(), channel, &commit, at(minute))
            );
        }
    }
}
