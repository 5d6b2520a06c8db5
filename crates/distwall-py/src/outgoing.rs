//! Accepted bytes on their way to one side, where they are too many to be handed out at once.
//!
//! # Theory of operation
//!
//! A message may have more than a hundred megabytes. To copy them all for Python, or to encrypt them, would hold all other
//! channels up. So they are handed out in pieces, one in each slice of the side that they come from. Until all are out, no
//! more bytes of that side are taken. Other bytes for the same receiver wait behind them, or they would stand in the midst
//! of a frame.

use std::collections::VecDeque;
use std::mem::take;
use std::ops::Range;
use std::sync::Arc;

use distwall_wire::wire::byte_buffer::ByteBuffer;
use distwall_wire::{Output, Segment};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyList};

use crate::disposal::dispose;

/// Bytes of a piece: twice as many as a read brings.
const PIECE: usize = 1 << 19;

/// A part of a buffer.
struct Run {
    buffer: Arc<ByteBuffer>,
    range: Range<usize>,
}

/// Bytes for one side, in order.
#[derive(Default)]
pub struct Outgoing {
    runs: VecDeque<Run>,
    /// Bytes of the runs.
    left: usize,
    /// Bytes of memory of their buffers.
    kept: usize,
}

/// True if the results are too many to be handed out at once.
pub fn is_too_long(output: &Output) -> bool {
    let kept = output.kept.iter().map(|kept| kept.len());
    kept.sum::<usize>() + output.made.len() > PIECE
}

impl Outgoing {
    pub fn is_empty(&self) -> bool {
        self.runs.is_empty()
    }

    /// Bytes that are not handed out.
    pub fn left(&self) -> u64 {
        self.left as u64
    }

    /// Bytes of memory.
    pub fn kept(&self) -> u64 {
        self.kept as u64
    }

    /// Adds accepted bytes. `input`: the bytes that came in.
    pub fn add(&mut self, output: &mut Output, input: &[u8]) {
        let made = self.buffer(take(&mut output.made).into());
        let kept: Vec<_> = output.kept.drain(..).map(|kept| self.buffer(kept)).collect();
        for segment in output.forward.drain(..) {
            match segment {
                Segment::Input(range) => self.add_bytes(input.get(range).unwrap_or_default()),
                Segment::Made(range) => self.push(Arc::clone(&made), range),
                Segment::Kept(index, range) => {
                    if let Some(buffer) = kept.get(index) {
                        self.push(Arc::clone(buffer), range);
                    }
                }
            }
        }
        kept.into_iter().chain([made]).for_each(|buffer| self.let_go(buffer));
    }

    /// Adds bytes.
    pub fn add_bytes(&mut self, bytes: &[u8]) {
        let buffer = self.buffer(bytes.to_vec().into());
        self.push(buffer, 0..bytes.len());
    }

    /// The next piece, or all of it.
    pub fn hand_out<'py>(&mut self, py: Python<'py>, all: bool) -> PyResult<Bound<'py, PyList>> {
        let length = if all { self.left } else { self.left.min(PIECE) };
        let piece = PyBytes::new_with(py, length, |mut piece| {
            while let Some(run) = self.runs.front_mut() {
                let count = run.range.len().min(piece.len());
                let end = run.range.start + count;
                let (part, rest) = take(&mut piece).split_at_mut(count);
                part.copy_from_slice(run.buffer.get(run.range.start..end).unwrap_or_default());
                (piece, run.range.start, self.left) = (rest, end, self.left - count);
                if !run.range.is_empty() {
                    break;
                }
                if let Some(run) = self.runs.pop_front() {
                    self.let_go(run.buffer);
                }
            }
            Ok(())
        })?;
        PyList::new(py, [piece])
    }

    fn buffer(&mut self, buffer: ByteBuffer) -> Arc<ByteBuffer> {
        self.kept += buffer.kept();
        Arc::new(buffer)
    }

    fn push(&mut self, buffer: Arc<ByteBuffer>, range: Range<usize>) {
        self.left += range.len();
        self.runs.push_back(Run { buffer, range });
    }

    /// Gives the buffer's memory back if that was its last run.
    fn let_go(&mut self, buffer: Arc<ByteBuffer>) {
        if let Some(buffer) = Arc::into_inner(buffer) {
            self.kept -= buffer.kept();
            dispose([buffer]);
        }
    }
}

impl Drop for Outgoing {
    fn drop(&mut self) {
        while let Some(run) = self.runs.pop_front() {
            self.let_go(run.buffer);
        }
    }
}
