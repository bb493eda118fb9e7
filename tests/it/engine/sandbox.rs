//! What tests can see and reach.

use std::net::TcpListener;

use tidegate::domain::TestVerdict;
use tidegate::engine::{Assignment, Network};

use super::made::{Place, command, log_of, report_of, there};

#[tokio::test]
async fn tests_see_neither_the_users_of_the_machine_nor_its_secrets() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let secret = place.folder.path().join("secret");
    std::fs::write(&secret, "secret").unwrap();
    let code = format!(
        "id -un; cut -d: -f1 /etc/passwd; ls -d /root /home /var /run /etc/shadow {} 2>/dev/null; \
         touch /usr/mine /etc/mine /mine 2>/dev/null && echo wrote; \
         env | cut -d= -f1 | sort | tr '\\n' ' '; echo; grep CapEff /proc/self/status | tr -d '\t'; \
         test $(ls -d /proc/[0-9]* | wc -l) -lt 10 && echo few processes",
        secret.display()
    );
    let report = report_of(&place, &command("curious", &code)).await;
    assert_eq!(report.verdict, TestVerdict::Pass);
    insta::assert_snapshot!(log_of(&place, "curious").lines().skip(1).collect::<Vec<_>>().join("\n"), @r"
    tester
    root
    tester
    nobody
    HOME LANG PATH PWD PYTHONNOUSERSITE SHLVL TERM TMPDIR _ 
    CapEff:0000000000000000
    few processes
    [tidegate] verdict: passed
    ");
}

#[tokio::test]
async fn tests_reach_the_network_only_where_the_assignment_says_so() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let code = format!("echo > /dev/tcp/127.0.0.1/{port}");
    let denied = report_of(&place, &command("denied", &code)).await;
    let TestVerdict::Fail { detail, .. } = denied.verdict else { panic!("{:?}", denied.verdict) };
    assert!(detail.contains("Connection refused"), "{detail}");
    let allowed = Assignment { network: Network::Allowed, ..command("allowed", &code) };
    assert_eq!(report_of(&place, &allowed).await.verdict, TestVerdict::Pass);
}

#[tokio::test]
async fn a_test_may_clear_up_its_own_temporary_folder() {
    if !there("bwrap") {
        return;
    }
    let place = Place::new();
    let report =
        report_of(&place, &command("tidy", "rm -rf /tmp/* /tmp/.[a-z]*; test ! -e /tmp/step.sh")).await;
    assert_eq!(report.verdict, TestVerdict::Pass);
}
