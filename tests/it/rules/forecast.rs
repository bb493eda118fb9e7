//! What the next dependency freeze would change: the rule, and what people read of it.

use std::collections::BTreeMap;

use jiff::civil::date;
use tidegate::decide::forecast::{
    Conflict, Ended, Entry, Fall, Forecast, ForecastFacts, ForecastFrame, Scenario, body, ended_body,
    forecast, title,
};
use tidegate::domain::{Checks, Evidence, Fact, StatusFacts};

use super::facts::check;
use super::status::universe;

/// `base` ← `middle` ← `top`, and `apart` by itself, healthy in both channels under R 4.5 and R 4.6.
struct Scene(ForecastFacts);

const PACKAGES: [(&str, &[&str]); 4] =
    [("base", &[]), ("middle", &["base"]), ("top", &["middle"]), ("apart", &[])];

impl Scene {
    fn new() -> Self {
        let scenario = |r: &str, day| {
            let mut facts = StatusFacts { r_series: r.to_owned(), ..universe(&PACKAGES) };
            for package in facts.packages.values_mut() {
                let with = |r: &str| tidegate::domain::Check { r: r.to_owned(), ..check("OK", "linux") };
                package.checks = Checks::All(vec![with("4.5.3"), with("4.6.0")]);
            }
            Scenario {
                r: r.to_owned(),
                cran: day,
                listed: Fact::Known(facts.packages.keys().cloned().collect()),
                status: Fact::Known(facts),
            }
        };
        Self(ForecastFacts {
            distribution: "demo".to_owned(),
            from: "community".to_owned(),
            to: "staging".to_owned(),
            freeze: date(2026, 7, 15),
            snapshot: date(2026, 9, 15),
            now: scenario("4.5", date(2026, 4, 15)),
            then: scenario("4.6", date(2026, 6, 20)),
        })
    }

    fn status(fact: &mut Scenario) -> &mut StatusFacts {
        match &mut fact.status {
            Fact::Known(status) => status,
            Fact::Unknown { why } => panic!("{why}"),
        }
    }

    fn now(mut self, change: impl FnOnce(&mut StatusFacts)) -> Self {
        change(Self::status(&mut self.0.now));
        self
    }

    fn then(mut self, change: impl FnOnce(&mut StatusFacts)) -> Self {
        change(Self::status(&mut self.0.then));
        self
    }

    fn listed(fact: &mut Scenario, change: impl FnOnce(&mut std::collections::BTreeSet<String>)) {
        if let Fact::Known(listed) = &mut fact.listed {
            change(listed);
        }
    }

    fn forecast(&self) -> Forecast {
        forecast(&self.0)
    }
}

/// CRAN has these versions.
fn cran(versions: &[(&str, &str)]) -> Fact<BTreeMap<String, String>> {
    Fact::Known(versions.iter().map(|(name, version)| ((*name).into(), (*version).into())).collect())
}

fn fails_in_r_46(facts: &mut StatusFacts, package: &str) {
    let bad = tidegate::domain::Check { r: "4.6.0".to_owned(), ..check("ERROR", "linux-release") };
    facts.packages.get_mut(package).unwrap().checks = Checks::All(vec![bad]);
}

fn names(packages: impl IntoIterator<Item = impl Into<String>>) -> Vec<String> {
    packages.into_iter().map(Into::into).collect()
}

#[test]
fn where_nothing_changes_nothing_is_forecast() {
    let forecast = Scene::new().forecast();
    assert_eq!((forecast.now, forecast.now.passing), (forecast.then, 4));
    let nothing = Forecast { now: forecast.now, then: forecast.then, ..Forecast::default() };
    assert_eq!(forecast, nothing);
}

