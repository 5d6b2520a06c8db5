//! The peer's questions to `observer_backend`, and the processes there that go on answering.
//!
//! # Theory of operation
//!
//! Most of these questions list all processes of the node, and a process that makes a list is in the lists of the others.
//! Questions at once take memory by the square of their number: they have a rate.
//!
//! `fetch_stats/2` starts a *stream*: a process that answers again and again, until it gets any message. It traps exits, so
//! a link makes it end with its asker, and with the connection. A stream has to be linked, and the link has to stay: the peer
//! can't unlink it, and can't end the link with the reason `normal`, which a process that has not begun to trap exits ignores.
//! The guarded node tells the end of each linked process, so distwall knows how many there are.

use crate::session::track::Pair;
use crate::term::reader::{Pid, Reference};

/// The module that answers `observer` and `etop`.
pub const MODULE: &[u8] = b"observer_backend";

/// The function that answers again and again.
const STREAM: &[u8] = b"fetch_stats";

/// True if this function starts a stream.
#[must_use]
pub fn is_stream(module: &[u8], function: &[u8]) -> bool {
    module == MODULE && function == STREAM
}

/// The questions of one channel.
#[derive(Default)]
pub struct Observed {
    now: f64,
    /// The questions that were left at a time; None: there was no question yet.
    left: Option<(f64, f64)>,
    /// Streams that were asked for, each with its asker.
    asked: Vec<(Reference, Pid)>,
    running: Vec<Pair>,
}

impl Observed {
    /// Sets the time, in seconds from any start.
    pub fn tick(&mut self, now: f64) {
        if now.is_finite() {
            self.now = now;
        }
    }

    /// True if the peer may ask now. `rate`: questions in a second.
    #[must_use]
    pub fn may_ask(&self, rate: u64) -> bool {
        self.left(rate) >= 1.0
    }

    fn left(&self, rate: u64) -> f64 {
        let most = rate as f64;
        self.left.map_or(most, |(left, at)| (left + (self.now - at).max(0.0) * most).min(most))
    }

    /// Notes a question.
    pub fn ask(&mut self, rate: u64) {
        self.left = Some(((self.left(rate) - 1.0).max(0.0), self.now));
    }

    /// True if there is room for one more stream.
    #[must_use]
    pub fn has_room(&self, most: u64) -> bool {
        ((self.asked.len() + self.running.len()) as u64) < most
    }

    /// Notes that a process of the peer asks for a stream.
    pub fn begin(&mut self, reference: Reference, by: Pid, most: u64) {
        if self.has_room(most) {
            self.asked.push((reference, by));
        }
    }

    /// Notes the reply to a spawn request: the new process; None: it failed.
    pub fn begun(&mut self, reference: Reference, by: Pid, spawned: Option<Pid>) {
        let Some(place) = self.asked.iter().position(|asked| *asked == (reference, by)) else { return };
        self.asked.swap_remove(place);
        self.running.extend(spawned.map(|guard| Pair { peer: by, guard }));
    }

    /// True if this link is the link of a stream.
    #[must_use]
    #[inline]
    pub fn is_running(&self, pair: Pair) -> bool {
        self.running.contains(&pair)
    }

    /// True if there are streams.
    #[must_use]
    #[inline]
    pub fn is_any_running(&self) -> bool {
        !self.running.is_empty()
    }

    /// Notes that a link has ended, and with it the stream.
    pub fn unlinked(&mut self, pair: Pair) {
        self.running.retain(|running| *running != pair);
    }

    /// Notes that a process has ended, or that it ends: it was sent a message.
    pub fn ended(&mut self, pid: Pid) {
        self.running.retain(|running| running.guard != pid);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(id: u32) -> Pid {
        Pid { id, serial: 0, creation: 1 }
    }

    fn reference(word: u32) -> Reference {
        Reference { creation: 1, length: 1, words: [word, 0, 0, 0, 0] }
    }

    fn asks(observed: &mut Observed) -> usize {
        let mut count = 0;
        while observed.may_ask(3) {
            observed.ask(3);
            count += 1;
        }
        count
    }

    #[test]
    fn a_second_has_so_many_questions() {
        let mut observed = Observed::default();
        observed.tick(1000.0);
        assert_eq!(asks(&mut observed), 3);
        observed.tick(1001.0);
        assert_eq!(asks(&mut observed), 3);
        for now in [f64::NAN, 10.0, f64::NEG_INFINITY] {
            observed.tick(now);
            assert_eq!(asks(&mut observed), 0, "{now}");
        }
        observed.tick(9000.0);
        assert_eq!(asks(&mut observed), 3);
        observed.tick(9000.5);
        assert_eq!(asks(&mut observed), 1);
    }

    #[test]
    fn a_stream_has_a_place_until_it_ends() {
        let mut observed = Observed::default();
        for word in 0..5 {
            observed.begin(reference(word), pid(1), 3);
        }
        assert!(!observed.has_room(3));
        observed.begun(reference(0), pid(2), Some(pid(9)));
        assert!(!observed.is_any_running(), "it was another's question");
        observed.begun(reference(0), pid(1), None);
        assert!(observed.has_room(3));
        observed.begun(reference(1), pid(1), Some(pid(11)));
        observed.begun(reference(2), pid(1), Some(pid(12)));
        assert!(observed.is_running(Pair { peer: pid(1), guard: pid(11) }));
        assert!(!observed.is_running(Pair { peer: pid(2), guard: pid(11) }));
        observed.ended(pid(11));
        observed.unlinked(Pair { peer: pid(1), guard: pid(12) });
        assert!(!observed.is_any_running() && observed.has_room(1));
    }
}
