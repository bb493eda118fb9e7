//! `.conda`: a zip file with `metadata.json` and two tarballs, `info-<stem>.tar.zst` and
//! `pkg-<stem>.tar.zst`, all stored as they are.
//!
//! Some readers follow the list at the file's end, others the headers before each member. Where the two
//! differ, nobody can say what the package is, so they are compared, byte for byte of what lies between.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use flate2::Crc;
use serde_json::Value;
use zip::ZipArchive;
use zip::result::ZipError;

use super::contents::{Contents, Tarball};
use super::sums::{Summed, Sums};
use super::{ArchiveLimits, ArchiveProblem};
use crate::ecosystem::unpack::guard::{Allowance, Counted, Guarded, problem_of};
use crate::ecosystem::unpack::tarball::each_entry;
use crate::ecosystem::unpack::{UnpackProblem, refused};

/// The size of the record that ends a zip file. A comment may follow it elsewhere, but not here: a comment
/// that looks like such a record would be a second list.
const END_RECORD: usize = 22;
/// More members than any package has, and more bytes than the list of them ever has.
const MAX_MEMBERS: u16 = 16;
const MAX_DIRECTORY: u32 = 16 * 1024;
/// The fixed part of the header before a member.
const LOCAL_HEADER: usize = 30;
/// The flag of a member whose sizes follow it, in a record of up to this many bytes.
const SIZES_FOLLOW: u16 = 1 << 3;
const MAX_DESCRIPTOR: u64 = 24;
/// What `metadata.json` may have at most; it has about 30 bytes.
const MAX_METADATA: u64 = 64 * 1024;
/// The version of the format that is read here.
const FORMAT_VERSION: u64 = 2;

/// The members of a `.conda` file in the order in which they lie in it.
pub(super) struct Members(Vec<Member>);

struct Member {
    name: Vec<u8>,
    role: Role,
    start: u64,
    data: u64,
    size: u64,
    crc: u32,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Role {
    Metadata,
    Tarball(Tarball),
}

impl Members {
    /// Reads the list at the end of `file` and puts it back to its beginning.
    pub(super) fn of_file(file: &mut File, size: u64, stem: &str) -> Result<Self, ArchiveProblem> {
        check_directory(file, size)?;
        let mut archive = ZipArchive::new(&mut *file).map_err(damaged)?;
        let end = archive.central_directory_start();
        let mut members = Vec::new();
        for position in 0..archive.len() {
            let member = archive.by_index_raw(position).map_err(damaged)?;
            let name = member.name_raw().to_vec();
            if member.compression() != zip::CompressionMethod::Stored || member.encrypted() {
                return Err(refused(&name, "members of a .conda file are stored as they are").into());
            }
            let role = role_of(&name, stem)?;
            if members.iter().any(|other: &Member| other.name == name) {
                return Err(
                    refused(&name, "there is one already, and readers would differ on which counts").into()
                );
            }
            let data = member.data_start().ok_or_else(|| gap(&name))?;
            let (start, size, crc) = (member.header_start(), member.compressed_size(), member.crc32());
            members.push(Member { name, role, start, data, size, crc });
        }
        file.seek(SeekFrom::Start(0)).map_err(UnpackProblem::Disk)?;
        members.sort_by_key(|member| member.start);
        check_order(&members, end)?;
        if members.len() != 3 {
            let missing = "one of `metadata.json`, `info-*.tar.zst` and `pkg-*.tar.zst` is missing";
            return Err(UnpackProblem::Damaged(missing.to_owned()).into());
        }
        Ok(Self(members))
    }