#[test]
fn a_higher_version_on_cran_fells_a_package_and_what_depends_on_it_with_the_way_there() {
    let forecast = Scene::new().then(|facts| facts.cran = cran(&[("base", "1.1")])).forecast();
    let [base, middle, top] = forecast.falls.as_slice() else { panic!("{:?}", forecast.falls) };
    assert_eq!(
        *base,
        Fall {
            package: "base".to_owned(),
            version: Some("1.0".to_owned()),
            before: Evidence::Passing,
            reason: "CRAN has the higher version 1.1".to_owned(),
            through: Vec::new(),
            takes_along: names(["middle", "top"]),
        }
    );
    assert_eq!((&*middle.package, &middle.through), ("middle", &names(["base"])));
    assert_eq!((&*top.package, &top.through), ("top", &names(["middle", "base"])));
    let known = |is_known| Conflict {
        package: "base".to_owned(),
        version: "1.0".to_owned(),
        cran: "1.1".to_owned(),
        is_known,
    };
    assert_eq!(forecast.conflicts, [known(false)]);
    assert_eq!((forecast.now.passing, forecast.then.passing, forecast.then.failing), (4, 1, 3));
    // What is below CRAN's version in this cycle too fails already: it cannot fall out.
    let again = Scene::new()
        .now(|facts| facts.cran = cran(&[("base", "1.1")]))
        .then(|facts| facts.cran = cran(&[("base", "1.1")]))
        .forecast();
    assert_eq!((again.falls, again.conflicts), (Vec::new(), vec![known(true)]));
}

#[test]
fn checks_of_the_new_r_count_and_where_there_are_none_nobody_can_tell() {
    let fails = Scene::new().then(|facts| fails_in_r_46(facts, "middle")).forecast();
    let fallen: Vec<&str> = fails.falls.iter().map(|fall| fall.package.as_str()).collect();
    assert_eq!(fallen, ["middle", "top"]);
    assert_eq!(fails.falls[0].reason, "R CMD check ends with ERROR on linux-release");
    let unchecked = Scene::new()
        .then(|facts| facts.packages.get_mut("base").unwrap().checks = Checks::All(Vec::new()))
        .forecast();
    assert_eq!(unchecked.falls, []);
    assert_eq!((unchecked.then.passing, unchecked.then.unknown), (1, 3));
    let why: Vec<(&str, usize)> =
        unchecked.open.iter().map(|open| (open.why.as_str(), open.packages.len())).collect();
    let no_check = "no check with R 4.6 exists for this build";
    assert_eq!(
        why,
        [(&*format!("it depends on base, of which nobody can tell ({no_check})"), 2), (no_check, 1)]
    );
}

#[test]
fn bad_checks_that_were_filtered_for_the_r_of_now_tell_nothing_of_the_new_one() {
    let filtered = |facts: &mut StatusFacts| {
        facts.packages.get_mut("apart").unwrap().checks = Checks::Bad(Vec::new());
    };
    let forecast = Scene::new().now(filtered).then(filtered).forecast();
    assert_eq!((forecast.now.passing, forecast.then.passing, forecast.then.unknown), (4, 3, 1));
}

#[test]
fn a_release_that_waits_in_the_channel_before_recovers_a_package() {
    let forecast = Scene::new()
        .now(|facts| facts.packages.get_mut("apart").unwrap().foss = Some(false))
        .then(|facts| facts.packages.get_mut("apart").unwrap().version = Some("2.0".to_owned()))
        .forecast();
    let recovered = &forecast.recovers[0];
    assert_eq!((&*recovered.package, recovered.version.as_deref()), ("apart", Some("2.0")));
    assert_eq!(recovered.failed, "its licence is not a free one (MIT)");
}

#[test]
fn lists_say_who_enters_and_who_leaves() {
    let mut scene = Scene::new();
    Scene::listed(&mut scene.0.now, |listed| assert!(listed.remove("top")));
    Scene::listed(&mut scene.0.then, |listed| {
        listed.remove("apart");
        listed.insert("unbuilt".to_owned());
    });
    let forecast = scene.forecast();
    assert_eq!(forecast.leaves, ["apart"]);
    let entered = |package: &str, version: Option<&str>, evidence, reason: Option<&str>| Entry {
        package: package.to_owned(),
        version: version.map(str::to_owned),
        evidence,
        reason: reason.map(str::to_owned),
    };
    let never = "its universe never built it, or not yet";
    assert_eq!(
        forecast.enters,
        [
            entered("top", Some("1.0"), Evidence::Passing, None),
            entered("unbuilt", None, Evidence::Unknown, Some(never))
        ]
    );
    assert_eq!((forecast.then.packages, forecast.then.unknown), (4, 1));
}

