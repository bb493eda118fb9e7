//! How the timeline reads: each event as one clause without its time, for `events`, for a rehearsal and for its
//! report. It also says which packages an event is about.
//!
//! Events are kept for good, so every field may be missing that an older version did not write.

use std::collections::BTreeSet;

use serde_json::Value;

use super::conda_words::{self, Joint};
use super::words::{counted, listed};
use crate::domain::{HeldChange, TestVerdict};

/// Every kind of event, in the order of the alphabet.
pub const KINDS: [&str; 28] = [
    "admitted",
    "commit",
    "conflict",
    "culprit",
    "culprit-wish",
    "expired",
    "guard-confirmed",
    "latest",
    "metapackage",
    "own-check",
    "passed",
    "phase",
    "publication",
    "pull-request",
    "recheck",
    "refused",
    "reinstated",
    "release",
    "removal",
    "report",
    "snapshot",
    "snapshot-withdrawn",
    "staged",
    "told-passed",
    "told-staged",
    "upstream",
    "warning",
    "withdrawn",
];

/// An event, as far as its words depend on it.
#[derive(Clone, Copy, Debug)]
pub struct Event<'e> {
    kind: &'e str,
    package: Option<&'e str>,
    body: &'e Value,
}

impl<'e> Event<'e> {
    /// An event of that kind, about a package where it is about one, with its details.
    pub fn new(kind: &'e str, package: Option<&'e str>, body: &'e Value) -> Self {
        Self { kind, package, body }
    }

    /// The event as one clause.
    pub fn told(&self) -> String {
        let package = self.package.unwrap_or("an archive");
        let version = self.text("version");
        match self.kind {
            "admitted" => format!("{package} {version} came in{}", self.channel_it_is_in()),
            "commit" => format!("committed to {}: {}", self.text("repository"), self.text("title")),
            "conflict" => self.conflict(package),
            "culprit" => format!("{package} {version}: {}", self.fault()),
            "culprit-wish" => self.culprit_wish(package),
            "expired" => {
                format!("{package} {version} was given up: {}{}", self.text("why"), self.what_to_do())
            }
            "guard-confirmed" => self.guard_confirmed(),
            "latest" => format!(
                "{} let latest show the snapshot {}: {}",
                self.text("by"),
                self.text("to"),
                self.text("reason")
            ),
            "metapackage" => format!("{package} {version} holds {} members", self.number("members")),
            "own-check" => self.own_check(package),
            "passed" => format!("{package} {version} has passed"),
            "phase" => format!("{} begins", self.text("phase")),
            "publication" => self.publication(),
            "pull-request" => self.pull_request(),
            "recheck" => self.recheck(package),
            "refused" => self.refused(),
            "reinstated" | "withdrawn" => self.taken_out_or_put_back(),
            "release" => format!("{package} {version} was released"),
            "removal" => self.removal(package),
            "report" => format!(
                "the report on {} was not taken by {}: {}; it is asked again once there is something new to \
                 tell, or after a week",
                self.package.unwrap_or("the distribution"),
                self.text("repository"),
                self.text("refused")
            ),
            "snapshot" => format!(
                "the snapshot of {} is published: {} packages, {} left out",
                self.text("date"),
                self.number("packages"),
                self.number("left_out")
            ),
            "snapshot-withdrawn" => self.withdrawn_from_snapshots(),
            "staged" => format!("{package} {version} is staged at {}", short(self.text("commit"))),
            "told-passed" => self.told_by_another("passed"),
            "told-staged" => self.told_by_another("was staged"),
            "upstream" => format!("upstream of {package}: {}", self.text("what")),
            "warning" => format!(
                "{} of pull request #{} was refused: {}",
                self.text("refused"),
                self.number("number"),
                self.text("message")
            ),
            other => match self.package {
                Some(package) => format!("{other}: {package}"),
                None => other.to_owned(),
            },
        }
    }

