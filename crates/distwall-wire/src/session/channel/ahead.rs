//! Large messages, which are scanned while they come in ([`Ahead`] has the how).
//!
//! # Theory of operation
//!
//! A frame may have 128 MiB, and a message in fragments that waits to be judged twice as much. If all of it were scanned when
//! its last byte has come, all other channels would wait for that long. So from [`LARGE`] bytes on, each read from a socket
//! pays for the bytes that it brings: the control message is decoded as soon as it is there, and the scanner follows the
//! payload. When the message is whole, only its last bytes are left. The ends of its large terms are known then
//! ([`Jumps`]), so the judge does not walk over them either. Patterns have a budget of their own
//! ([`Work`](crate::rules::pattern::Work)).
//!
//! Nothing is decided here: the message is judged when it is whole, by the rules and limits of that moment. When these change,
//! what was scanned is scanned again, in slices. The last byte of a frame, or the last fragment, is not taken before
//! that is done. So it holds for both sides: nothing has to be parked.

use std::sync::Arc;

use super::frames::is_whole;
use super::{Channel, Fixed, Lane};
use crate::direction::Direction;
use crate::error::Bad;
use crate::term::atoms::{Atom, AtomRefs};
use crate::term::reader::Reader;
use crate::term::scan::{Ahead, Scanner, Watch};
use crate::term::tag;
use crate::wire::control::{self, Dialect};
use crate::wire::frame::{FrameTag, HEADER_AT};
use crate::wire::header;

/// Bytes of an incomplete message from which on it is scanned ahead.
pub(super) const LARGE: usize = 1 << 16;
/// Most bytes of a fragment. Nodes make fragments of 64 KiB.
pub(super) const MAX_FRAGMENT: usize = 1 << 18;
/// Most bytes up to the end of the control message of a large frame: an exit's reason may stand in there.
const MAX_CONTROL: usize = 1 << 18;

/// A frame that is scanned while it comes in.
pub(super) struct AheadFrame {
    message: Ahead,
    /// Offset of the control message, behind the frame's length.
    start: usize,
    atoms: Vec<(u16, Arc<Atom>)>,
}

/// Begins with a message whose control message is there. None: it has no payload.
pub(super) fn begin(fixed: &Fixed, body: &[u8], versioned: bool, watch: &Watch<'_>) -> Result<Option<Ahead>, Bad> {
    let mut scanner = Scanner::default();
    let (mut reader, mut room) = (Reader::new(body, watch.terms), None);
    let control = control::decode(&mut reader, &mut room, Dialect { flags: fixed.ends.flags }, &mut scanner, watch)?;
    if !control.payload() {
        return Ok(None);
    }
    if versioned && reader.u8()? != tag::VERSION {
        return Err(Bad::PayloadVersion);
    }
    Ok(Some(Ahead::new(scanner, reader.pos, control.mfa().is_some())))
}

impl AheadFrame {
    pub(super) fn into_message(self) -> Ahead {
        self.message
    }

    pub(super) fn kept(&self) -> usize {
        self.message.kept()
    }
}

impl Channel {
    /// Scans the bytes so far of a large frame; `most`: bytes to be scanned now.
    #[cold]
    pub(super) fn look_ahead(&mut self, direction: Direction, most: usize) -> Result<(), Bad> {
        let Channel { fixed, lanes, .. } = self;
        let lane = &mut lanes[direction as usize];
        if lane.carry.len() < lane.look_at {
            return Ok(());
        }
        if lane.ahead.is_none() {
            lane.ahead = begin_frame(fixed, direction, lane)?;
        }
        let Lane { carry, ahead: Some(ahead), .. } = lane else { return Ok(()) };
        let terms = fixed.terms(&ahead.atoms);
        ahead.message.look_on(&carry[4 + ahead.start..], most, &fixed.watch(direction, &terms))
    }

    /// True if bytes of a large frame came that were not scanned yet.
    pub(super) fn lags(&self, direction: Direction) -> bool {
        let Lane { carry, ahead, look_at, .. } = &self.lanes[direction as usize];
        match ahead {
            Some(ahead) => ahead.message.lags(carry.len() - 4 - ahead.start),
            None => carry.len() >= LARGE && carry.len() >= *look_at && is_whole(&carry[4..]),
        }
    }

    /// Forgets how far large messages were scanned: other rules and limits hold now.
    pub(super) fn forget_ahead(&mut self) {
        for lane in &mut self.lanes {
            lane.ahead = None;
            lane.sequences.forget_ahead();
        }
        self.state.forget_scans();
    }
}

/// Begins with a large frame. None: not enough of it is there, or it needs no scan.
fn begin_frame(fixed: &Fixed, direction: Direction, lane: &mut Lane) -> Result<Option<Box<AheadFrame>>, Bad> {
    let frame = &lane.carry[4..];
    // The header is read for good when the frame is whole.
    let (mut refs, headers) = (AtomRefs::default(), fixed.ends.form.headers);
    let (start, versioned) = match FrameTag::of(frame) {
        Some(FrameTag::PassThrough) if !headers => (Ok(HEADER_AT), true),
        Some(FrameTag::Header) if headers => {
            let mut caches = lane.caches.clone();
            let cached = fixed.caches_atoms();
            (header::read(frame, HEADER_AT, cached, &mut caches, &fixed.ends.names, &mut refs), false)
        }
        _ if announced(&lane.carry) > MAX_FRAGMENT => return Err(Bad::FragmentSize),
        _ => return Ok(None),
    };
    let terms = fixed.terms(&refs.atoms);
    let watch = fixed.watch(direction, &terms);
    let begun = start.and_then(|start| Ok((start, begin(fixed, &frame[start..], versioned, &watch)?)));
    match begun {
        Ok((start, Some(message))) => Ok(Some(Box::new(AheadFrame { message, start, atoms: refs.atoms }))),
        Ok((_, None)) => Err(Bad::TrailingBytes),
        Err(_) if frame.len() > MAX_CONTROL => Err(Bad::ControlSize),
        Err(_) => {
            // The rest of the header may be missing. Another fault is found when the frame is whole.
            lane.look_at = 2 * lane.carry.len();
            Ok(None)
        }
    }
}

/// The length that a frame announces.
fn announced(carry: &[u8]) -> usize {
    carry.first_chunk().map_or(0, |head| u32::from_be_bytes(*head) as usize)
}
