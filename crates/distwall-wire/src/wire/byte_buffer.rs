//! Bytes of one message, which come in bit by bit and may be very many.
//!
//! # Theory of operation
//!
//! A message is judged in one piece, and may have more than a hundred megabytes. To move them all holds all other channels
//! up. So memory for the whole message is reserved once, while there are few. The system provides it as it is
//! written to, so bytes that never come cost no more than addresses. The buffer goes from one owner to the next, with what
//! comes before the message in it.

use std::ops::Deref;

/// Bytes up to which a buffer grows as needed, and is copied then.
const FEW: usize = 4 << 20;

/// Bytes in one piece. It dereferences to what is left of them.
#[derive(Clone, Debug, Default)]
pub struct ByteBuffer {
    bytes: Vec<u8>,
    /// Bytes at its beginning that do not count any more.
    start: usize,
}

impl ByteBuffer {
    /// Adds bytes. `most`: the bytes that it may have in the end.
    #[inline(never)]
    pub fn extend(&mut self, more: &[u8], most: usize) {
        if self.bytes.capacity() - self.bytes.len() < more.len() {
            self.grow(more.len(), most);
        }
        self.bytes.extend_from_slice(more);
    }

    #[cold]
    fn grow(&mut self, more: usize, most: usize) {
        if self.bytes.len() + more > FEW {
            // If the system has not that many addresses, it grows as needed.
            self.bytes.try_reserve_exact(most.saturating_sub(self.bytes.len())).unwrap_or_default();
        }
    }

    /// Leaves out bytes at the beginning.
    #[must_use]
    pub fn from(mut self, start: usize) -> Self {
        self.start += start;
        self
    }

    /// Takes the last byte back.
    pub fn pop(&mut self) {
        self.bytes.pop();
    }

    /// Bytes of memory.
    #[must_use]
    pub fn kept(&self) -> usize {
        if self.bytes.capacity() > FEW {
            self.bytes.len()
        } else {
            self.bytes.capacity()
        }
    }
}

impl From<Vec<u8>> for ByteBuffer {
    fn from(bytes: Vec<u8>) -> Self {
        ByteBuffer { bytes, start: 0 }
    }
}

impl Deref for ByteBuffer {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.bytes.get(self.start..).unwrap_or_default()
    }
}