    /// Every package that the event names: the one it is about, and those in its lists.
    pub fn packages(&self) -> BTreeSet<&'e str> {
        let mut names = BTreeSet::from_iter(self.package);
        names.extend(texts(&self.body["packages"]));
        // Of the files of a conda channel, `name-version-build.conda`.
        let files = self.body["files"].as_array().map(Vec::as_slice).unwrap_or_default();
        names.extend(files.iter().filter_map(|file| package_of(file["file_name"].as_str()?)));
        if self.kind == "conflict" {
            let platforms = self.body.as_object().into_iter().flat_map(|body| body.values());
            names.extend(platforms.flat_map(|one| texts(&one["at_fault"])).map(name_of));
        }
        names
    }

    fn text(&self, key: &str) -> &str {
        self.body[key].as_str().unwrap_or_default()
    }

    fn number(&self, key: &str) -> u64 {
        self.body[key].as_u64().unwrap_or_default()
    }

    /// What people have to do, where the event says so.
    fn what_to_do(&self) -> String {
        match self.text("do") {
            "" => String::new(),
            what => format!("; to do: {what}"),
        }
    }

    fn channel_it_is_in(&self) -> String {
        match self.text("channel") {
            "" => String::new(),
            channel => format!(" and is in {channel}"),
        }
    }

    /// A package that leaves the channels on request, or may come back.
    fn removal(&self, package: &str) -> String {
        let (by, reason) = (self.text("by"), self.text("reason"));
        match self.text("action") {
            "undone" => format!("{by} let {package} come back: {reason}"),
            _ => format!("{by} had {package} taken out of its channels: {reason}"),
        }
    }

    /// A snapshot that a target has, or does not have yet.
    fn publication(&self) -> String {
        let (date, target) = (self.text("date"), self.text("target"));
        if self.body["catalogue"] == true {
            let error = self.text("error");
            return format!("the list of snapshots at {target} is an older one, and is sent again: {error}");
        }
        let generation = match self.number("generation") {
            0 | 1 => String::new(),
            later => format!(", generation {later},"),
        };
        let snapshot = format!("the snapshot of {date}{generation}");
        if self.body["latest"] == true {
            return format!("{snapshot} is the latest at {target} now");
        }
        match self.text("error") {
            "" => format!("{snapshot} is at {target}: {}", self.text("address")),
            error if self.body["given_up"] == true => format!("{snapshot} was refused by {target}: {error}"),
            error => format!("{snapshot} is not at {target} yet, and is sent again: {error}"),
        }
    }

    /// Where a build would have come from that was refused: a run's artifact, or a file that somebody put down.
    fn refused(&self) -> String {
        let from = match (self.text("file"), self.text("repository"), self.text("artifact")) {
            ("", "", _) => String::new(),
            ("", repository, artifact) => {
                format!(" from run {} of {repository}, artifact {artifact},", self.number("run"))
            }
            (file, _, _) => format!(" at {file}"),
        };
        let what = self.package.unwrap_or("an archive");
        format!("{what}{from} was refused: {}{}", self.text("why"), self.what_to_do())
    }

    fn conflict(&self, metapackage: &str) -> String {
        let platforms = self.body.as_object().into_iter().flatten();
        let told: Vec<String> = platforms
            .filter(|(_, one)| one.is_object())
            .map(|(platform, one)| {
                let names = |key: &str| -> Vec<&str> { texts(&one[key]).map(name_of).collect() };
                let (at_fault, integrates, left_out) =
                    (names("at_fault"), names("integrates"), names("left_out"));
                let joint = Joint { platform, at_fault: &at_fault };
                match conda_words::largest(integrates.len(), &left_out) {
                    Some(largest) => format!("{joint}; {largest}"),
                    None => joint.to_string(),
                }
            })
            .collect();
        format!("no new {metapackage} is made: {}", told.join("; "))
    }

    fn recheck(&self, member: &str) -> String {
        let from = self.body["from"]
            .as_str()
            .map(|from| format!("{} → ", from.replace('-', " ")))
            .unwrap_or_default();
        let mode = match self.text("mode") {
            "pinned" => " within the lines of its metapackage",
            _ => "",
        };
        let platform = match self.text("platform") {
            "" => String::new(),
            platform => format!(" on {platform}"),
        };
        let result = serde_json::from_value(self.body["result"].clone()).ok();
        let why = match result {
            Some(TestVerdict::Fail { step, .. }) => format!(", {step}"),
            Some(TestVerdict::TimedOut { after }) => {
                format!(", its tests did not end within {after} seconds")
            }
            Some(TestVerdict::Infrastructure { why }) => format!(", the machine failed: {why}"),
            Some(TestVerdict::NoEngine { why }) => format!(", not tested: {why}"),
            Some(TestVerdict::UnknownTests { why }) => format!(", its tests are not known: {why}"),
            Some(TestVerdict::Pass | TestVerdict::NoTests) | None => String::new(),
        };
        let to = self.text("to").replace('-', " ");
        let told = format!("{member} {}: {from}{to}{platform}{mode}{why}", self.text("version"));
        // Older versions told both in one.
        match self.named_fault() {
            Some(fault) => format!("{told}, {fault}"),
            None => told,
        }
    }

    fn fault(&self) -> String {
        self.named_fault().unwrap_or_else(|| "what is at fault cannot be told".to_owned())
    }

    /// What a person asked about a red member, or what it came to.
    fn culprit_wish(&self, member: &str) -> String {
        let (by, said) = (self.text("by"), self.text("said"));
        let platform = match self.text("platform") {
            "" => String::new(),
            platform => format!(" on {platform}"),
        };
        match self.text("action") {
            "answered" => format!("{by} asked what broke {member}{platform}: {said}"),
            _ => format!("{by} asks what broke {member}{platform}: {said}"),
        }
    }

    /// What is at fault, or among what the fault lies.
    fn named_fault(&self) -> Option<String> {
        let culprit: Vec<&str> = texts(&self.body["culprit"]).collect();
        let left: Vec<&str> = texts(&self.body["suspected"]["left"]).collect();
        match (culprit.as_slice(), left.as_slice()) {
            ([], []) => None,
            ([], left) => Some(format!("the fault lies among {}", left.join(", "))),
            (culprit, _) => Some(format!("at fault is {}", culprit.join(" with "))),
        }
    }

    fn own_check(&self, package: &str) -> String {
        let said = match self.text("said") {
            "" => String::new(),
            said => format!(": {said}"),
        };
        let (version, result, platform) = (self.text("version"), self.text("result"), self.text("platform"));
        let r = self.body["r"].as_str().map(|r| format!(" in R {r}")).unwrap_or_default();
        format!("{package} {version} {result} tidegate's own check{r} on {platform}{said}")
    }

    fn pull_request(&self) -> String {
        let (number, title) = (self.number("number"), self.text("title"));
        let action = match self.text("action") {
            // A person's commit on its branch.
            "touched" => "has commits of somebody else and is left to them",
            "adopted" => "is found again and taken over",
            "wanted-again" => "was declined, and a person wants it proposed again",
            "gone" => "is not there any more",
            action => action,
        };
        format!("pull request #{number} {action}: {title}")
    }

    fn guard_confirmed(&self) -> String {
        let changes: Vec<HeldChange> =
            serde_json::from_value(self.body["changes"].clone()).unwrap_or_default();
        let told: Vec<String> = changes
            .iter()
            .map(|change| {
                let kind = serde_json::to_value(change.kind()).unwrap_or_default();
                let kind = kind.as_str().unwrap_or_default().to_owned();
                match change {
                    HeldChange::Appeared(_) => format!("issues of kind {kind} appeared"),
                    HeldChange::Vanished(_) => format!("issues of kind {kind} vanished"),
                }
            })
            .collect();
        let (by, channel, reason) = (self.text("by"), self.text("channel"), self.text("reason"));
        let what = if told.is_empty() { String::new() } else { format!(" ({})", listed(&told)) };
        format!("{by} confirmed what the guard of {channel} held{what}: {reason}")
    }

    fn withdrawn_from_snapshots(&self) -> String {
        let dates: Vec<&str> = texts(&self.body["dates"]).collect();
        let fate = if self.text("bytes") == "drop" { ", and its files are gone" } else { "" };
        let what = match self.package {
            Some(package) => format!("{package} from"),
            None => "as a whole".to_owned(),
        };
        format!(
            "{} withdrew {what} the snapshot of {}{fate}: {}",
            self.text("by"),
            listed(&dates),
            self.text("reason")
        )
    }

    fn taken_out_or_put_back(&self) -> String {
        let files = self.body["files"].as_array().map(Vec::as_slice).unwrap_or_default();
        let named: Vec<String> = files
            .iter()
            .map(|file| {
                let part = |key: &str| file[key].as_str().unwrap_or_default();
                format!("{}/{}/{}", part("channel"), part("subdir"), part("file_name"))
            })
            .collect();
        let did = if self.kind == "withdrawn" { "took out" } else { "put back" };
        let what = if named.is_empty() { "nothing".to_owned() } else { listed(&named) };
        format!("{} {did} {what}: {}", self.text("by"), self.text("reason"))
    }

    /// What another pipeline did to the distribution as a whole; tidegate does that itself.
    fn told_by_another(&self, done: &str) -> String {
        let version = self.body["notice"]["version"].as_str().unwrap_or_default();
        let distribution = self.text("distribution");
        let members = self.body["notice"]["package_versions"].as_object().map_or(0, serde_json::Map::len);
        let with =
            if members == 0 { String::new() } else { format!(" with {}", counted(members, "package")) };
        let run = self.number("run");
        format!(
            "run {run} of another pipeline tells that {distribution} {version} {done}{with}; nothing follows from it"
        )
    }
}

