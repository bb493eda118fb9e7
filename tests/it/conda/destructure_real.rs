//! Metapackages of QIIME 2 taken apart, made from the files in which it kept its distributions.

use std::collections::{BTreeMap, BTreeSet};
use std::slice;
use std::time::Duration;

use tidegate::domain::Destructured;
use tidegate::ecosystem::conda::channel::ChannelIndex;
use tidegate::ecosystem::conda::destructure::{
    Declared, DestructureError, DestructureTask, Listing, destructure,
};

use super::channel_builder::{Record, channel, record};

fn file(name: &str) -> String {
    std::fs::read_to_string(format!("{}/tests/data/conda/{name}", env!("CARGO_MANIFEST_DIR"))).unwrap()
}

fn taken_apart(
    channel: &ChannelIndex,
    externals: &[ChannelIndex],
    metapackage: &str,
    declared: Declared,
) -> Result<Destructured, DestructureError> {
    destructure(&DestructureTask {
        channel,
        externals,
        platform: "linux-64",
        spec: metapackage,
        declared,
        virtual_packages: None,
        timeout: Duration::from_secs(60),
    })
}

/// The packages of a solved environment of tiny 2024.10, as name and version.
fn environment(name: &str) -> BTreeMap<String, String> {
    let text = file(name);
    let lines = text.lines().filter_map(|line| line.trim_start().strip_prefix("- ")?.split_once('='));
    let packages: BTreeMap<String, String> =
        lines.map(|(name, version)| (name.to_owned(), version.to_owned())).collect();
    assert!(packages.len() > 250);
    packages
}

/// A channel with these packages, each once more as a newer version that nobody means.
fn records<'a>(packages: impl IntoIterator<Item = (&'a String, &'a String)>) -> Vec<Record> {
    let both = packages.into_iter().flat_map(|(name, version)| {
        [record(&format!("{name} {version} h_0"), &[]), record(&format!("{name} 9999.0 h_0"), &[])]
    });
    both.collect()
}

/// A metapackage as upstream builds them, which has a line for every package of a solved environment.
fn metapackage<'a>(text: &str, packages: impl IntoIterator<Item = (&'a String, &'a String)>) -> Record {
    let lines: Vec<String> =
        packages.into_iter().map(|(name, version)| format!("{name} {version}.*")).collect();
    let lines: Vec<&str> = lines.iter().map(String::as_str).collect();
    record(text, &lines).on("linux-64")
}

fn names(found: &Destructured) -> BTreeSet<String> {
    found.members.iter().map(|member| member.package.name.clone()).collect()
}

const TINY: &str = "distributions/2024.10/tiny";

#[test]
fn a_solved_environment_of_2024_destructures_to_exactly_the_members_of_its_seed() {
    for stage in ["passed", "released"] {
        let solved = format!("{TINY}/{stage}/qiime2-tiny-ubuntu-latest-conda.yml");
        let packages = environment(&solved);
        let seed =
            Declared::from_yaml(&file(&format!("{TINY}/passed/seed-environment-conda.yml")), "qiime2-tiny")
                .unwrap();
        let seeded = seed.members.clone().unwrap();
        let ours: BTreeSet<String> =
            seeded.iter().filter(|name| name.starts_with("q2") || *name == "qiime2").cloned().collect();
        let is_ours = |(name, _): &(&String, &String)| ours.contains(*name);
        let mut own = records(packages.iter().filter(is_ours));
        own.push(metapackage("qiime2-tiny 2024.10.30.1.2.3 0", &packages));
        let staged = channel("staged", &own);
        let others = records(packages.iter().filter(|package| !is_ours(package)));
        let forge = channel("conda-forge", &others);
        let of = |externals: &[ChannelIndex], declared: &Declared| {
            taken_apart(&staged, externals, "qiime2-tiny", declared.clone())
        };

        let only_ours = Declared { members: Some(ours.clone()), ..seed.clone() };
        let found = of(slice::from_ref(&forge), &only_ours).unwrap();
        assert_eq!(names(&found), ours);
        assert!(found.members.iter().all(|member| member.package.version.as_deref() == Some("2024.10.0")));

        let whole = Declared::from_yaml(&file(&solved), "qiime2-tiny").unwrap();
        for declared in [Declared::default(), seed.clone(), whole.clone()] {
            assert_eq!(of(slice::from_ref(&forge), &declared).unwrap(), found, "{declared:?}");
        }
        assert_eq!(of(&[], &whole).unwrap(), found, "every line of ours fits one build");

        let all_in_one = channel("staged", &[own.clone(), others].concat());
        assert_eq!(names(&taken_apart(&all_in_one, &[], "qiime2-tiny", seed.clone()).unwrap()), seeded);
        let every = taken_apart(&all_in_one, &[], "qiime2-tiny", whole.clone()).unwrap();
        assert_eq!(names(&every), packages.keys().cloned().collect());

        let strict = Declared { lists: Listing::Members, ..seed };
        let foreign = of(slice::from_ref(&forge), &strict).unwrap_err().to_string();
        assert!(foreign.contains("numpy comes from file:///conda-forge"), "{foreign}");
        let other = file(&solved).replace("- q2-types=2024.10.0", "- q2-types=2024.5.0");
        let other = Declared::from_yaml(&other, "qiime2-tiny").unwrap();
        let error = of(slice::from_ref(&forge), &other).unwrap_err().to_string();
        assert!(error.contains("q2-types is 2024.10.0 where the distribution says 2024.5.0.*"), "{error}");
    }
}

#[test]
fn the_distributions_of_2021_and_2023_hold_what_their_own_files_say() {
    for (place, metapackage_of, members) in [
        ("2021.8/staged/core", "qiime2-core", 27),
        ("2023.7/staged/core", "qiime2-core", 28),
        ("2023.7/staged/community", "qiime2-community", 32),
    ] {
        let read = |name: &str| {
            let text = file(&format!("package-integration/{place}/{name}"));
            Declared::from_yaml(&text, metapackage_of).unwrap()
        };
        let (data, config) = (read("data.yaml"), read("conda_build_config.yaml"));
        let run = data.members.clone().unwrap();
        let version = |name: &String| config.configured[&name.replace('-', "_")].clone();
        let versions: BTreeMap<String, String> =
            run.iter().map(|name| (name.clone(), version(name))).collect();
        let held = versions.iter().filter(|(name, _)| !data.ignore.contains(*name));
        // As upstream's solve had it: what is ignored lies in the channel, too.
        let staged = channel(
            "staged",
            &[records(&versions), vec![metapackage(&format!("{metapackage_of} 2023.08.14 0"), held.clone())]]
                .concat(),
        );
        let declared = data.clone().and(config.clone()).unwrap();
        let found = taken_apart(&staged, &[], metapackage_of, declared.clone()).unwrap();
        let told: BTreeMap<String, String> = found
            .members
            .iter()
            .map(|member| (member.package.name.clone(), member.package.version.clone().unwrap()))
            .collect();
        assert_eq!(told, held.map(|(name, version)| (name.clone(), version.clone())).collect(), "{place}");
        assert_eq!(told.len(), members, "{place}");

        let mut others = declared;
        others.configured.insert("q2_types".to_owned(), "2022.2.0".to_owned());
        let error = taken_apart(&staged, &[], metapackage_of, others).unwrap_err().to_string();
        assert!(error.contains("q2-types is ") && error.contains("says 2022.2.0"), "{error}");
    }
}
