//! The web server inside a whole daemon, which is a process of its own.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tidegate::store::{Durability, Store};
use tidegate::web::token::digest;

use super::place::TYPES;

/// The process; it ends with this value.
struct Daemon(Child);

impl Daemon {
    fn start(config: &Path) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_tidegate"));
        command.arg("--config").arg(config).arg("run").env_remove("JOURNAL_STREAM");
        Self(command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap())
    }

    fn signal(&self, name: &str) {
        let asked = Command::new("kill").args([name, &self.0.id().to_string()]).status().unwrap();
        assert!(asked.success());
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn write(root: &Path, port: u16, token: &str) {
    let config = root.join("config");
    std::fs::create_dir_all(config.join("distributions")).unwrap();
    std::fs::create_dir_all(root.join("jobs")).unwrap();
    let settings = format!(
        "state = \"../state\"\n[publish]\ndirectory = \"../published\"\n\
         [web]\nlisten = \"127.0.0.1:{port}\"\n[daemon]\nheartbeat = \"1s\"\n"
    );
    std::fs::write(config.join("tidegate.toml"), settings).unwrap();
    let distribution = format!(
        "title = \"Tiny\"\necosystem = \"conda\"\nepoch = \"2023.7\"\nmetapackage = \"qiime2-tiny\"\n\
         platforms = [\"linux-64\"]\nmembers = [\"q2-types\"]\n\
         [[channel]]\nname = \"tested\"\npath = \"tiny/tested\"\n\
         [[package]]\nname = \"q2-types\"\nrepository = \"qiime2/q2-types\"\ntoken_sha256 = \"{}\"\n",
        digest(token)
    );
    std::fs::write(config.join("distributions/tiny.toml"), distribution).unwrap();
}

/// Sends a notice until it is answered so, and fails where it never is.
async fn until(port: u16, token: &str, run: u32, wanted: u16) {
    let body = format!(
        "token={token}&version=1.0&package_name=q2-types&repository=qiime2/q2-types&run_id={run}&artifact_name=a"
    );
    let address = format!("http://127.0.0.1:{port}/api/v1/packages/integrate/");
    let mut answered = None;
    for _ in 0..600 {
        let request = reqwest::Client::new().post(&address).body(body.clone());
        let request = request.header("content-type", "application/x-www-form-urlencoded");
        answered = request.send().await.ok().map(|response| response.status().as_u16());
        if answered == Some(wanted) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    panic!("{wanted} was expected, and it was {answered:?}");
}

#[tokio::test]
async fn a_notice_that_was_answered_outlives_a_crash_and_a_reload_changes_who_is_heard() {
    tidegate::tls::prepare();
    let folder = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    write(folder.path(), port, TYPES);
    let config = folder.path().join("config");
    let daemon = Daemon::start(&config);
    until(port, TYPES, 1, 200).await;
    daemon.signal("-KILL");
    drop(daemon);

    let mut daemon = Daemon::start(&config);
    let health = format!("http://127.0.0.1:{port}/health");
    let mut status = 0;
    for _ in 0..600 {
        status = reqwest::get(&health).await.map_or(0, |response| response.status().as_u16());
        if status == 200 {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert_eq!(status, 200);
    write(folder.path(), port, "another-token");
    daemon.signal("-HUP");
    until(port, TYPES, 2, 401).await;
    until(port, "another-token", 3, 200).await;
    daemon.signal("-TERM");
    assert_eq!(daemon.0.wait().unwrap().code(), Some(0));

    let store =
        Store::open(&folder.path().join("state/tidegate.db"), Durability::ProcessCrash).await.unwrap();
    let runs: Vec<u64> =
        store.notices("tiny", 10).await.unwrap().iter().map(|notice| notice.run_id).collect();
    assert_eq!(runs, [1, 3]);
}