#[test]
fn what_is_missing_is_said_and_never_taken_for_nothing() {
    // Without today's CRAN nobody can tell of any package that it would pass; what fails by a check does.
    let scene = Scene::new().then(|facts| {
        facts.cran = Fact::unknown("the CRAN index demo/staging/newest was never read");
        fails_in_r_46(facts, "apart");
    });
    let forecast = scene.forecast();
    assert_eq!(forecast.missing, ["the CRAN index demo/staging/newest was never read"]);
    assert_eq!((forecast.then.passing, forecast.then.failing, forecast.then.unknown), (0, 1, 3));
    // Without a list nobody can tell who enters or leaves.
    let mut scene = Scene::new();
    scene.0.then.listed = Fact::unknown("the list of demo/community was never read");
    let forecast = scene.forecast();
    assert_eq!((forecast.enters, forecast.leaves), (Vec::new(), Vec::new()));
    assert_eq!(forecast.missing, ["the list of demo/community was never read"]);
    // Without the universe nobody can tell anything.
    let mut scene = Scene::new();
    scene.0.then.status = Fact::unknown("the universe of demo/community was never read");
    let forecast = scene.forecast();
    assert_eq!((forecast.falls, forecast.then), (Vec::new(), Default::default()));
    insta::assert_snapshot!(body(&scene.0, &scene.forecast()));
}

#[test]
fn builds_that_run_today_are_no_forecast() {
    let running: BTreeMap<String, String> =
        [("base".to_owned(), "https://example.org/run".to_owned())].into();
    let forecast = Scene::new()
        .then(|facts| {
            facts.builds = Fact::Known(running);
            facts.packages.get_mut("top").unwrap().just_published = true;
        })
        .forecast();
    assert_eq!(forecast.then.passing, 4);
}

#[test]
fn the_issue_says_what_would_fall_and_through_whom() {
    let mut scene = Scene::new()
        .now(|facts| {
            facts.packages.get_mut("apart").unwrap().foss = Some(false);
            let broken = facts.packages["apart"].clone();
            facts.packages.insert("gone".to_owned(), broken);
        })
        .then(|facts| {
            facts.cran = cran(&[("base", "1.1"), ("apart", "0.9")]);
            let new = facts.packages["apart"].clone();
            facts.packages.insert("fresh".to_owned(), new.clone());
            let mut unchecked = new;
            unchecked.checks = Checks::All(Vec::new());
            facts.packages.insert("untried".to_owned(), unchecked);
        });
    Scene::listed(&mut scene.0.now, |listed| listed.extend(["gone".to_owned()]));
    Scene::listed(&mut scene.0.then, |listed| listed.extend(["fresh".to_owned(), "untried".to_owned()]));
    let frame = ForecastFrame { title: "Demo".to_owned() };
    insta::assert_snapshot!(title(&frame, scene.0.freeze), @"Demo: what the dependency freeze of 2026-07-15 would change");
    let text = body(&scene.0, &scene.forecast());
    insta::assert_snapshot!(text);
    insta::assert_snapshot!(ended_body(scene.0.freeze, Ended::Begun, &text).lines().next().unwrap(), @"**The dependency freeze of 2026-07-15 has begun. This was the last forecast of it:**");
}

#[test]
fn however_much_would_change_the_issue_fits_and_mentions_nobody() {
    let many: Vec<String> = (0..4_000).map(|number| format!("package{number:04}")).collect();
    let hostile = "@everyone </table> | [x](https://evil.example) #12 ".repeat(60);
    let scene = Scene::new().then(|facts| {
        let one = facts.packages["apart"].clone();
        for name in &many {
            let mut package = one.clone();
            package.foss = Some(false);
            package.license = Some(hostile.clone());
            package.dependencies = names(["base"]);
            facts.packages.insert(name.clone(), package);
        }
        facts.cran = Fact::Known(many.iter().map(|name| (name.clone(), "9.9".to_owned())).collect());
    });
    let mut scene = scene.now(|facts| {
        let one = facts.packages["apart"].clone();
        facts.packages.extend(many.iter().map(|name| (name.clone(), one.clone())));
    });
    for side in [&mut scene.0.now, &mut scene.0.then] {
        Scene::listed(side, |listed| listed.extend(many.iter().cloned()));
    }
    let text = body(&scene.0, &scene.forecast());
    assert!(text.chars().count() < 60_000, "{}", text.chars().count());
    assert!(!text.replace("&#", "").contains(['@', '#']) || text.contains("### "), "mentions");
    assert!(!text.contains("@everyone") && !text.contains("<") && text.contains("more packages"));
    assert!(text.contains("### What happens next"));
}
