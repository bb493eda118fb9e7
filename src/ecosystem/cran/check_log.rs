//! The log of `R CMD check`: which R wrote it, how it ended, and whether it got so far as to say anything of
//! the package.

use crate::domain::CheckLog;

/// The line that the version of R stands in.
const VERSION: &str = "* using R version ";
/// The line that every check which came to its end closes with.
const STATUS: &str = "Status: ";
/// The step that fails where a package is missing that the checked one needs. What R warns of meanwhile may
/// stand between it and its end.
const DEPENDENCIES: &str = "* checking package dependencies ...";
/// How that step says so (`tools:::.check_package_depends` of R 4). Its other complaints are about the package.
const MISSING: [&str; 4] = [
    "required but not available",
    "suggested but not available",
    "required and available but unsuitable version",
    "required for checking but not installed",
];
/// The longest line that is taken over.
const LONGEST: usize = 200;

/// Reads a log. What is not UTF-8 in it is passed over.
pub fn read(log: &[u8]) -> CheckLog {
    let text = String::from_utf8_lossy(log);
    let lines = || text.lines();
    let r =
        lines().find_map(|line| line.strip_prefix(VERSION)).and_then(|rest| rest.split_whitespace().next());
    // What a package prints may look like a status; only the last one is that of the check itself.
    let status = lines().rev().find_map(|line| line.strip_prefix(STATUS)).map(str::trim);
    CheckLog {
        r: r.filter(|r| is_version(r)).map(str::to_owned),
        status: status.filter(|status| is_status(status)).map(str::to_owned),
        unready: missing(&text),
    }
}

/// What the step of dependencies says is missing.
fn missing(text: &str) -> Option<String> {
    let step = text.lines().skip_while(|line| !line.starts_with(DEPENDENCIES)).skip(1);
    let said: Vec<&str> = step.take_while(|line| !line.starts_with("* ")).map(str::trim).collect();
    let at = said.iter().position(|line| MISSING.iter().any(|known| line.contains(known)))?;
    // The names follow on the same line, or on the next one where there are several.
    let names = if said[at].ends_with(':') { said.get(at + 1).copied().unwrap_or_default() } else { "" };
    let told: String = format!("{} {names}", said[at]).trim().chars().take(LONGEST).collect();
    Some(format!("what it needs is not installed where it was checked: {told}"))
}

/// `4.5.3`.
fn is_version(text: &str) -> bool {
    let numbers: Vec<&str> = text.split('.').collect();
    numbers.len() == 3 && numbers.iter().all(|part| part.len() <= 4 && part.parse::<u32>().is_ok())
}

/// `OK`, or numbers of errors, warnings and notes.
fn is_status(text: &str) -> bool {
    let counted = |part: &str| {
        part.trim().split_once(' ').is_some_and(|(number, what)| {
            number.parse::<u32>().is_ok()
                && ["ERROR", "ERRORs", "WARNING", "WARNINGs", "NOTE", "NOTEs"].contains(&what)
        })
    };
    text == "OK" || text.split(',').all(counted)
}

#[cfg(test)]
mod tests {
    use super::read;

    #[test]
    fn the_last_status_is_that_of_the_check_and_nothing_else_is_taken_for_one() {
        let log = "* using R version 4.5.3 (2026-03-11)\n  Status: OK\nStatus: OK\n* DONE\n\nStatus: 1 ERROR, 2 NOTEs\nSee\n";
        let said = read(log.as_bytes());
        assert_eq!((said.r.as_deref(), said.status.as_deref()), (Some("4.5.3"), Some("1 ERROR, 2 NOTEs")));
        assert_eq!(said.unready, None);
        for (text, status) in [
            ("Status: 1 WARNING\n", Some("1 WARNING")),
            ("Status: OK\nStatus: all is well\n", None),
            ("* using R version devel\n", None),
            ("* checking tests ...\n\u{fffd}", None),
        ] {
            let said = read(text.as_bytes());
            assert_eq!((said.r, said.status.as_deref()), (None, status), "{text}");
        }
    }

    #[test]
    fn a_missing_package_is_no_fault_of_the_checked_one() {
        let log = |said: &str| {
            format!("* checking package dependencies ... ERROR\n{said}\n\n* DONE\nStatus: 1 ERROR\n")
        };
        let said = read(log("Package required but not available: ‘rlang’").as_bytes()).unready;
        insta::assert_snapshot!(said.unwrap(), @"what it needs is not installed where it was checked: Package required but not available: ‘rlang’");
        let said = read(log("Packages required but not available:\n  'cli', 'rlang'").as_bytes()).unready;
        insta::assert_snapshot!(said.unwrap(), @"what it needs is not installed where it was checked: Packages required but not available: 'cli', 'rlang'");
        let warned = "* checking package dependencies ...Warning: no index\n ERROR\nPackage required but not \
                      available: ‘cli’\n* DONE\n";
        assert!(read(warned.as_bytes()).unready.is_some());
        assert_eq!(read(log("Namespace dependency not required: ‘rlang’").as_bytes()).unready, None);
    }

    proptest::proptest! {
        #[test]
        fn no_log_breaks_the_reader(log in proptest::collection::vec(proptest::num::u8::ANY, 0..400)) {
            read(&log);
        }
    }
}
