//! The licences that R knows by name: name, abbreviation, version and whether it is free and open.
//!
//! The facts are those of R's own list, as of R 4.5 (`share/licenses/license.db` in an installation of R).

/// One licence, or one version of it.
pub(super) struct Licence {
    /// The full name.
    pub(super) name: &'static str,
    /// The abbreviation, which is taken in place of the name; empty where there is none.
    pub(super) abbreviation: &'static str,
    /// The version; empty for a licence without versions.
    pub(super) version: &'static str,
    /// The short form of this very version, such as `GPL-2`; empty where there is none.
    pub(super) short: &'static str,
    /// True where it is free or open source software.
    pub(super) foss: bool,
}

const fn free(
    name: &'static str,
    abbreviation: &'static str,
    version: &'static str,
    short: &'static str,
) -> Licence {
    Licence { name, abbreviation, version, short, foss: true }
}

const fn restricted(
    name: &'static str,
    abbreviation: &'static str,
    version: &'static str,
    short: &'static str,
) -> Licence {
    Licence { name, abbreviation, version, short, foss: false }
}

/// All of them.
pub(super) const LICENCES: &[Licence] = &[
    free("GNU General Public License", "GPL", "2", "GPL-2"),
    free("GNU General Public License", "GPL", "3", "GPL-3"),
    free("GNU Library General Public License", "LGPL", "2", "LGPL-2"),
    free("GNU Lesser General Public License", "LGPL", "2.1", "LGPL-2.1"),
    free("GNU Lesser General Public License", "LGPL", "3", "LGPL-3"),
    free("GNU Affero General Public License", "AGPL", "3", "AGPL-3"),
    free("Apache License", "", "1.1", ""),
    free("Apache License", "", "2.0", ""),
    restricted("Artistic License", "", "1.0", "Artistic-1.0"),
    free("Artistic License", "", "2.0", "Artistic-2.0"),
    free("CeCILL", "CeCILL", "2", "CeCILL-2"),
    free("CeCILL", "CeCILL", "2.1", "CECILL-2.1"),
    free("FreeBSD License", "FreeBSD", "", ""),
    free("MIT License", "MIT", "", ""),
    free("Modified BSD License", "BSD", "", ""),
    free("BSD 2-clause License", "BSD_2_clause", "", ""),
    free("BSD 3-clause License", "BSD_3_clause", "", ""),
    free("Mozilla Public License", "MPL", "1.0", "MPL-1.0"),
    free("Mozilla Public License", "MPL", "1.1", "MPL-1.1"),
    free("Mozilla Public License", "MPL", "2.0", "MPL-2.0"),
    free("Common Public License", "CPL", "1.0", "CPL-1.0"),
    free("Eclipse Public License", "EPL", "1.0", "EPL-1.0"),
    free("Lucent Public License", "", "1.02", ""),
    free("European Union Public License", "EUPL", "1.1", "EUPL-1.1"),
    free("European Union Public License", "EUPL", "1.2", "EUPL-1.2"),
    free("Creative Commons Attribution 4.0 International License", "CC BY 4.0", "", ""),
    free("Creative Commons Attribution-ShareAlike 4.0 International License", "CC BY-SA 4.0", "", ""),
    restricted(
        "Creative Commons Attribution-NonCommercial 4.0 International License",
        "CC BY-NC 4.0",
        "",
        "",
    ),
    restricted(
        "Creative Commons Attribution-NonCommercial-ShareAlike 4.0 International License",
        "CC BY-NC-SA 4.0",
        "",
        "",
    ),
    restricted(
        "Creative Commons Attribution-NonCommercial-NoDerivs 4.0 International License",
        "CC BY-NC-ND 4.0",
        "",
        "",
    ),
    free("CC0", "CC0", "", ""),
    free("zlib License", "Zlib", "", ""),
    free("Boost Software License", "BSL", "1.0", "BSL-1.0"),
    restricted("ACM Software License Agreement", "ACM", "1998", "ACM-1998"),
];
