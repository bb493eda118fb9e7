//! A machine of its own: the shipped configuration in a folder, with its state beside it and a GitHub
//! that is not the real one.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use tidegate::config::shipped_texts;

use super::{Ran, run_at, run_from};

pub struct Place(tempfile::TempDir);

impl Place {
    /// A place whose GitHub answers at `api`.
    pub fn new(api: &str) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let root = folder.path();
        std::fs::create_dir_all(root.join("config/distributions")).unwrap();
        std::fs::create_dir(root.join("jobs")).unwrap();
        std::fs::write(root.join("token"), "a-token-of-the-tests\n").unwrap();
        for (path, text) in shipped_texts() {
            let text = match path.ends_with("tidegate.toml") {
                true => text
                    .replace("https://api.github.com", api)
                    .replace("/var/lib/tidegate", "../state")
                    .replace("/srv/tidegate", "../published")
                    .replace("{ credential = \"github-token\" }", "{ file = \"../token\" }"),
                false => text,
            };
            std::fs::write(root.join(path), text).unwrap();
        }
        Self(folder)
    }

    /// A place from which nothing outside can be reached.
    pub fn apart() -> Self {
        Self::new("http://127.0.0.1:9")
    }

    pub fn path(&self, relative: &str) -> PathBuf {
        self.0.path().join(relative)
    }

    pub fn config(&self) -> PathBuf {
        self.path("config")
    }

    pub fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Runs a command here, on 20 August 2026 at noon.
    pub fn run<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        self.run_at("2026-08-20T12:00:00Z", arguments)
    }

    pub fn run_at<'a>(&self, now: &str, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        self.without_path(run_at(now, self.line(arguments)))
    }

    /// The same while time goes on.
    pub fn run_from<'a>(&self, now: &str, arguments: impl IntoIterator<Item = &'a str>) -> Ran {
        self.without_path(run_from(now, self.line(arguments)))
    }

    fn line<'a>(&self, arguments: impl IntoIterator<Item = &'a str>) -> Vec<OsString> {
        let mut line = vec![OsString::from("--config"), self.config().into()];
        line.extend(arguments.into_iter().map(OsString::from));
        line
    }

    /// What a command said, with this place's folder as `PLACE`.
    fn without_path(&self, ran: Ran) -> Ran {
        let cut = |text: String| text.replace(self.0.path().to_str().unwrap(), "PLACE");
        Ran { code: ran.code, out: cut(ran.out), err: cut(ran.err) }
    }
}

pub fn names_in(folder: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(folder).unwrap();
    let mut names: Vec<String> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}
