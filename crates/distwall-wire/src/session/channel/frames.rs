//! Bytes in: the frames in them one by one, and the parts of a frame.
//!
//! # Theory of operation
//!
//! One thread serves all channels, so the work on one read is done in *slices*. The work is counted in
//! steps of some nanoseconds. A byte is one step, and a frame is [`FRAME`] more. Comparing with patterns counts its own
//! ([`Work`](crate::rules::pattern::Work)). A process or reference that a message shows or claims is
//! [`NOTED`](crate::rules::pattern::NOTED). A slice ends before the frame with which it would exceed [`SLICE`].
//!
//! Commands that have waited for an answer go on in slices, too: the answer may let very many of them go on.
//!
//! A large message is scanned while it comes in, so its scan is spread over the slices ([`ahead`]). It is judged in a slice
//! of its own: all but its last byte is taken first.

use super::ahead::LARGE;
use super::{Action, Channel, Fixed, Parts, TICK};
use crate::direction::Direction;
use crate::error::Bad;
use crate::limits::Limits;
use crate::rules::calls::ErpcCall;
use crate::session::judge::{self, Message, Room};
use crate::session::output::{Output, KEPT};
use crate::term::reader::Reader;
use crate::term::scan::{ScanFindings, Scanner, Watch};
use crate::term::tag;
use crate::wire::byte_buffer::ByteBuffer;
use crate::wire::control::{self, Control, Dialect, SpawnRequest};
use crate::wire::frame::FrameTag;
use crate::wire::shapes::{self, Asker, UsualQuestion};

/// Steps of a slice: two to three milliseconds.
pub(super) const SLICE: u64 = 450_000;
/// Steps for any frame.
pub(super) const FRAME: u64 = 60;
/// Most bytes of a slice, as many as a read brings.
pub(super) const READ: usize = 1 << 18;
/// Bytes to the end of a large frame, up to which it is judged in the slice in which they come.
const FEW: usize = 4096;

impl Channel {
    /// Takes bytes from one side; `now` is in seconds, from any start. The results are in `out` afterwards.
    pub fn receive(&mut self, direction: Direction, data: &[u8], now: f64, out: &mut Output) {
        self.work(direction, data, (0, u64::MAX), now, out);
    }

    /// The same from a position on, with a bounded amount of work. Returns the position where it stopped; the end of the
    /// data if all is done. If not, the rest of the data has to be given before any more data of that side.
    pub fn receive_slice(
        &mut self,
        direction: Direction,
        data: &[u8],
        from: usize,
        now: f64,
        out: &mut Output,
    ) -> usize {
        self.work(direction, data, (from, SLICE), now, out)
    }

    /// `from` and `most`: the position of the first byte, and the number of steps that ends the work.
    #[inline(always)]
    fn work(
        &mut self,
        direction: Direction,
        data: &[u8],
        (from, most): (usize, u64),
        now: f64,
        out: &mut Output,
    ) -> usize {
        out.clear();
        (self.state.steps, self.state.most) = (0, most);
        if self.closed {
            return data.len();
        }
        self.state.track.tick(now);
        let limits = &self.fixed.ends.limits;
        if direction == Direction::Inbound && from == 0 {
            self.state.rates.receive(data.len(), now, limits);
        }
        let (mut frames, mut pos) = (0, from);
        let aged = self.lanes[Direction::Inbound as usize].sequences.age(now, limits);
        if let Err(bad) = aged.and_then(|()| self.frames(direction, data, (&mut pos, most), now, out, &mut frames)) {
            self.close(bad, out);
            return data.len();
        }
        if self.made.capacity() > KEPT {
            self.made = Vec::new();
        }
        if self.scanner.found.kept() > KEPT {
            self.scanner.found = ScanFindings::default();
        }
        let lane = &mut self.lanes[direction as usize];
        if !out.forward.is_empty() {
            lane.forwarded = now;
        } else if frames > 0 && now - lane.forwarded >= 1.0 {
            // A sender that is busy doesn't tick; a receiver that hears nothing hangs up.
            lane.forwarded = now;
            out.made(&TICK);
        }
        pos
    }