fn texts(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().into_iter().flatten().filter_map(Value::as_str)
}

/// The name in a match spec.
fn name_of(spec: &str) -> &str {
    let end = spec.find(|letter: char| !(letter.is_ascii_alphanumeric() || "-_.".contains(letter)));
    &spec[..end.unwrap_or(spec.len())]
}

/// The package of a conda archive, from the name of its file.
fn package_of(file_name: &str) -> Option<&str> {
    file_name.rsplitn(3, '-').nth(2)
}

fn short(commit: &str) -> &str {
    commit.get(..10).unwrap_or(commit)
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::{Event, KINDS};

    #[test]
    fn every_kind_has_words_of_its_own_even_without_details() {
        for kind in KINDS {
            let event = Event::new(kind, Some("q2-types"), &Value::Null);
            assert_ne!(event.told(), format!("{kind}: q2-types"), "{kind}");
        }
    }

    #[test]
    fn an_event_is_about_each_package_that_it_names_and_no_other() {
        let body = json!({ "files": [{ "file_name": "q2-types-genomics-1.0-py310_0.conda" }] });
        let event = Event::new("withdrawn", None, &body);
        assert_eq!(event.packages().into_iter().collect::<Vec<_>>(), ["q2-types-genomics"]);
        let body = json!({ "linux-64": { "at_fault": ["q2-types[version=\"==1.0\"]", "q2cli"] } });
        let event = Event::new("conflict", Some("qiime2-tiny"), &body);
        assert_eq!(event.packages().into_iter().collect::<Vec<_>>(), ["q2-types", "q2cli", "qiime2-tiny"]);
    }
}
