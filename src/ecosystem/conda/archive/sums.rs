//! The checksums of a file, taken while it is read for something else.

use crate::digest::hex;
use std::fs::File;
use std::io::{self, Read};

use md5::Md5;
use sha2::{Digest as _, Sha256};

/// How much is read at once.
const BUFFER: usize = 128 * 1024;

/// The sums of a file, as an index lists them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sums {
    /// Its sha256 in lower-case hexadecimal digits.
    pub sha256: String,
    /// Its md5 in lower-case hexadecimal digits, which old readers ask for.
    pub md5: String,
    /// Its size in bytes.
    pub size: u64,
}

/// A file that is summed as it is read, from its beginning and without a seek.
pub(super) struct Summed {
    file: io::Take<File>,
    buffer: Vec<u8>,
    /// The part of the buffer that was not handed out yet.
    rest: std::ops::Range<usize>,
    sha256: Sha256,
    md5: Md5,
    size: u64,
}

impl Summed {
    /// Reads `file`, which has `size` bytes. One byte more is let through, so that a file that grew is noticed.
    pub(super) fn new(file: File, size: u64) -> Self {
        Self {
            file: file.take(size.saturating_add(1)),
            buffer: vec![0; BUFFER],
            rest: 0..0,
            sha256: Sha256::new(),
            md5: Md5::new(),
            size: 0,
        }
    }

    /// Reads what is left and gives the sums of the whole file.
    pub(super) fn finish(mut self) -> io::Result<Sums> {
        self.rest = 0..0;
        while self.fill()? > 0 {
            self.rest = 0..0;
        }
        Ok(Sums { sha256: hex(&self.sha256.finalize()), md5: hex(&self.md5.finalize()), size: self.size })
    }

    fn fill(&mut self) -> io::Result<usize> {
        let read = self.file.read(&mut self.buffer)?;
        self.sha256.update(&self.buffer[..read]);
        self.md5.update(&self.buffer[..read]);
        self.size += read as u64;
        self.rest = 0..read;
        Ok(read)
    }
}

impl Read for Summed {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.rest.is_empty() && self.fill()? == 0 {
            return Ok(0);
        }
        let many = buffer.len().min(self.rest.len());
        buffer[..many].copy_from_slice(&self.buffer[self.rest.start..self.rest.start + many]);
        self.rest.start += many;
        Ok(many)
    }
}
