//! The results of one call of [`Channel::receive`](crate::Channel::receive).

use std::ops::Range;

use crate::session::events::Event;
use crate::session::hooks::Ask;
use crate::wire::byte_buffer::ByteBuffer;

/// A run of bytes for the other side, in order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Segment {
    /// A slice of the input, untouched.
    Input(Range<usize>),
    /// A slice of [`Output::made`].
    Made(Range<usize>),
    /// A slice of one of [`Output::kept`].
    Kept(usize, Range<usize>),
}

/// Most bytes of a buffer that are kept for the next call.
pub(crate) const KEPT: usize = 1 << 18;

/// Reused between calls.
#[derive(Default, Debug)]
pub struct Output {
    /// Bytes for the other side, in order.
    pub forward: Vec<Segment>,
    /// Bytes that are not in the input, but rebuilt or made by distwall.
    pub made: Vec<u8>,
    /// Frames or held messages that earlier input began and this input completed, also such as do not pass: to give back
    /// so much memory takes its time.
    pub kept: Vec<ByteBuffer>,
    /// Bytes for the side that sent the input.
    pub back: Vec<u8>,
    /// Refusals.
    pub events: Vec<Event>,
    /// Questions to the outside.
    pub asks: Vec<Ask>,
    /// The reason why the channel ends; None: it goes on.
    pub closed: Option<String>,
}

impl Output {
    /// Gives large buffers back, once the results are taken: the next input may not come for long.
    pub fn let_go(&mut self) {
        self.kept.clear();
        for bytes in [&mut self.made, &mut self.back] {
            if bytes.capacity() > KEPT {
                *bytes = Vec::new();
            }
        }
    }

    /// Makes room for the next results.
    pub fn clear(&mut self) {
        self.forward.clear();
        self.kept.clear();
        for bytes in [&mut self.made, &mut self.back] {
            bytes.clear();
            // What one large message needed is not kept for good.
            bytes.shrink_to(KEPT);
        }
        self.events.clear();
        self.asks.clear();
        self.closed = None;
    }

    pub(crate) fn input(&mut self, range: Range<usize>) {
        if range.is_empty() {
            return;
        }
        if let Some(Segment::Input(last)) = self.forward.last_mut() {
            if last.end == range.start {
                last.end = range.end;
                return;
            }
        }
        self.forward.push(Segment::Input(range));
    }

    /// Takes bytes over, without copying them, so that slices of them can be forwarded: [`Output::slice`].
    pub(crate) fn keep(&mut self, bytes: ByteBuffer) {
        self.kept.push(bytes);
    }

    /// Forwards a slice of the bytes taken over last.
    pub(crate) fn slice(&mut self, range: Range<usize>) {
        self.forward.push(Segment::Kept(self.kept.len() - 1, range));
    }

    /// Forwards all bytes of a buffer, without copying them.
    pub(crate) fn whole(&mut self, bytes: ByteBuffer) {
        let length = bytes.len();
        self.keep(bytes);
        self.slice(0..length);
    }

    pub(crate) fn made(&mut self, bytes: &[u8]) {
        if bytes.is_empty() {
            return;
        }
        let start = self.made.len();
        self.made.extend_from_slice(bytes);
        if let Some(Segment::Made(last)) = self.forward.last_mut() {
            if last.end == start {
                last.end = self.made.len();
                return;
            }
        }
        self.forward.push(Segment::Made(start..self.made.len()));
    }
}
