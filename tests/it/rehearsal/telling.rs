//! The jobs that tell people, switched on in the bundled quarter of R-multiverse: what the simulated GitHub shows.

use std::collections::BTreeMap;

use tidegate::config::Configuration;
use tidegate::rehearse::github::event::Event;
use tidegate::rehearse::world::World;

use super::stage::{LeftBehind, TWICE_A_DAY, Way, configuration_texts, play};

/// A week into the time in which the dependency freeze of July is forecast.
const END: &str = "2026-06-22T08:00:00Z";

/// An issue as it stands in the end.
#[derive(Default)]
struct Told {
    title: String,
    body: String,
    comments: usize,
}

/// The issues of one repository, by number. Pull requests are counted with them.
fn issues(left: &LeftBehind, repository: &str) -> BTreeMap<u64, Told> {
    let journal = std::fs::read_to_string(left.0.join("world.jsonl")).unwrap();
    let (mut issues, mut last) = (BTreeMap::<u64, Told>::new(), 0);
    for line in journal.lines() {
        match serde_json::from_str(line).unwrap() {
            Event::PullOpened(new) if new.repository == repository => last += 1,
            Event::IssueOpened(new) if new.repository == repository => {
                last += 1;
                issues.insert(last, Told { title: new.title, body: new.body, comments: 0 });
            }
            Event::IssueEdited(edit) if edit.repository == repository => {
                let issue = issues.get_mut(&edit.number).unwrap();
                issue.title = edit.title.unwrap_or_else(|| std::mem::take(&mut issue.title));
                issue.body = edit.body.unwrap_or_else(|| std::mem::take(&mut issue.body));
            }
            Event::Commented { repository: at, number, .. } if at == repository => {
                // Pull requests have comments too.
                issues.get_mut(&number).into_iter().for_each(|issue| issue.comments += 1);
            }
            _ => {}
        }
    }
    issues
}

#[test]
fn the_quarter_has_one_dashboard_and_one_forecast() {
    let switched_on = configuration_texts(TWICE_A_DAY).into_iter().map(|(path, text)| {
        let tells = ["forecast.toml", "report.toml"].iter().any(|end| path.to_string_lossy().ends_with(end));
        // Facts of a look at noon or midnight count for six hours.
        let text = match tells {
            true => text.replace("enabled = false", "enabled = true").replace("47 6 * * *", "47 0 * * *"),
            false => text,
        };
        (path, text)
    });
    let configuration = Configuration::from_texts(switched_on.collect()).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("out");
    let outcome =
        play(World::bundled().unwrap(), configuration, &Way::SHIPPED.settings(&out, Some(END))).unwrap();
    assert_eq!(outcome.violations, Vec::<String>::new());
    let issues = issues(&LeftBehind(out), "r-multiverse/staging");
    let titles: Vec<&str> = issues.values().map(|issue| issue.title.as_str()).collect();
    assert_eq!(
        titles,
        [
            "R-multiverse: how staging stands",
            "R-multiverse: what the dependency freeze of 2026-07-15 would change"
        ]
    );
    assert!(issues.values().all(|issue| issue.comments == 0), "nobody is called");
    let bodies: Vec<&str> = issues.values().map(|issue| issue.body.as_str()).collect();
    insta::assert_snapshot!("the_dashboard_of_a_quarter", bodies[0]);
    insta::assert_snapshot!("the_forecast_of_a_freeze", bodies[1]);
}
