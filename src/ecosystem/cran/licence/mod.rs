//! Whether a licence is a free one, by the rules that R applies to the `License` field ("Writing R
//! Extensions", section "Licensing"): alternatives between `|`, each a licence known by name,
//! optionally with versions in parentheses and `+ file LICENSE`.
//!
//! R-multiverse accepts what R finds canonical and free. What R cannot tell (`file LICENSE` alone)
//! is not accepted there, and so is not free here.

mod table;

use std::cmp::Ordering;

use self::table::{LICENCES, Licence};
use crate::domain::RVersion;

/// No real licence field comes near this.
const MAX_BYTES: usize = 10_000;

/// True where `license` is canonical and one of its alternatives is a free licence; false where it
/// is not; none where the field is missing, which R-multiverse does not count as an issue.
pub fn foss(license: &str) -> Option<bool> {
    let license = license.trim();
    if license.is_empty() {
        return None;
    }
    if license.len() > MAX_BYTES {
        return Some(false);
    }
    // R drops what follows a last `|`, and nothing else that is empty.
    let alternatives = license.strip_suffix('|').unwrap_or(license).split('|');
    let judged: Option<Vec<Judgement>> = alternatives.map(|alternative| judge(alternative.trim())).collect();
    Some(judged.is_some_and(|judged| judged.contains(&Judgement::Free)))
}

/// What a well-formed alternative amounts to.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Free,
    Restricted,
    /// The terms are in a file that nobody has read.
    OwnTerms,
}

/// Judges one alternative; none where it is not written as R wants it.
fn judge(alternative: &str) -> Option<Judgement> {
    match alternative {
        "Unlimited" => return Some(Judgement::Free),
        "file LICENSE" | "file LICENCE" => return Some(Judgement::OwnTerms),
        _ => {}
    }
    let base = match alternative.split_once('+') {
        Some((base, file)) if matches!(file.trim(), "file LICENSE" | "file LICENCE") => base.trim_end(),
        Some(_) => return None,
        None => alternative,
    };
    let meant = licences_meant(base)?;
    // A range that no known version lies in (`GPL (>= 4)`) is taken, as R does.
    let all_free = meant.iter().all(|licence| licence.foss);
    Some(if all_free { Judgement::Free } else { Judgement::Restricted })
}

/// The licences that `base` can mean; none where R would not know it.
fn licences_meant(base: &str) -> Option<Vec<&'static Licence>> {
    if let Some((title, rest)) = base.split_once('(') {
        let versions = versions_of(title.trim_end())?;
        let ranges = rest.strip_suffix(')')?.split(',').map(Range::parse).collect::<Option<Vec<_>>>()?;
        let inside = |licence: &&Licence| ranges.iter().all(|range| range.holds(licence.version));
        return Some(versions.into_iter().filter(inside).collect());
    }
    let named: Vec<_> = LICENCES.iter().filter(|licence| has_title(licence, base)).collect();
    if !named.is_empty() {
        return Some(named);
    }
    let exact: Vec<_> = LICENCES.iter().filter(|licence| is_exact(licence, base)).collect();
    Some(exact).filter(|exact| !exact.is_empty())
}

/// All versions of the licence called `title`; none where it is unknown or has no versions.
fn versions_of(title: &str) -> Option<Vec<&'static Licence>> {
    let versions: Vec<_> =
        LICENCES.iter().filter(|licence| has_title(licence, title) && !licence.version.is_empty()).collect();
    Some(versions).filter(|versions| !versions.is_empty())
}

fn has_title(licence: &Licence, title: &str) -> bool {
    licence.name == title || (!licence.abbreviation.is_empty() && licence.abbreviation == title)
}

/// True where `text` names this very version: `GPL-2`, `Apache License 2.0`, `Apache License version 2.0`.
fn is_exact(licence: &Licence, text: &str) -> bool {
    if licence.version.is_empty() {
        return false;
    }
    let after_name = text.strip_prefix(licence.name).and_then(|rest| rest.strip_prefix(' '));
    let version = after_name
        .map(|rest| rest.strip_prefix("Version ").or_else(|| rest.strip_prefix("version ")).unwrap_or(rest));
    version == Some(licence.version) || (!licence.short.is_empty() && licence.short == text)
}

