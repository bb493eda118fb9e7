//! Every kind of mistake in a world's files, and what a person is told about it.

use std::path::Path;

use tidegate::rehearse::world::World;

use super::folder::{Folder, commit, row};

const AT: &str = "2026-04-15T06:00:00Z";

fn cases() -> Vec<(&'static str, Folder)> {
    let new = Folder::new;
    let good = row(AT, "community", '1', "");
    vec![
        ("world.toml is missing", new().without("world.toml")),
        ("a file has another name", new().without("evidence.jsonl").with("evidense.jsonl", "")),
        ("a file is not UTF-8 text", new().with("cran.json", b"{\n \"2026-04-15\": {\"\xff".as_slice())),
        ("a file is not JSON", new().with("cran.json", "[1]")),
        ("the format is a newer one", new().replacing("world.toml", "format = 1", "format = 2")),
        ("there is no format", new().replacing("world.toml", "format = 1\n", "")),
        ("world.toml is not TOML", new().replacing("world.toml", "[people]", "[people")),
        ("an unknown key in world.toml", new().replacing("world.toml", "merge_after", "merge_afer")),
        ("an unknown outage source", new().replacing("world.toml", "\"cran\"", "\"cram\"")),
        ("an unknown universe in an outage", new().replacing("world.toml", "universe = \"staging\"", "universe = \"stagin\"")),
        ("an outage that ends before it begins", new().replacing("world.toml", "to = \"2026-04-17T02", "to = \"2026-04-17T00")),
        ("an outage outside of the world's time", new().replacing("world.toml", "2026-04-17T0", "2026-05-17T0")),
        ("a world that ends before it begins", new().replacing("world.toml", "end = \"2026-04-20", "end = \"2026-04-10")),
        ("another ecosystem", new().replacing("world.toml", "r-universe", "conda")),
        ("two universes of one name", new().replacing("world.toml", "channel = \"staging\"", "channel = \"community\"")),
        ("a repository without an owner", new().replacing("world.toml", "someone/staging", "staging")),
        ("an absurd wait", new().replacing("world.toml", "\"6h\"", "\"6 fortnights\"")),
        ("a maintainer of a package that nobody lists", new().replacing("world.toml", "close = []", "close = [\"alhpa\"]")),
        ("an initial list twice", new().replacing("initial.json", "\"staging\"", "\"community\"")),
        ("a universe without an initial list", new().with("initial.json", r#"{"community": {"packages": [], "versions": []}}"#)),
        ("an unknown universe in the initial lists", new().replacing("initial.json", "\"staging\"", "\"stagging\"")),
        ("a package twice in a list", new().replacing("initial.json", "\"Beta\"", "\"alpha\"")),
        ("a branch that leads elsewhere", new().replacing("initial.json", "\"*release\", \"subdir\"", "\"../x\", \"subdir\"")),
        ("a folder that leads elsewhere", new().replacing("initial.json", "r/beta", "r/../../beta")),
        ("an address that is not https", new().replacing("initial.json", "https://github.com/someone/mono/", "http://github.com/someone/mono")),
        ("removing what is not listed", new().replacing("registry.jsonl", "[\"Beta\"]", "[\"Betta\"]")),
        ("a release without packages", new().replacing("releases.jsonl", "{\"Zeta\": \"0.6.0\"}", "{}")),
        ("a release of a package that nobody lists", new().replacing("releases.jsonl", "{\"Zeta\"", "{\"Zita\"")),
        ("a version that R does not have", new().replacing("releases.jsonl", "\"0.6.0\"", "\"0.6.0rc1\"")),
        ("a package twice in a release", new().replacing("releases.jsonl", "{\"Zeta\": \"0.6.0\"}", "{\"Zeta\": \"0.6.0\", \"Zeta\": \"0.7.0\"}")),
        ("a line that was cut off", new().with("evidence.jsonl", good.clone() + &good[..90])),
        ("an empty line", new().with("evidence.jsonl", good.clone() + "\n")),
        ("an unknown key in a row", new().with("evidence.jsonl", good.replace("\"version\"", "\"verison\""))),
        ("rows out of order", new().with("evidence.jsonl", good.clone() + &row("2026-04-15T05:00:00Z", "community", '1', ""))),
        ("a row before the start", new().with("evidence.jsonl", row("2026-04-14T23:59:59Z", "community", '1', ""))),
        ("a time that is not one", new().with("evidence.jsonl", row("2026-04-31T00:00:00Z", "community", '1', ""))),
        ("a time that is not UTC", new().with("evidence.jsonl", row("2026-04-15T06:00:00+02:00", "community", '1', ""))),
        ("an unknown universe in a row", new().with("evidence.jsonl", row(AT, "comunity", '1', ""))),
        ("a commit of 39 digits", new().with("evidence.jsonl", good.replace(&commit('1'), &commit('1')[..39]))),
        ("the same thing said twice", new().with("evidence.jsonl", good.clone() + &row(AT, "community", '2', ""))),
        ("a row that is gone and is not", new().with("evidence.jsonl", row(AT, "community", '1', ", \"gone\": true"))),
        ("a row without a commit", new().with("evidence.jsonl", good.replace(&format!("\"commit\": \"{}\", ", commit('1')), ""))),
        ("a published time in another form", new().with("evidence.jsonl", good.replace("10:00:00.250 UTC", "10:00:00Z"))),
        ("a check with an unknown result", new().with("evidence.jsonl", row(AT, "community", '1', r#", "checks": [{"config": "source", "r": "4.5.3", "check": "EROR", "url": "https://github.com/r-universe/x/actions/runs/1/job/2"}]"#))),
        ("a check without a job", new().with("evidence.jsonl", row(AT, "community", '1', r#", "checks": [{"config": "source", "r": "4.5.3", "check": "ERROR", "url": "https://github.com/r-universe/x"}]"#))),
        ("a build that is no run", new().with("evidence.jsonl", row(AT, "community", '1', ", \"building\": \"soon\""))),
        ("a recent build of what is not published", new().with("evidence.jsonl", row(AT, "community", '1', ", \"building\": \"recent\"").replace("\"2026-04-14 10:00:00.250 UTC\"", "null"))),
        ("a frozen date that is not one", new().replacing("cran.json", "2026-01-15", "2026-1-15")),
        ("a dependency on a stranger", new().replacing("dependencies.json", "[\"Beta\"]", "[\"Bета\"]")),
        ("a dependency that nobody lists", new().replacing("dependencies.json", "[\"Beta\"]", "[\"beta\"]")),
    ]
}

#[test]
fn every_mistake_is_shown_at_its_place_with_what_was_expected() {
    let mut shown = String::new();
    for (title, folder) in cases() {
        let problem = folder.load().err().unwrap_or_else(|| panic!("accepted: {title}"));
        shown.push_str(&format!("## {title}\n{problem}\n\n"));
    }
    insta::assert_snapshot!("mistakes", shown);
}

#[test]
fn a_folder_that_is_not_there_is_said_to_be_missing() {
    let problem = World::load(Path::new("no/such/world")).unwrap_err();
    insta::assert_snapshot!(problem, @"no/such/world/world.toml: there is no such folder; expected the folder of a world");
}

#[test]
fn the_small_world_itself_is_right() {
    assert_eq!(Folder::new().load().unwrap().name, "A small world");
}
