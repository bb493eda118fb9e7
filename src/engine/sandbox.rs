//! The sandbox in which tests run: bubblewrap, with the machine's programs to read and nothing of its
//! users, its services or its network.
//!
//! Inside there are `/usr` and the libraries to read, a `/proc` and `/dev` of its own, an environment of
//! packages and a working folder to write, and a `/tmp` that is a folder of the assignment, so that it
//! counts as disk and not as memory.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::process::Command;

use clap::ValueEnum;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::Network;
use super::folder::Places;
use crate::failure::Failure;

/// How tests are kept apart from the machine.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema, ValueEnum)]
#[serde(rename_all = "kebab-case")]
pub enum Sandbox {
    /// With bubblewrap, in namespaces of their own.
    #[default]
    Bubblewrap,
    /// Not at all: tests can read and write what the worker can, and reach the network whatever the
    /// assignment says, and what they started outlives a worker that is killed. Only for machines that are thrown away, or that separate jobs themselves, such
    /// as containers and cluster nodes without user namespaces.
    None,
}

/// The program that makes namespaces.
const BUBBLEWRAP: &str = "bwrap";
/// The folders of programs, inside and outside.
const PROGRAMS: &str = "/usr/local/bin:/usr/bin:/bin";
/// Folders that are links into `/usr` on most systems, and folders on the others.
const SYSTEM_FOLDERS: [&str; 6] = ["/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32"];
/// What programs expect of `/etc`. Nothing in it is secret.
const MACHINE_SETTINGS: [&str; 7] = [
    "/etc/alternatives",
    // Where some systems keep the settings of R itself.
    "/etc/R",
    "/etc/ld.so.cache",
    "/etc/ld.so.conf",
    "/etc/ld.so.conf.d",
    "/etc/localtime",
    "/etc/nsswitch.conf",
];
/// Files of `/etc` as they are inside, so that the users and the neighbours of the machine stay unknown.
pub(super) const SETTINGS: [(&str, &str); 3] = [
    (
        "passwd",
        "root:x:0:0:root:/:/usr/sbin/nologin\ntester:x:1000:1000:tester:/tmp:/bin/bash\n\
         nobody:x:65534:65534:nobody:/:/usr/sbin/nologin\n",
    ),
    ("group", "root:x:0:\ntester:x:1000:\nnogroup:x:65534:\n"),
    ("hosts", "127.0.0.1 localhost\n::1 localhost\n"),
];
/// What programs need beside to reach the network by name and over TLS.
const NETWORK_SETTINGS: [&str; 5] =
    ["/etc/ca-certificates", "/etc/hosts", "/etc/pki", "/etc/resolv.conf", "/etc/ssl"];
/// The user and group inside. Files belong to the worker outside.
const USER: &str = "1000";

/// Where one step runs.
#[derive(Debug)]
pub(super) struct Cell<'a> {
    /// How it is kept apart.
    pub sandbox: Sandbox,
    /// Whether it may reach the network.
    pub network: Network,
    /// The folders that it may write to.
    pub places: &'a Places,
}

impl Sandbox {
    /// Fails where the sandbox cannot be used on this machine, and says what to install.
    pub fn check(self) -> Result<(), Failure> {
        self.check_in(PROGRAMS)
    }

    fn check_in(self, folders: &str) -> Result<(), Failure> {
        match self {
            Self::None => Ok(()),
            Self::Bubblewrap if found(BUBBLEWRAP, folders) => Ok(()),
            Self::Bubblewrap => Err(Failure::Configuration {
                message: format!("the program `{BUBBLEWRAP}`, in which tests are run, is not installed"),
                hint: Some(
                    "install the package `bubblewrap`; where it cannot work, choose the sandbox `none`, \
                     which keeps tests apart from nothing"
                        .to_owned(),
                ),
            }),
        }
    }
}