/// One condition on a version, such as `>= 2`.
struct Range {
    allowed: &'static [Ordering],
    version: RVersion,
}

impl Range {
    fn parse(text: &str) -> Option<Self> {
        const OPERATORS: [(&str, &[Ordering]); 6] = [
            (">=", &[Ordering::Greater, Ordering::Equal]),
            ("<=", &[Ordering::Less, Ordering::Equal]),
            ("==", &[Ordering::Equal]),
            ("!=", &[Ordering::Less, Ordering::Greater]),
            (">", &[Ordering::Greater]),
            ("<", &[Ordering::Less]),
        ];
        let text = text.trim();
        let (allowed, version) = OPERATORS.iter().find_map(|(operator, allowed)| {
            text.strip_prefix(operator).map(|rest| (*allowed, rest.trim()))
        })?;
        if !version.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.' || byte == b'-') {
            return None;
        }
        Some(Self { allowed, version: comparable(version)? })
    }

    fn holds(&self, version: &str) -> bool {
        comparable(version).is_some_and(|version| self.allowed.contains(&version.cmp(&self.version)))
    }
}

/// A licence's version without zeros at its end: `2` and `2.0` are the same version of a licence.
fn comparable(version: &str) -> Option<RVersion> {
    let parsed = RVersion::parse(version).ok()?;
    let shortened = parsed.as_str().trim_end_matches(".0");
    RVersion::parse(shortened).ok()
}

#[cfg(test)]
mod tests {
    use super::foss;

    /// What R itself answered (`tools:::analyze_license` of R 4.2.2: canonical, and free or verified).
    const FREE: &[&str] = &[
        "GPL-2",
        "GPL-3",
        "GPL (>= 2)",
        "GPL (>= 2.0)",
        "GPL",
        "MIT + file LICENSE",
        "MIT + file LICENCE",
        "MIT",
        "MIT License",
        "Apache License (>= 2)",
        "Apache License (== 2.0)",
        "Apache License 2.0",
        "Apache License Version 2.0",
        "Apache License version 2.0",
        "Apache License",
        "Apache License 1.1",
        "Apache License (< 2)",
        "MPL-2.0",
        "MPL-1.1",
        "MPL (>= 2)",
        "MPL",
        "MPL (== 1.1)",
        "Mozilla Public License 2.0",
        "Mozilla Public License version 1.1",
        "GPL-3 | file LICENSE",
        "file LICENSE | GPL-2",
        "GPL-2 | GPL-3",
        "GPL-2 | MIT + file LICENSE",
        "CC0",
        "CC0 + file LICENSE",
        "CC BY 4.0",
        "CC BY-SA 4.0",
        "Creative Commons Attribution 4.0 International License",
        "Unlimited",
        "Unlimited | file LICENSE",
        "Artistic-2.0",
        "Artistic License 2.0",
        "Artistic License (>= 2)",
        "Artistic License (> 1)",
        "Artistic License (!= 1.0)",
        "Artistic License (>= 99)",
        "Artistic-1.0 | GPL-2",
        "ACM | GPL-2",
        "BSD_3_clause + file LICENSE",
        "BSD_3_clause",
        "BSD_2_clause + file LICENSE",
        "BSD 3-clause License + file LICENSE",
        "BSD",
        "Modified BSD License",
        "BSL",
        "BSL-1.0",
        "BSL (>= 1.0)",
        "Boost Software License",
        "LGPL",
        "LGPL-2",
        "LGPL-2.1",
        "LGPL-3",
        "LGPL (>= 2.1)",
        "LGPL (>= 2.0, < 3) | Mozilla Public License",
        "AGPL-3",
        "AGPL",
        "AGPL (>= 3)",
        "AGPL-3 + file LICENSE",
        "GPL (>= 2) + file LICENSE",
        "EUPL",
        "EUPL-1.1",
        "EUPL (>= 1.2)",
        "CeCILL",
        "CeCILL-2",
        "CeCILL 2",
        "CeCILL (>= 2)",
        "CPL-1.0",
        "CPL (>= 2)",
        "Common Public License Version 1.0",
        "EPL-1.0",
        "EPL (>= 2.0)",
        "Lucent Public License",
        "Lucent Public License 1.02",
        "Zlib",
        "zlib License",
        "FreeBSD",
        "FreeBSD License",
        "GNU General Public License",
        "GNU General Public License version 2",
        "GNU General Public License 3",
        "GNU Library General Public License 2",
        "GPL(>=2)",
        "GPL ( >= 2 )",
        "GPL (>= 2 , < 3)",
        "GPL (>= 2, != 3)",
        "GPL (>= 99)",
        "GPL (>= 2-1)",
        " GPL-3 ",
        "GPL-3|file LICENSE",
        "GPL-2 |",
        "MIT+file LICENSE",
        "GPL-2\n  + file LICENSE",
        "GPL-2\n| GPL-3",
        "GPL\t(>= 2)",
    ];

