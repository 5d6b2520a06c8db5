//! Frames made by distwall. They carry plain atoms only, so they disturb no cache.

use std::num::NonZeroU64;

use crate::term::reader::{Pid, Reference};
use crate::term::tag;
use crate::term::write::{put_atom, put_pid, put_reference};
use crate::wire::control::Watched;
use crate::wire::flags;
use crate::wire::frame::FrameTag;
use crate::wire::op::Op;

/// The form of frames on this channel.
#[derive(Clone, Copy, Debug)]
pub struct Form {
    /// True if frames have distribution headers; false: pass-through.
    pub headers: bool,
    /// True if exit reasons travel as payload.
    pub payload: bool,
}

impl Form {
    /// The form for these flags.
    #[must_use]
    pub fn of(negotiated: u64) -> Self {
        Form {
            headers: negotiated & (flags::DIST_HDR_ATOM_CACHE | flags::FRAGMENTS) != 0,
            payload: negotiated & flags::EXIT_PAYLOAD != 0,
        }
    }
}

/// A tick: an empty frame.
pub const TICK: [u8; 4] = [0; 4];

/// Writes one frame, and its length when the frame is complete.
struct Frame<'a> {
    out: &'a mut Vec<u8>,
    start: usize,
    form: Form,
}

impl<'a> Frame<'a> {
    fn new(out: &'a mut Vec<u8>, form: Form, op: Op) -> Self {
        let start = out.len();
        out.extend_from_slice(&[0; 4]);
        begin(out, form);
        out.extend_from_slice(&[tag::SMALL_TUPLE, op.arity(), tag::SMALL_INTEGER, op as u8]);
        Frame { out, start, form }
    }

    fn atom(&mut self, text: &[u8]) {
        put_atom(self.out, text);
    }

    fn pid(&mut self, node: &[u8], pid: Pid) {
        put_pid(self.out, node, pid);
    }

    fn reference(&mut self, node: &[u8], reference: Reference) {
        put_reference(self.out, node, reference);
    }

    fn watched(&mut self, node: &[u8], watched: &Watched) {
        match watched {
            Watched::Name(name) => self.atom(name),
            Watched::Process(pid) => self.pid(node, *pid),
        }
    }

    fn reason(&mut self, reason: &[u8]) {
        if self.form.payload && !self.form.headers {
            self.out.push(tag::VERSION);
        }
        self.atom(reason);
    }

    fn end(self) {
        let length = (self.out.len() - self.start - 4) as u32;
        self.out[self.start..self.start + 4].copy_from_slice(&length.to_be_bytes());
    }
}

/// Writes the bytes before the terms of a whole message without atoms by position.
fn begin(out: &mut Vec<u8>, form: Form) {
    if form.headers {
        out.extend_from_slice(&FrameTag::Header.bytes());
        out.push(0);
    } else {
        out.extend_from_slice(&FrameTag::PassThrough.bytes());
    }
}

/// One end of such a frame: a node's name and a process there.
#[derive(Clone, Copy)]
pub struct End<'a> {
    /// Node.
    pub node: &'a [u8],
    /// Process.
    pub pid: Pid,
}

/// SPAWN_REQUEST of a function whose arguments are already written. The new process does its I/O on the receiver: its
/// group leader is the receiver's first process.
#[allow(clippy::too_many_arguments)]
pub fn spawn(
    out: &mut Vec<u8>,
    form: Form,
    from: End<'_>,
    reference: Reference,
    receiver: End<'_>,
    (module, function, arity): (&[u8], &[u8], u8),
    monitored: bool,
    arguments: &[u8],
) {
    let mut frame = Frame::new(out, form, Op::SpawnRequest);
    frame.reference(from.node, reference);
    frame.pid(from.node, from.pid);
    frame.pid(receiver.node, receiver.pid);
    frame.out.extend_from_slice(&[tag::SMALL_TUPLE, 3]);
    frame.atom(module);
    frame.atom(function);
    frame.out.extend_from_slice(&[tag::SMALL_INTEGER, arity]);
    if monitored {
        frame.out.extend_from_slice(&[tag::LIST, 0, 0, 0, 1]);
        frame.atom(b"monitor");
    }
    frame.out.push(tag::NIL);
    if !form.headers {
        frame.out.push(tag::VERSION);
    }
    frame.out.extend_from_slice(&[tag::LIST, 0, 0, 0, arity]);
    frame.out.extend_from_slice(arguments);
    frame.out.push(tag::NIL);
    frame.end();
}