impl Cell<'_> {
    /// A command that runs `script`, a file in the temporary folder, with bash in the folder `work`.
    pub(super) fn command(&self, script: &str, work: &Path, variables: &BTreeMap<String, String>) -> Command {
        let shell = |path: PathBuf| {
            [OsString::from("bash"), "--noprofile".into(), "--norc".into(), path.into_os_string()]
        };
        let mut command = match self.sandbox {
            Sandbox::Bubblewrap => {
                let mut command = Command::new(BUBBLEWRAP);
                command.args(self.namespaces()).arg("--chdir").arg(work).arg("--");
                command.args(shell(self.temporary().join(script)));
                command
            }
            Sandbox::None => {
                let mut command = Command::new("bash");
                command.args(shell(self.temporary().join(script)).iter().skip(1)).current_dir(work);
                command
            }
        };
        // bubblewrap hands its own environment on, and has none but this.
        command.env_clear().env("PATH", PROGRAMS).envs(variables);
        command.env("HOME", self.temporary()).env("TMPDIR", self.temporary());
        command.env("LANG", "C.UTF-8").env("TERM", "dumb").env("PYTHONNOUSERSITE", "1");
        command
    }

    /// The temporary folder as the step sees it.
    pub(super) fn temporary(&self) -> PathBuf {
        match self.sandbox {
            Sandbox::Bubblewrap => PathBuf::from("/tmp"),
            Sandbox::None => self.places.temporary.clone(),
        }
    }

    /// bubblewrap's arguments, in the order in which it carries them out.
    fn namespaces(&self) -> Vec<OsString> {
        let mut arguments = Arguments::default();
        arguments.add(["--unshare-all", "--unshare-user", "--die-with-parent", "--new-session"]);
        arguments.add(["--uid", USER, "--gid", USER, "--cap-drop", "ALL"]);
        if self.network == Network::Allowed {
            arguments.add(["--share-net"]);
        }
        arguments.add(["--ro-bind", "/usr", "/usr"]);
        for folder in SYSTEM_FOLDERS {
            match std::fs::read_link(folder) {
                Ok(target) => arguments.place("--symlink", &target, Path::new(folder)),
                Err(_) => arguments.add(["--ro-bind-try", folder, folder]),
            }
        }
        let more: &[&str] = if self.network == Network::Allowed { &NETWORK_SETTINGS } else { &[] };
        for (name, _) in SETTINGS {
            let inside = Path::new("/etc").join(name);
            arguments.place("--ro-bind", &self.places.settings.join(name), &inside);
        }
        // Later ones cover earlier ones: with the network comes the machine's own list of hosts.
        for setting in MACHINE_SETTINGS.iter().chain(more) {
            arguments.add(["--ro-bind-try", setting, setting]);
        }
        arguments.add(["--proc", "/proc", "--dev", "/dev"]);
        arguments.place("--bind", &self.places.temporary, Path::new("/tmp"));
        arguments.place("--bind", &self.places.shared_memory, Path::new("/dev/shm"));
        // At the same paths as outside: an installed package has its own path written into its files.
        for folder in [&self.places.environment, &self.places.work] {
            arguments.place("--bind", folder, folder);
        }
        arguments.add(["--remount-ro", "/dev", "--remount-ro", "/"]);
        arguments.0
    }
}

#[derive(Default)]
struct Arguments(Vec<OsString>);

impl Arguments {
    fn add<const N: usize>(&mut self, words: [&str; N]) {
        self.0.extend(words.map(OsString::from));
    }

    fn place(&mut self, option: &str, from: &Path, to: &Path) {
        self.0.extend([option.into(), from.as_os_str().to_owned(), to.as_os_str().to_owned()]);
    }
}

/// True where a program of that name lies in one of the folders.
fn found(program: &str, folders: &str) -> bool {
    std::env::split_paths(folders).any(|folder| folder.join(program).is_file())
}

#[cfg(test)]
mod tests {
    use super::Sandbox;
    use crate::failure::Failure;

    #[test]
    fn a_machine_without_bubblewrap_is_told_and_never_taken_without_a_sandbox() {
        let empty = tempfile::tempdir().unwrap();
        let folders = empty.path().to_str().unwrap();
        let Err(Failure::Configuration { message, hint }) = Sandbox::Bubblewrap.check_in(folders) else {
            panic!("it was taken");
        };
        insta::assert_snapshot!(format!("{message}\n{}", hint.unwrap()), @r"
        the program `bwrap`, in which tests are run, is not installed
        install the package `bubblewrap`; where it cannot work, choose the sandbox `none`, which keeps tests apart from nothing
        ");
        assert!(Sandbox::None.check_in(folders).is_ok());
    }
}
