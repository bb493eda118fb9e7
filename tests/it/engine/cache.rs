//! The package cache that workers share.

use tidegate::ecosystem::conda::install::PackageSource;
use tidegate::engine::Work;

use super::made::{Place, conda_test};

/// Enough files that a package is still being copied when somebody else might take it away.
const FILES: usize = 200;

#[test]
fn two_workers_that_want_the_same_new_package_do_not_take_it_from_each_other() {
    let place = Place::new();
    let files: Vec<(String, String)> =
        (0..FILES).map(|number| (format!("share/files/{number}"), format!("{number}\n"))).collect();
    let files: Vec<(&str, &str)> = files.iter().map(|(path, text)| (path.as_str(), text.as_str())).collect();
    let assignment = conda_test("shared", &[place.package("q2-large", &files)]);
    let Work::CondaTest(test) = assignment.work else { panic!("{assignment:?}") };
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    tidegate::tls::prepare();
    for round in 0..15 {
        let cache = place.folder.path().join(format!("cache-{round}"));
        let prefix = place.folder.path().join(format!("prefix-{round}"));
        let (one, other) = (PackageSource::new(cache, reqwest::Client::new()), prefix.clone());
        let two = one.clone();
        let (looked, installed) = runtime.block_on(async {
            tokio::join!(
                one.extracted(&test.records, &test.member),
                two.install(&test.records, &test.platform, &other),
            )
        });
        looked.unwrap();
        installed.unwrap_or_else(|error| panic!("round {round}: {error}"));
        assert_eq!(std::fs::read_dir(prefix.join("share/files")).unwrap().count(), FILES);
    }
}