/// A frame around a control message and a payload that are already written, with their atoms.
pub fn frame(out: &mut Vec<u8>, form: Form, control: &[u8], payload: Option<&[u8]>) {
    let start = out.len();
    out.extend_from_slice(&[0; 4]);
    begin(out, form);
    out.extend_from_slice(control);
    if let Some(payload) = payload {
        if !form.headers {
            out.push(tag::VERSION);
        }
        out.extend_from_slice(payload);
    }
    let length = (out.len() - start - 4) as u32;
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// EXIT2: ends a process.
pub fn kill(out: &mut Vec<u8>, form: Form, from: End<'_>, to: End<'_>) {
    let mut frame = Frame::new(out, form, if form.payload { Op::PayloadExit2 } else { Op::Exit2 });
    frame.pid(from.node, from.pid);
    frame.pid(to.node, to.pid);
    frame.reason(b"kill");
    frame.end();
}

/// SPAWN_REPLY with an error.
pub fn spawn_error(out: &mut Vec<u8>, form: Form, to: End<'_>, reference: Reference, error: &[u8]) {
    let mut frame = Frame::new(out, form, Op::SpawnReply);
    frame.reference(to.node, reference);
    frame.pid(to.node, to.pid);
    frame.out.extend_from_slice(&[tag::SMALL_INTEGER, 0]);
    frame.atom(error);
    frame.end();
}

/// The end of a monitored process or name on `node`.
pub fn down(
    out: &mut Vec<u8>,
    form: Form,
    node: &[u8],
    watched: &Watched,
    to: End<'_>,
    reference: Reference,
    reason: &[u8],
) {
    let mut frame = Frame::new(out, form, if form.payload { Op::PayloadMonitorPExit } else { Op::MonitorPExit });
    frame.watched(node, watched);
    frame.pid(to.node, to.pid);
    frame.reference(to.node, reference);
    frame.reason(reason);
    frame.end();
}

/// A monitor that `from` sets on a process of `node`.
pub fn monitor(out: &mut Vec<u8>, form: Form, from: End<'_>, node: &[u8], pid: Pid, reference: Reference) {
    let mut frame = Frame::new(out, form, Op::MonitorP);
    frame.pid(from.node, from.pid);
    frame.pid(node, pid);
    frame.reference(from.node, reference);
    frame.end();
}

/// The end of a monitor that `from` had set on a process or name of `node`.
pub fn demonitor(out: &mut Vec<u8>, form: Form, from: End<'_>, node: &[u8], watched: &Watched, reference: Reference) {
    let mut frame = Frame::new(out, form, Op::DemonitorP);
    frame.pid(from.node, from.pid);
    frame.watched(node, watched);
    frame.reference(from.node, reference);
    frame.end();
}

/// The exit of a linked process.
pub fn exit(out: &mut Vec<u8>, form: Form, from: End<'_>, to: End<'_>, reason: &[u8]) {
    let mut frame = Frame::new(out, form, if form.payload { Op::PayloadExit } else { Op::Exit });
    frame.pid(from.node, from.pid);
    frame.pid(to.node, to.pid);
    frame.reason(reason);
    frame.end();
}

/// The acknowledgement of an unlink.
pub fn unlink_ack(out: &mut Vec<u8>, form: Form, id: NonZeroU64, from: End<'_>, to: End<'_>) {
    let mut frame = Frame::new(out, form, Op::UnlinkIdAck);
    let id = id.get();
    match u8::try_from(id) {
        Ok(id) => frame.out.extend_from_slice(&[tag::SMALL_INTEGER, id]),
        Err(_) if id < 1 << 27 => {
            frame.out.push(tag::INTEGER);
            frame.out.extend_from_slice(&(id as u32).to_be_bytes());
        }
        Err(_) => {
            let length = 8 - id.leading_zeros() as usize / 8;
            frame.out.extend_from_slice(&[tag::SMALL_BIG, length as u8, 0]);
            frame.out.extend_from_slice(&id.to_le_bytes()[..length]);
        }
    }
    frame.pid(from.node, from.pid);
    frame.pid(to.node, to.pid);
    frame.end();
}
