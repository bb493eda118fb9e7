//! Which changes of a channel's own list are proposed: the new address of a repository that was renamed or
//! transferred, and the removal of what a person asked to be taken out.

use std::collections::BTreeMap;

use crate::decide::words::listed;
use crate::digest::sha256_hex;
use crate::domain::{Listing, PackageName, Removal, RepositorySeen, sort_as_upstream};
use crate::github::RepositoryName;
use crate::github::markdown::{code, escape};

/// Everything that the rule looks at.
pub struct ListFacts<'f> {
    /// The distribution.
    pub distribution: &'f str,
    /// The channel.
    pub channel: &'f str,
    /// Its `packages.json`.
    pub listings: &'f [Listing],
    /// Repositories that are out of the ordinary, by package; none where moves are not to be proposed.
    pub repositories: &'f BTreeMap<PackageName, RepositorySeen>,
    /// Removals on request.
    pub removals: &'f BTreeMap<PackageName, Removal>,
}

/// One change of the list, as a pull request proposes it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListChange {
    /// Its key, from which the branch is named: the same for the same repository or package.
    pub key: String,
    /// The packages that it is about.
    pub packages: Vec<PackageName>,
    /// The whole list afterwards, in upstream's order.
    pub listings: Vec<Listing>,
    /// Tells changes apart by what they are about, whatever base they apply to.
    pub fingerprint: String,
    /// The title, and the first line of the commit's message.
    pub title: String,
    /// The body, without the hidden marker.
    pub body: String,
}

/// The changes that the list needs, by key.
pub fn list_changes(facts: &ListFacts<'_>) -> Vec<ListChange> {
    let mut changes: Vec<ListChange> =
        moves(facts).into_iter().map(|((from, to), packages)| moved(facts, &from, &to, packages)).collect();
    let asked = |listing: &&Listing| removal(facts, &listing.package).is_some();
    let leaving = facts.listings.iter().filter(asked);
    changes.extend(
        leaving
            .filter_map(|listing| Some(removed(facts, &listing.package, removal(facts, &listing.package)?))),
    );
    changes.sort_by(|one, two| one.key.cmp(&two.key));
    changes
}

fn removal<'f>(facts: &ListFacts<'f>, package: &str) -> Option<&'f Removal> {
    facts.removals.get(package).filter(|removal| removal.covers(facts.channel))
}

/// What moved: the packages of each repository by its old and its new name.
fn moves(facts: &ListFacts<'_>) -> BTreeMap<(String, String), Vec<PackageName>> {
    let mut moves: BTreeMap<(String, String), Vec<PackageName>> = BTreeMap::new();
    for listing in facts.listings {
        let Ok(listed) = RepositoryName::from_url(&listing.url) else { continue };
        let Some(seen) = facts.repositories.get(&listing.package) else { continue };
        let Some(to) = seen.moved.as_ref().and_then(|moved| moved.to.parse::<RepositoryName>().ok()) else {
            continue;
        };
        // A repository that is gone under its new name too is no address to write down.
        let fits = seen.missing.is_none() && seen.listed.eq_ignore_ascii_case(listed.as_str());
        if fits && removal(facts, &listing.package).is_none() {
            moves.entry((listed.to_string(), to.to_string())).or_default().push(listing.package.clone());
        }
    }
    moves
}

fn moved(facts: &ListFacts<'_>, from: &str, to: &str, packages: Vec<PackageName>) -> ListChange {
    let url = format!("https://github.com/{to}");
    let mut listings = facts.listings.to_vec();
    for listing in listings.iter_mut().filter(|listing| packages.contains(&listing.package)) {
        listing.url.clone_from(&url);
    }
    // No owner's name has a full stop, and no package's a hyphen: no other proposal has this key.
    let key = format!("{}/moved.{}", facts.channel, from.to_ascii_lowercase().replace('/', "--"));
    let owner = |name: &str| name.split_once('/').map(|(owner, _)| owner.to_owned()).unwrap_or_default();
    let (old_owner, new_owner) = (owner(from), owner(to));
    let transferred = !old_owner.eq_ignore_ascii_case(&new_owner);
    let how = if transferred { "transferred" } else { "renamed" };
    let names: Vec<String> = packages.iter().map(|package| code(package)).collect();
    let mut body = format!(
        "The repository of {} was {how}: {} is {} now, and GitHub leads from the old name to the new one.\n\n",
        listed(&names),
        code(from),
        code(to),
    );
    if transferred {
        body += &format!(
            "**This is a transfer to another owner**, from {} to {}: whoever owns a repository decides what users \
             install. Please make sure that it is meant.\n\n",
            code(&old_owner),
            code(&new_owner)
        );
    }
    body += &format!(
        "**Moderators:** please merge this, or close it to keep the old address.\n\n\
         ### What happens next\n\n\
         - Releases are followed under the new name already, whether this is merged or not.\n\
         - The old name leads there only until somebody makes a repository of that name: then whoever reads \
         {} finds that one instead.\n\
         - Closed without being merged, exactly this is not proposed again.\n",
        code("packages.json"),
    );
    ListChange {
        key,
        listings,
        fingerprint: fingerprint(&format!("moved {from} {to} {}", packages.join(" "))),
        title: format!("Follow {from} to {to}"),
        body,
        packages,
    }
}

fn removed(facts: &ListFacts<'_>, package: &str, removal: &Removal) -> ListChange {
    let mut listings: Vec<Listing> =
        facts.listings.iter().filter(|listing| listing.package != package).cloned().collect();
    sort_as_upstream(&mut listings);
    let channel = facts.channel;
    let undo = format!("tidegate remove {package} --distribution {} --undo", facts.distribution);
    let body = format!(
        "{} leaves {} on request: {}.\n\n\
         **Moderators:** please merge this. Nothing of it is promoted any more in the meantime.\n\n\
         ### What happens next\n\n\
         - Asked for by {} at {}.\n\
         - No job takes it in again, and the next snapshot leaves it out. Published snapshots stay as they are.\n\
         - Where this list is made from another place, such as contributions, it has to go there as well.\n\
         - To undo it, an operator runs {}.\n",
        code(package),
        escape(channel),
        escape(removal.reason.trim_end_matches('.')),
        escape(&removal.by),
        removal.at,
        code(&undo),
    );
    ListChange {
        key: format!("{channel}/removal-{package}"),
        packages: vec![package.to_owned()],
        listings,
        fingerprint: fingerprint(&format!("removed {package} {}", removal.at)),
        title: format!("Remove {package} from {channel} on request"),
        body,
    }
}

fn fingerprint(about: &str) -> String {
    sha256_hex(about.as_bytes()).chars().take(16).collect()
}
