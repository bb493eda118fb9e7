//! Debian's `docker-registry` on loopback.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use tidegate::publish::oci::{Registry, RegistrySettings, Rights};

use super::gate::{Gate, forward};

pub const REPOSITORY: &str = "snapshots/r";

/// A registry with a disk of its own; it ends with the test.
pub struct RealRegistry {
    process: Child,
    folder: tempfile::TempDir,
    pub address: SocketAddr,
}

impl RealRegistry {
    pub async fn start(passwords: Option<&str>) -> Self {
        let folder = tempfile::tempdir().unwrap();
        // A port that is free now; nothing else on this machine asks for one in particular.
        let address = std::net::TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).unwrap();
        let mut settings = format!(
            "version: 0.1\nlog: {{ level: error }}\nstorage:\n  filesystem: {{ rootdirectory: {} }}\n\
             http: {{ addr: \"{address}\", secret: \"of a test\" }}\n",
            folder.path().join("disk").display()
        );
        if let Some(passwords) = passwords {
            let file = folder.path().join("htpasswd");
            fs::write(&file, passwords).unwrap();
            settings += &format!("auth: {{ htpasswd: {{ realm: test, path: {} }} }}\n", file.display());
        }
        let configuration = folder.path().join("config.yml");
        fs::write(&configuration, settings).unwrap();
        let process = Command::new("docker-registry")
            .arg("serve")
            .arg(&configuration)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let registry = Self { process, folder, address };
        for _ in 0..200 {
            if tokio::net::TcpStream::connect(address).await.is_ok() {
                return registry;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("docker-registry does not listen at {address}");
    }

    pub async fn behind_a_gate(&self) -> Gate {
        Gate::before(forward(self.address)).await
    }

    /// How many bytes lie on its disk.
    pub fn disk(&self) -> u64 {
        size_of(&self.folder.path().join("disk"))
    }
}

impl Drop for RealRegistry {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn size_of(folder: &Path) -> u64 {
    let Ok(entries) = fs::read_dir(folder) else { return 0 };
    entries
        .map(|entry| entry.unwrap())
        .map(|entry| match entry.file_type().unwrap().is_dir() {
            true => size_of(&entry.path()),
            false => entry.metadata().unwrap().len(),
        })
        .sum()
}

pub fn target(at: SocketAddr, rights: Rights) -> Registry {
    let registry = format!("http://{at}");
    Registry::new(RegistrySettings { registry, repository: REPOSITORY.to_owned(), rights }).unwrap()
}
