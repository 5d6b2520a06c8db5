//! Events of refusals, rate-limited.

use crate::direction::Direction;
use crate::session::events::{self, Event};
use crate::session::judge::{self, Message, Refusal};
use crate::session::output::Output;
use crate::session::track::Track;

/// Reports refusals, at most 50 a second.
#[derive(Default)]
pub struct Reporter {
    /// Start of the present second.
    since: f64,
    /// Number of reports in that second.
    told: u32,
    pub folded: u64,
}

impl Reporter {
    /// Reports a refusal. `audit`: the command passed all the same.
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

/// The target of a message, as text: the process with its known name; before a carrier, the called function.
fn aim(direction: Direction, message: &Message<'_, '_>, track: &Track) -> String {
    let name = judge::names(track, direction, message.control).next();
    let target = events::target(message.control, name);
    match judge::carried(message, direction) {
        Some(call) => format!("{call} by {target}"),
        None => target,
    }
}
