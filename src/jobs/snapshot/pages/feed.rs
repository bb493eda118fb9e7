//! The feed of snapshots, as Atom (RFC 4287). An entry's id is made of the address it was published under and never
//! changes; its times are the day of the snapshot and those of withdrawals, and not those of any clock.

use jiff::civil::Date;
use quick_xml::Writer;
use quick_xml::events::{BytesDecl, BytesText, Event};

use super::{FEED, Overview, link, sentence};
use crate::decide::words::counted;
use crate::jobs::snapshot::manifest::Manifest;

/// The namespace of Atom.
const ATOM: &str = "http://www.w3.org/2005/Atom";

/// How many snapshots the feed tells of: ten years of them.
const ENTRIES: usize = 40;

type Xml = Writer<Vec<u8>>;

/// The feed; none where nothing was published yet, since a feed without a time is none.
pub(crate) fn feed(overview: &Overview<'_>) -> anyhow::Result<Option<Vec<u8>>> {
    let (Some(oldest), Some(newest)) = (overview.manifests.first(), overview.manifests.last()) else {
        return Ok(None);
    };
    let mut xml = Writer::new_with_indent(Vec::new(), b' ', 2);
    xml.write_event(Event::Decl(BytesDecl::new("1.0", Some("utf-8"), None)))?;
    let updated = overview.manifests.iter().map(updated).max().unwrap_or_default();
    let title = format!("Snapshots of {}", overview.title);
    xml.create_element("feed").with_attribute(("xmlns", ATOM)).write_inner_content(|xml| {
        let id = tag(oldest, &format!("{}/snapshots", oldest.distribution));
        text(xml, "id", &id)?;
        text(xml, "title", &title)?;
        text(xml, "updated", &updated)?;
        if let Some(root) = root(newest) {
            let me = format!("{root}{FEED}");
            let attributes = [("rel", "self"), ("type", "application/atom+xml"), ("href", me.as_str())];
            xml.create_element("link").with_attributes(attributes).write_empty()?;
        }
        xml.create_element("author").write_inner_content(|xml| text(xml, "name", overview.title))?;
        for manifest in overview.manifests.iter().rev().take(ENTRIES) {
            xml.create_element("entry").write_inner_content(|xml| entry(xml, overview.title, manifest))?;
        }
        Ok(())
    })?;
    let mut bytes = xml.into_inner();
    bytes.push(b'\n');
    Ok(Some(bytes))
}

fn entry(xml: &mut Xml, title: &str, manifest: &Manifest) -> std::io::Result<()> {
    text(xml, "id", &tag(manifest, &format!("{}/snapshot", manifest.distribution)))?;
    text(xml, "title", &format!("{title} {}", manifest.date))?;
    text(xml, "published", &midnight(manifest.date))?;
    text(xml, "updated", &updated(manifest))?;
    if let Some(address) = link(&manifest.production) {
        let attributes = [("rel", "alternate"), ("type", "text/html"), ("href", address)];
        xml.create_element("link").with_attributes(attributes).write_empty()?;
    }
    text(xml, "summary", &summary(manifest))
}

fn summary(manifest: &Manifest) -> String {
    let mut summary = format!(
        "{} for R {}, {} left out. To be used with CRAN as of {}.",
        counted(manifest.packages.len(), "package"),
        manifest.r,
        manifest.left_out.len(),
        manifest.cran_date
    );
    for withdrawn in &manifest.withdrawn {
        let what = match &withdrawn.package {
            Some(package) => format!("{package} {}", withdrawn.version.as_deref().unwrap_or_default()),
            None => "The whole snapshot".to_owned(),
        };
        summary += &format!(" {} was withdrawn: {}", what.trim_end(), sentence(&withdrawn.reason));
    }
    summary
}

fn text(xml: &mut Xml, name: &str, text: &str) -> std::io::Result<()> {
    xml.create_element(name).write_text_content(BytesText::new(&in_xml(text))).map(drop)
}

/// Text without the characters that XML cannot hold at all.
fn in_xml(text: &str) -> String {
    let allowed = |letter: char| {
        let is_odd = letter.is_control() || matches!(letter, '\u{fffe}' | '\u{ffff}');
        matches!(letter, '\t' | '\n') || !is_odd
    };
    text.chars().map(|letter| if allowed(letter) { letter } else { ' ' }).collect()
}

/// The day of a snapshot, or the last thing that was withdrawn from it.
fn updated(manifest: &Manifest) -> String {
    let withdrawn = manifest.withdrawn.iter().map(|withdrawn| withdrawn.at).max();
    let withdrawn = withdrawn.map(|at| at.strftime("%Y-%m-%dT%H:%M:%SZ").to_string());
    withdrawn.unwrap_or_default().max(midnight(manifest.date))
}

fn midnight(date: Date) -> String {
    format!("{date}T00:00:00Z")
}

/// A tag URI (RFC 4151) of whoever publishes the snapshot.
fn tag(manifest: &Manifest, what: &str) -> String {
    let host = url::Url::parse(&manifest.production).ok();
    let host = host.as_ref().and_then(url::Url::host_str).unwrap_or("localhost");
    format!("tag:{host},{}:{what}", manifest.date)
}

/// The address above all snapshots, where the address of this one says it.
fn root(manifest: &Manifest) -> Option<&str> {
    let address = link(&manifest.production)?.trim_end_matches('/');
    address.strip_suffix(&manifest.date.to_string()).filter(|root| root.ends_with('/'))
}
