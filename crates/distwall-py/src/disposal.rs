//! Large buffers go back to the system in a thread of their own: unmapping very many pages takes a while.

use std::sync::mpsc::{channel, Sender};
use std::sync::OnceLock;
use std::thread::Builder;

use distwall_wire::wire::byte_buffer::ByteBuffer;

/// Bytes of a buffer from which on it takes long.
const LARGE: usize = 1 << 22;

/// Gives buffers back.
pub fn dispose(buffers: impl IntoIterator<Item = ByteBuffer>) {
    static THREAD: OnceLock<Option<Sender<ByteBuffer>>> = OnceLock::new();
    for buffer in buffers {
        if buffer.kept() >= LARGE {
            if let Some(thread) = THREAD.get_or_init(start) {
                // If it has ended, the buffer comes back with the error.
                drop(thread.send(buffer));
            }
        }
    }
}

/// Starts the thread. None: there is room for no more threads, so each buffer is given back at once.
fn start() -> Option<Sender<ByteBuffer>> {
    let (sender, buffers) = channel();
    let run = move || buffers.into_iter().for_each(drop);
    Builder::new().name("disposal".to_owned()).spawn(run).ok().map(|_| sender)
}
