//! Published snapshots in the hands of R, by file and by HTTP from the daemon, which withdraws and goes back while it
//! serves. Skipped with a message where there is no `Rscript`, and a failure there where `TIDEGATE_REQUIRE_REAL` is set.

use std::net::TcpListener;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use super::*;

/// Runs R code with arguments; none where R is not installed.
fn r(code: &str, arguments: &[&str]) -> Option<String> {
    let mut command = Command::new("Rscript");
    let output = match command.args(["--vanilla", "-e", code]).args(arguments).output() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            assert!(std::env::var_os("TIDEGATE_REQUIRE_REAL").is_none(), "Rscript is not installed");
            eprintln!("skipped: Rscript is not installed");
            return None;
        }
        output => output.unwrap(),
    };
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// The names that `available.packages()` shows in a repository.
fn available(repository: &str) -> Option<BTreeSet<String>> {
    let code = "p <- available.packages(repos = commandArgs(TRUE)[1], type = 'source', filters = list()); \
                cat(rownames(p))";
    Some(r(code, &[repository])?.split_whitespace().map(str::to_owned).collect())
}

/// Installs a package with what it needs, and says which packages are in the library then.
fn installed(package: &str, repository: &str) -> Option<String> {
    let library = tempfile::tempdir().unwrap();
    let code = "a <- commandArgs(TRUE); .libPaths(a[2]); \
        install.packages(a[3], lib = a[2], repos = a[1], type = 'source', quiet = TRUE); \
        cat(sort(rownames(installed.packages(a[2]))), getExportedValue(a[3], 'about')())";
    r(code, &[repository, library.path().to_str().unwrap(), package])
}

/// The daemon, which ends with this value.
struct Daemon(Child);

impl Daemon {
    /// Starts the daemon of a shop with its web server, and waits until it answers.
    fn of(shop: &Shop) -> (Self, String) {
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let file = shop.place.path("config/tidegate.toml");
        let text = fs::read_to_string(&file).unwrap();
        fs::write(&file, format!("{text}\n[web]\nlisten = \"127.0.0.1:{port}\"\n")).unwrap();
        let process = Command::new(env!("CARGO_BIN_EXE_tidegate"))
            .arg("--config")
            .arg(shop.place.config())
            .arg("run")
            .env_remove("JOURNAL_STREAM")
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let daemon = Self(process);
        for _ in 0..600 {
            if shop.place.path("state/control.sock").exists()
                && std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
            {
                return (daemon, format!("http://127.0.0.1:{port}/r-multiverse"));
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        panic!("the daemon did not start");
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn r_sees_exactly_what_the_manifest_lists_and_installs_it_by_file_and_by_http() {
    let shop = Shop::with_two_quarters();
    shop.publish_plainly("2025-12-15", &[LUNAR]);
    let files = |name: &str| format!("file://{}", shop.at(name).display());
    let listed = |name: &str| -> BTreeSet<String> {
        names(&shop.manifest(name)).into_iter().map(str::to_owned).collect()
    };
    let Some(first) = available(&files("2026-03-15")) else { return };
    assert_eq!(first, listed("2026-03-15"));
    assert_eq!(installed("tidal", &files("2026-06-15")).unwrap(), "lunar tidal tidal 1.3.0");

    let (_daemon, address) = Daemon::of(&shop);
    // It settled what it found when it started.
    let latest = format!("{address}/latest");
    assert_eq!(installed("tidal", &latest).unwrap(), "lunar tidal tidal 1.3.0");
    let back = shop.run("snapshot rollback --reason WHY").printed();
    assert_eq!(back, "latest  2026-06-15 → 2026-03-15\n");
    assert_eq!(installed("tidal", &latest).unwrap(), "lunar tidal tidal 1.2.0");
    shop.run("snapshot withdraw 2026-03-15 brine --drop-bytes --by ada --reason WHY").printed();
    for name in ["2025-12-15", "2026-03-15", "2026-06-15", "latest"] {
        assert_eq!(available(&format!("{address}/{name}")).unwrap(), listed(name), "{name}");
        assert_eq!(available(&files(name)).unwrap(), listed(name), "{name}");
    }
    let told = told(&shop, "snapshot-withdrawn").remove(0);
    assert!(told.starts_with("ada (user ") && told.contains("withdrew brine"), "{told}");

    // The pages are served beside the packages.
    let page = r("cat(readLines(commandArgs(TRUE)[1]))", &[&format!("{address}/")]).unwrap();
    assert!(page.contains("Snapshots of R-multiverse"), "{page}");
    let page =
        r("cat(readLines(commandArgs(TRUE)[1]))", &[&format!("{address}/2026-03-15/index.html")]).unwrap();
    assert!(page.contains("Withdrawn since"), "{page}");
}
