//! Events of refusals, rate-limited.

use crate::direction::Direction;
use crate::session::events::{self, Event};
use crate::session::judge::{self, Message, Refusal};
use crate::session::output::Output;
use crate::session::track::Track;

/// Tells of refusals, at most 50 a second.
#[derive(Default)]
pub struct Reporter {
    /// In the second that began then.
    since: f64,
    told: u32,
    pub folded: u64,
}

impl Reporter {
    /// `audit`: it passed all the same.
    #[allow(clippy::too_many_arguments)]
    pub fn report(
        &mut self,
        direction: Direction,
        message: &Message<'_, '_>,
        refusal: &Refusal,
        audit: bool,
        track: &Track,
        now: f64,
        out: &mut Output,
    ) {
        const PER_SECOND: u32 = 50;
        if now - self.since >= 1.0 || now < self.since {
            (self.since, self.told) = (now, 0);
        }
        if self.told >= PER_SECOND {
            self.folded += 1;
            return;
        }
        self.told += 1;
        out.events.push(Event {
            direction,
            command: message.control.command(),
            target: aim(direction, message, track),
            verdict: refusal.verdict,
            rule: refusal.rule,
            reason: refusal.reason,
            audit,
            folded: std::mem::take(&mut self.folded),
        });
    }
}

/// What a message aims at: the process with the name that it is known by; and in front of what carries a call, what is called.
fn aim(direction: Direction, message: &Message<'_, '_>, track: &Track) -> String {
    let name = judge::names(track, direction, message.control).next();
    let target = events::target(message.control, name);
    match judge::carried(message, track, direction) {
        Some(call) => format!("{call} by {target}"),
        None => target,
    }
}