    /// Handles the frames from `pos` on, until `most` steps are done.
    fn frames(
        &mut self,
        direction: Direction,
        data: &[u8],
        (pos, most): (&mut usize, u64),
        now: f64,
        out: &mut Output,
        frames: &mut usize,
    ) -> Result<(), Bad> {
        if direction == Direction::Inbound && self.is_due() && (!self.catch_up(now, out)? || self.state.is_over()) {
            return Ok(());
        }
        if !self.lanes[direction as usize].carry.is_empty()
            && !self.carried(direction, data, (pos, most), now, out, frames)?
        {
            return Ok(());
        }
        let mut start = *pos;
        while let Some(head) = data.get(start..start + 4) {
            let length = length(head, &self.fixed.ends.limits)?;
            let behind = start + 4 + length;
            let Some(frame) = data.get(start + 4..behind) else { break };
            let steps = self.state.steps.wrapping_add(FRAME).wrapping_add(length as u64);
            if (steps > most || length >= LARGE) && most < u64::MAX {
                *pos = start;
                if self.state.steps > 0 && steps > most {
                    return Ok(());
                }
                if length >= LARGE && is_whole(frame) {
                    *pos = behind - 1;
                    self.state.steps = steps;
                    self.lanes[direction as usize].carry.extend(&data[start..behind - 1], behind - start);
                    return self.look_ahead_of(direction, most);
                }
            }
            self.state.steps = steps;
            *frames = frames.wrapping_add(1);
            match self.usual_frame(direction, frame, now, out)? {
                Action::Forward => out.input(start..behind),
                Action::Replace => out.made(&self.made),
                Action::Again => {
                    *pos = start;
                    return Ok(());
                }
            }
            start = behind;
        }
        self.lanes[direction as usize].carry.extend(&data[start..], 0);
        *pos = data.len();
        self.look_ahead_of(direction, most)
    }

