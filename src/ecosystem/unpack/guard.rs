//! Reading within limits: how much comes out, measured against how much went in.

use std::cell::Cell;
use std::io::{self, Read};
use std::rc::Rc;

use super::{UnpackLimits, UnpackProblem};

/// Counts what is read from the archive itself.
pub(in crate::ecosystem) struct Counted<R> {
    inner: R,
    count: Rc<Cell<u64>>,
}

impl<R> Counted<R> {
    pub(in crate::ecosystem) fn new(inner: R) -> (Self, Rc<Cell<u64>>) {
        let count = Rc::new(Cell::new(0));
        (Self { inner, count: Rc::clone(&count) }, count)
    }
}

impl<R: Read> Read for Counted<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        self.count.set(self.count.get() + read as u64);
        Ok(read)
    }
}

/// How much may still be unpacked.
pub(in crate::ecosystem) struct Allowance {
    limits: UnpackLimits,
    unpacked: u64,
}

impl Allowance {
    pub(in crate::ecosystem) fn new(limits: &UnpackLimits) -> Self {
        Self { limits: *limits, unpacked: 0 }
    }

    /// How much was unpacked.
    pub(in crate::ecosystem) fn unpacked(&self) -> u64 {
        self.unpacked
    }

    /// Takes `more` unpacked bytes into account, which came from `compressed` bytes in all.
    pub(in crate::ecosystem) fn spend(&mut self, more: usize, compressed: u64) -> Result<(), UnpackProblem> {
        self.unpacked += more as u64;
        if self.unpacked > self.limits.unpacked {
            return Err(UnpackProblem::UnpacksTooLarge { limit: self.limits.unpacked });
        }
        let most = compressed.max(1).saturating_mul(self.limits.ratio);
        if self.unpacked > self.limits.ratio_from && self.unpacked > most {
            return Err(UnpackProblem::Bomb { ratio: self.limits.ratio });
        }
        Ok(())
    }
}

/// A decompressor's output within an allowance.
pub(in crate::ecosystem) struct Guarded<'a, R> {
    inner: R,
    compressed: Rc<Cell<u64>>,
    allowance: &'a mut Allowance,
}

impl<'a, R> Guarded<'a, R> {
    pub(in crate::ecosystem) fn new(
        inner: R,
        compressed: Rc<Cell<u64>>,
        allowance: &'a mut Allowance,
    ) -> Self {
        Self { inner, compressed, allowance }
    }
}

impl<R: Read> Read for Guarded<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.inner.read(buffer)?;
        // The problem travels through the archive reader inside an I/O error; `problem_of` takes it out.
        self.allowance.spend(read, self.compressed.get()).map_err(io::Error::other)?;
        Ok(read)
    }
}

/// What an I/O error of an archive reader means.
pub(in crate::ecosystem) fn problem_of(error: io::Error) -> UnpackProblem {
    match error.downcast::<UnpackProblem>() {
        Ok(problem) => problem,
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            UnpackProblem::Damaged("it ends too early".to_owned())
        }
        Err(error) => UnpackProblem::Damaged(error.to_string()),
    }
}
