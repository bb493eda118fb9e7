//! `repository_dependencies.xml`: the repositories that a suite holds.
//!
//! The root `repositories` has an element `repository` for each, with `name`, `owner` and perhaps `toolshed`,
//! `changeset_revision` and, in hexylena's shed, `version`.

use std::collections::BTreeMap;

use quick_xml::XmlVersion;
use quick_xml::events::{BytesStart, Event};
use quick_xml::reader::Reader;

use super::{Repository, Required};

/// The most repositories of one suite; the largest real one has some hundreds.
const MOST: usize = 10_000;
const ROOT: &str = "repositories";
const MEMBER: &str = "repository";

/// The repositories in the order of the file, those of one name once. The error says what is wrong and where.
pub(super) fn read(text: &str) -> Result<Vec<Required>, String> {
    let mut reader = Reader::from_str(text);
    let mut members: Vec<Required> = Vec::new();
    let mut inside = Vec::new();
    let mut rooted = false;
    loop {
        let event = reader.read_event();
        let line = || line_at(text, reader.buffer_position());
        match event.map_err(|error| format!("line {}: no XML that can be read: {error}", line()))? {
            Event::Start(element) => {
                let entered = enter(&element, &inside, &mut members);
                rooted |= entered.map_err(|why| format!("line {}: {why}", line()))?;
                inside.push(element.local_name().as_ref().to_owned());
            }
            Event::Empty(element) => {
                let entered = enter(&element, &inside, &mut members);
                rooted |= entered.map_err(|why| format!("line {}: {why}", line()))?;
            }
            Event::End(_) => drop(inside.pop()),
            // Entities of its own could make a small file large.
            Event::DocType(_) => return Err(format!("line {}: a document type is not read", line())),
            Event::Eof if !inside.is_empty() => return Err("it ends too early".to_owned()),
            Event::Eof if !rooted => return Err("it holds no `repositories`".to_owned()),
            Event::Eof => return Ok(members),
            _ => {}
        }
    }
}

/// Takes an element in. True where it is the root.
fn enter(element: &BytesStart<'_>, inside: &[String], members: &mut Vec<Required>) -> Result<bool, String> {
    let name = element.local_name();
    match (name.as_ref(), inside) {
        (ROOT, []) => return Ok(true),
        (MEMBER, [root]) if root == ROOT => {}
        (other, _) => {
            let other: String = other.chars().take(60).collect();
            return Err(format!("`{other}` does not belong here"));
        }
    }
    let member = required(&attributes(element)?)?;
    match members.iter().find(|known| known.repository == member.repository) {
        Some(known) if *known == member => {}
        Some(_) => return Err(format!("{} is here twice, with different revisions", member.repository)),
        None if members.len() == MOST => return Err(format!("there are more than {MOST} repositories")),
        None => members.push(member),
    }
    Ok(false)
}

fn required(attributes: &BTreeMap<String, String>) -> Result<Required, String> {
    let given = |name: &str| attributes.get(name).map(|text| text.trim()).filter(|text| !text.is_empty());
    let needed = |name: &str| given(name).ok_or_else(|| format!("a repository has no `{name}`"));
    Ok(Required {
        repository: Repository::new(needed("name")?, Some(needed("owner")?), given("toolshed"))?,
        version: given("version").map(str::to_owned),
        changeset: given("changeset_revision").map(str::to_owned),
    })
}

/// The attributes of an element, with their entities replaced. One that is there twice is an error.
pub(super) fn attributes(element: &BytesStart<'_>) -> Result<BTreeMap<String, String>, String> {
    let mut all = BTreeMap::new();
    for attribute in element.attributes() {
        let attribute = attribute.map_err(|error| error.to_string())?;
        let name = attribute.key.as_ref().to_owned();
        let value = attribute
            .normalized_value(XmlVersion::Implicit1_0)
            .map_err(|error| format!("`{name}`: {error}"))?;
        all.insert(name, value.into_owned());
    }
    Ok(all)
}

/// The line of a position, counted from 1.
fn line_at(text: &str, position: u64) -> usize {
    let end = usize::try_from(position).unwrap_or(usize::MAX).min(text.len());
    1 + text.as_bytes()[..end].iter().filter(|byte| **byte == b'\n').count()
}