    /// Goes on with the frame whose beginning came before. Returns false if that is all for now.
    fn carried(
        &mut self,
        direction: Direction,
        data: &[u8],
        (pos, most): (&mut usize, u64),
        now: f64,
        out: &mut Output,
        frames: &mut usize,
    ) -> Result<bool, Bad> {
        if most < u64::MAX && self.lags(direction) {
            // Other rules hold than when it was scanned.
            self.look_ahead_of(direction, most)?;
            return Ok(false);
        }
        let mut carry = std::mem::take(&mut self.lanes[direction as usize].carry);
        let (start, limits) = (*pos, &self.fixed.ends.limits);
        let mut end = data.len().min(if most < u64::MAX { start + READ } else { usize::MAX });
        if let (Some(head), true) = (carry.get(..4), most < u64::MAX) {
            let missing = (4 + length(head, limits)?).saturating_sub(carry.len());
            if carry.len() + missing >= LARGE && missing > FEW && missing <= end - start && is_whole(&carry[4..]) {
                end = start + missing - 1;
            }
        }
        let complete = fill(&mut carry, &data[..end], pos, limits)?;
        self.state.steps += (*pos - start) as u64;
        if !complete {
            self.lanes[direction as usize].carry = carry;
            self.look_ahead_of(direction, most)?;
            return Ok(false);
        }
        *frames += 1;
        self.state.steps += FRAME;
        self.lanes[direction as usize].look_at = 0;
        if let Some(ahead) = self.lanes[direction as usize].ahead.take() {
            self.large(direction, ahead.into_message(), carry, now, out)?;
            return Ok(most == u64::MAX);
        }
        match self.frame(direction, &carry[4..], now, out)? {
            Action::Forward => out.whole(carry),
            Action::Replace => out.made(&self.made),
            Action::Again => {
                // All but its last byte, which came now.
                carry.pop();
                *pos = pos.saturating_sub(1);
                self.lanes[direction as usize].carry = carry;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// Scans the bytes so far of an incomplete frame, if it is large.
    #[inline(always)]
    fn look_ahead_of(&mut self, direction: Direction, most: u64) -> Result<(), Bad> {
        if self.lanes[direction as usize].carry.len() < LARGE {
            return Ok(());
        }
        self.look_ahead(direction, if most < u64::MAX { READ } else { usize::MAX })
    }
}

/// True if a frame is a message, or its beginning: no fragment.
pub(super) fn is_whole(frame: &[u8]) -> bool {
    matches!(FrameTag::of(frame), Some(FrameTag::PassThrough | FrameTag::Header))
}

/// Adds to the beginning of a frame until it is whole; false if the data doesn't suffice.
pub(super) fn fill(carry: &mut ByteBuffer, data: &[u8], pos: &mut usize, limits: &Limits) -> Result<bool, Bad> {
    let mut take = |carry: &mut ByteBuffer, until: usize| {
        let count = until.saturating_sub(carry.len()).min(data.len() - *pos);
        carry.extend(&data[*pos..*pos + count], until);
        *pos += count;
        carry.len() >= until
    };
    if !take(carry, 4) {
        return Ok(false);
    }
    let length = length(carry, limits)?;
    Ok(take(carry, 4 + length))
}

/// The length that the head of a frame announces.
pub(super) fn length(head: &[u8], limits: &Limits) -> Result<usize, Bad> {
    let length = u32::from_be_bytes([head[0], head[1], head[2], head[3]]);
    if u64::from(length) > limits.frame_size() {
        return Err(Bad::FrameSize);
    }
    Ok(length as usize)
}

/// Sequence and fragment number behind the tag of a fragment.
pub(super) fn numbers(frame: &[u8]) -> Result<(u64, u64), Bad> {
    let number = |at: usize| {
        let bytes = frame.get(at..at + 8).and_then(|bytes| bytes.try_into().ok());
        bytes.map(u64::from_be_bytes).ok_or(Bad::ShortFragment)
    };
    Ok((number(2)?, number(10)?))
}

/// Decodes the control message and scans the payload of a whole message; no byte may follow. `scanned`: the message was
/// scanned already ([`Ahead::finish`](crate::term::scan::Ahead::finish)), and what was found in it is known, and charged.
#[inline(always)]
pub(super) fn read<'r, 'a>(
    parts: &Parts<'a>,
    fixed: &'a Fixed,
    room: &'r mut Room<'a>,
    scanner: &mut Scanner,
    scanned: bool,
    watch: &Watch<'a>,
) -> Result<Message<'a, 'r>, Bad> {
    let mut reader = Reader::new(parts.body, watch.terms);
    let quiet;
    let watching = if scanned {
        quiet = watch.quiet();
        &quiet
    } else {
        watch
    };
    let dialect = Dialect { flags: fixed.ends.flags };
    let control = control::decode(&mut reader, &mut room.control, dialect, scanner, watching)?;
    behind(control, &mut reader, parts, (&mut room.asker, &mut room.erpc), scanner, scanned, watch)?;
    let payload = control.payload().then_some(reader);
    let message = Message { erpc: room.erpc.as_ref(), ..Message::told(control, payload, room.asker.as_ref()) };
    if scanned {
        message.work.charge(&scanner.found);
    }
    Ok(message)
}

/// Scans what comes behind the control message. If it is a payload, the reader then stands at its beginning.
#[inline(always)]
fn behind<'a>(
    control: &Control<'a>,
    reader: &mut Reader<'a>,
    parts: &Parts<'_>,
    places: (&mut Option<Asker<'a>>, &mut Option<ErpcCall<'a>>),
    scanner: &mut Scanner,
    scanned: bool,
    watch: &Watch<'a>,
) -> Result<(), Bad> {
    if control.payload() && parts.versioned && reader.u8()? != tag::VERSION {
        return Err(Bad::PayloadVersion);
    }
    let end = if !control.payload() {
        reader.pos
    } else if scanned {
        if let Control::SpawnRequest(SpawnRequest { mfa, .. }) = control {
            same_arity(mfa.arity, judge::arguments(*reader)?.unwrap_or(u64::MAX))?;
        }
        if control.is_message() && shapes::may_ask(reader) {
            *places.0 = shapes::asker(*reader);
        }
        parts.body.len()
    } else {
        payload(control, reader, places, scanner, watch)?
    };
    if end == parts.body.len() {
        Ok(())
    } else {
        Err(Bad::TrailingBytes)
    }
}

/// Scans the payload of a message; returns the position of its end. Who asks, and a call of `erpc`, go to their places.
#[inline(always)]
fn payload<'a>(
    control: &Control<'a>,
    payload: &Reader<'a>,
    (asker, erpc): (&mut Option<Asker<'a>>, &mut Option<ErpcCall<'a>>),
    scanner: &mut Scanner,
    watch: &Watch<'a>,
) -> Result<usize, Bad> {
    let (data, pos) = (payload.data, payload.pos);
    if let Control::SpawnRequest(SpawnRequest { mfa, .. }) = control {
        *erpc = ErpcCall::scanned(mfa, *payload, scanner, watch);
        if erpc.is_some() {
            return Ok(data.len());
        }
        same_arity(mfa.arity, judge::arguments(*payload)?.unwrap_or(u64::MAX))?;
        return scanner.whole_proper(data, pos, watch);
    }
    if !control.is_message() || !shapes::may_ask(payload) {
        return scanner.whole(data, pos, watch);
    }
    if let Some(end) = question(asker, *payload, scanner, watch) {
        return Ok(end);
    }
    let end = scanner.whole(data, pos, watch)?;
    *asker = shapes::asker(*payload);
    Ok(end)
}

/// Scans a message if it is a question as nearly all are, and notes who asks. Returns the position of its end. None, with
/// nothing noted, if it is another one.
#[inline(always)]
fn question<'a>(
    room: &mut Option<Asker<'a>>,
    payload: Reader<'a>,
    scanner: &mut Scanner,
    watch: &Watch<'_>,
) -> Option<usize> {
    let (asker, UsualQuestion { label, end, left, by_position }) = shapes::usual_question(payload, room)?;
    let mut asked = None;
    // Atoms that are written out are counted by the full scan.
    if by_position && payload.terms.atom(label).is_ok() {
        let from = (asker.from.node.word, &asker.from.pid);
        asked = scanner.question(payload.data, (end, left), from, (asker.first.0, &asker.first.1), watch);
    }
    if asked.is_none() {
        *room = None;
    }
    asked
}

/// Fails if a spawn request announces another number of arguments than it has.
pub(super) fn same_arity(announced: u8, given: u64) -> Result<(), Bad> {
    if u64::from(announced) == given {
        Ok(())
    } else {
        Err(Bad::SpawnArityMismatch)
    }
}