    /// Reads the members in order, and the file to its end.
    pub(super) fn read(
        self,
        mut summed: Summed,
        contents: &mut Contents,
        limits: &ArchiveLimits,
    ) -> Result<Sums, ArchiveProblem> {
        let mut allowance = Allowance::new(&limits.unpack);
        let mut at = 0;
        for member in &self.0 {
            skip(&mut summed, member.start - at)?;
            check_header(&mut summed, member)?;
            let mut data = Checked { inner: (&mut summed).take(member.size), crc: Crc::new() };
            match member.role {
                Role::Metadata => check_metadata(&mut data)?,
                Role::Tarball(tarball) => {
                    let (counted, compressed) = Counted::new(&mut data);
                    let decoder = zstd::Decoder::new(counted).map_err(problem_of)?;
                    let guarded = Guarded::new(decoder, compressed, &mut allowance);
                    each_entry(guarded, |name, kind, reader| contents.take(tarball, (name, kind), reader))?;
                }
            }
            data.finish(member)?;
            at = member.data + member.size;
        }
        contents.unpacked = allowance.unpacked();
        Ok(summed.finish().map_err(problem_of)?)
    }
}

fn role_of(name: &[u8], stem: &str) -> Result<Role, UnpackProblem> {
    if name == b"metadata.json" {
        return Ok(Role::Metadata);
    }
    let parts = [("info-", Tarball::Info), ("pkg-", Tarball::Package)];
    let tarball = parts.iter().find_map(|(prefix, tarball)| {
        Some((name.strip_prefix(prefix.as_bytes())?.strip_suffix(b".tar.zst")?, *tarball))
    });
    match tarball {
        Some((inside, tarball)) if inside == stem.as_bytes() => Ok(Role::Tarball(tarball)),
        Some(_) => Err(refused(
            name,
            "it is of another build than the file's name says; rename the file, or build it again",
        )),
        None => Err(refused(name, "a .conda file holds metadata.json, an info tarball and a pkg tarball")),
    }
}

/// Checks that the members lie one after the other from the file's beginning, with nothing between them.
fn check_order(members: &[Member], end: u64) -> Result<(), UnpackProblem> {
    let mut at = 0;
    for member in members {
        let between = member.start.checked_sub(at).ok_or_else(|| gap(&member.name))?;
        let header = member.data.checked_sub(member.start).ok_or_else(|| gap(&member.name))?;
        let most_between = if at == 0 { 0 } else { MAX_DESCRIPTOR };
        if between > most_between || header < (LOCAL_HEADER + member.name.len()) as u64 {
            return Err(gap(&member.name));
        }
        at = member.data.checked_add(member.size).ok_or_else(|| gap(&member.name))?;
    }
    match end.checked_sub(at) {
        Some(between) if between <= MAX_DESCRIPTOR => Ok(()),
        _ => Err(UnpackProblem::Damaged("its list of members does not fit what lies in it".to_owned())),
    }
}

fn gap(name: &[u8]) -> UnpackProblem {
    refused(name, "it overlaps with another member, or something lies between them that no list has")
}

/// Reads the header before a member, which has to say the same as the list.
fn check_header(summed: &mut Summed, member: &Member) -> Result<(), UnpackProblem> {
    let differs = || refused(&member.name, "the header before it and the list at the end differ");
    let mut header = vec![0; (member.data - member.start) as usize];
    summed.read_exact(&mut header).map_err(problem_of)?;
    let u16_at = |at: usize| u16::from_le_bytes([header[at], header[at + 1]]);
    let u32_at = |at: usize| u32::from_le_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
    let name_end = LOCAL_HEADER + usize::from(u16_at(26));
    let whole = name_end + usize::from(u16_at(28));
    let method = u16_at(8);
    if u32_at(0) != 0x0403_4b50 || method != 0 || whole != header.len() {
        return Err(differs());
    }
    if header[LOCAL_HEADER..name_end] != member.name {
        return Err(differs());
    }
    // The highest value means that the size stands in the 64-bit record, which the zip crate has read.
    let size_fits = |size: u32| size == u32::MAX || u64::from(size) == member.size;
    let sizes_follow = u16_at(6) & SIZES_FOLLOW != 0;
    let fits = u32_at(14) == member.crc && size_fits(u32_at(18)) && size_fits(u32_at(22));
    if fits || sizes_follow { Ok(()) } else { Err(differs()) }
}

fn check_metadata(reader: &mut impl Read) -> Result<(), UnpackProblem> {
    let mut bytes = Vec::new();
    reader.take(MAX_METADATA).read_to_end(&mut bytes).map_err(problem_of)?;
    let metadata: Option<Value> = serde_json::from_slice(&bytes).ok();
    let version = metadata.as_ref().and_then(|metadata| metadata.get("conda_pkg_format_version"));
    if version.and_then(Value::as_u64) != Some(FORMAT_VERSION) {
        return Err(refused(b"metadata.json", "it does not say `conda_pkg_format_version: 2`"));
    }
    Ok(())
}

fn skip(summed: &mut Summed, bytes: u64) -> Result<(), UnpackProblem> {
    io::copy(&mut summed.take(bytes), &mut io::sink()).map(drop).map_err(problem_of)
}

/// A member's bytes with their checksum.
struct Checked<R> {
    inner: io::Take<R>,
    crc: Crc,
}

impl<R: Read> Read for Checked<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.crc.update(&buffer[..read]);
        Ok(read)
    }
}

impl<R: Read> Checked<R> {
    /// Reads what is left and compares the checksum with the list's.
    fn finish(mut self, member: &Member) -> Result<(), UnpackProblem> {
        io::copy(&mut self, &mut io::sink()).map_err(problem_of)?;
        if self.inner.limit() > 0 {
            return Err(UnpackProblem::Damaged("it ends too early".to_owned()));
        }
        if self.crc.sum() != member.crc {
            let name = String::from_utf8_lossy(&member.name);
            return Err(UnpackProblem::Damaged(format!("the checksum of `{name}` is another")));
        }
        Ok(())
    }
}

/// Looks at the record that ends the file before the zip crate reads the list of members into memory.
fn check_directory(file: &mut File, size: u64) -> Result<(), UnpackProblem> {
    let no_record = || {
        UnpackProblem::Damaged("it has no zip directory: it ends too early, or is no .conda file".to_owned())
    };
    let mut record = [0; END_RECORD];
    let start = size.checked_sub(END_RECORD as u64).ok_or_else(no_record)?;
    file.seek(SeekFrom::Start(start)).map_err(UnpackProblem::Disk)?;
    file.read_exact(&mut record).map_err(UnpackProblem::Disk)?;
    file.seek(SeekFrom::Start(0)).map_err(UnpackProblem::Disk)?;
    let u16_at = |at: usize| u16::from_le_bytes([record[at], record[at + 1]]);
    let u32_at = |at: usize| u32::from_le_bytes([record[at], record[at + 1], record[at + 2], record[at + 3]]);
    if u32_at(0) != 0x0605_4b50 || u16_at(20) != 0 {
        return Err(no_record());
    }
    let (members, directory, offset) = (u16_at(10), u32_at(12), u32_at(16));
    // The highest values would stand for the 64-bit form, which no file below 4 GiB needs.
    if members > MAX_MEMBERS || directory > MAX_DIRECTORY || offset == u32::MAX {
        return Err(UnpackProblem::Damaged(format!(
            "its list names {members} members in {directory} bytes, where three belong"
        )));
    }
    Ok(())
}

fn damaged(error: ZipError) -> UnpackProblem {
    match error {
        ZipError::Io(error) => problem_of(error),
        other => UnpackProblem::Damaged(other.to_string()),
    }
}
