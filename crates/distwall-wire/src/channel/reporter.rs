//! Events of refusals, rate-limited.

use crate::event::{self, Event};
use crate::judge::{Message, Refusal};
use crate::output::Output;
use crate::Direction;

/// Tells of refusals, at most 50 a second.
#[derive(Default)]
pub struct Reporter {
    /// In the second that began then.
    since: f64,
    told: u32,
    pub folded: u64,
}

impl Reporter {
    /// `audit`: it passed all the same; `name`: what the process that it is for is known by.
    #[allow(clippy::too_many_arguments)]
    pub fn report(
        &mut self,
        direction: Direction,
        message: &Message<'_, '_>,
        refusal: &Refusal,
        audit: bool,
        name: Option<&[u8]>,
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
            command: message.control.command,
            target: event::target(message.control, name),
            verdict: refusal.verdict,
            rule: refusal.rule,
            reason: refusal.reason,
            audit,
            folded: std::mem::take(&mut self.folded),
        });
    }
}