    const NOT_FREE: &[&str] = &[
        "file LICENSE",
        "file LICENCE",
        "file  LICENSE",
        "LICENSE",
        "Apache-2.0",
        "Apache",
        "Apache License 2",
        "Apache License 3.0",
        "Apache License, Version 2.0",
        "Apache License (version 2.0)",
        "GPL-1",
        "GPL-4",
        "GPL-2.0",
        "GPL-3.0",
        "GPL-2.0-or-later",
        "GPL >= 2",
        "GPL 3",
        "GPL version 2",
        "GPL (2)",
        "GPL (= 2)",
        "GPL (=> 2)",
        "GPL (>= )",
        "GPL ()",
        "GPL (>= 2.x)",
        "GPL (>= 2; < 3)",
        "GPL (>= 2, )",
        "GPL (>= 2),",
        "GPL (>= 2) (>= 3)",
        "GPL-2, GPL-3",
        "gpl-3",
        "LGPL-2.0",
        "MPL-2",
        "EUPL 1.1",
        "LPL-1.02",
        "X11",
        "Python-2.0",
        "WTFPL",
        "Proprietary",
        "GPL-3 | Proprietary",
        "Artistic",
        "Artistic-1.0",
        "Artistic License (>= 1)",
        "Artistic License (== 1)",
        "Artistic-1.0 | file LICENSE",
        "ACM",
        "ACM-1998",
        "ACM + file LICENSE",
        "CC BY-NC 4.0",
        "CC BY-NC-SA 4.0",
        "CC BY-NC-ND 4.0",
        "CC BY-NC 4.0 + file LICENSE",
        "CC BY 3.0",
        "CC BY (>= 4)",
        "CC0-1.0",
        "CC0 (>= 1)",
        "MIT (>= 2)",
        "MIT Version 2",
        "MIT file LICENSE",
        "MIT + LICENSE",
        "MIT + file license",
        "MIT + file LICENSE.md",
        "MIT + file LICENSE + file LICENSE",
        "Unlimited + file LICENSE",
        "unlimited",
        "| GPL-2",
        "GPL-2 || GPL-3",
        "|",
        "What license is it under?",
        "MIT\tLicense",
        "NOT FOUND",
    ];

    #[test]
    fn licences_are_judged_as_r_judges_them() {
        for license in FREE {
            assert_eq!(foss(license), Some(true), "{license}");
        }
        for license in NOT_FREE {
            assert_eq!(foss(license), Some(false), "{license}");
        }
    }

    #[test]
    fn versions_that_newer_r_added_are_known() {
        assert_eq!(foss("EUPL-1.2"), Some(true));
        assert_eq!(foss("European Union Public License 1.2"), Some(true));
    }

    #[test]
    fn a_missing_licence_is_neither_free_nor_not() {
        assert_eq!(foss(""), None);
        assert_eq!(foss(" \n"), None);
    }

    #[test]
    fn an_absurdly_long_licence_is_refused() {
        assert_eq!(foss(&"GPL-2 | ".repeat(100_000)), Some(false));
    }
}
