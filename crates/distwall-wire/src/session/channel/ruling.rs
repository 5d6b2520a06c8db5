//! The judge, as a channel asks it: for a message of the peer and of the guarded node, by precedent, and by the shadow
//! policy.

use super::{Fixed, State};
use crate::direction::Direction;
use crate::error::Bad;
use crate::limits::budget::Budget;
use crate::session::events::Reason;
use crate::session::judge::{self, Arrival, Court, Message, Refusal, Ruling};
use crate::session::track::Track;
use crate::term::scan::{Allowance, ScanFindings};

impl Allowance for Fixed {
    fn allows_node(&self, node: &[u8]) -> bool {
        self.policies.inbound.allows_node(node)
    }

    fn shadow_allows_node(&self, node: &[u8]) -> bool {
        self.policies.shadow.as_ref().is_none_or(|policy| policy.allows_node(node))
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }
}

impl Fixed {
    /// The judge's settings for messages in that direction; None: these pass.
    pub(super) fn court<'a>(&'a self, direction: Direction, track: &'a Track) -> Option<Court<'a>> {
        let policy = self.policies.of(direction)?;
        let hooks = self.policies.hooks.as_deref().filter(|_| direction == Direction::Inbound);
        let reads_funs = hooks.is_some_and(|hooks| hooks.checked_funs);
        let restricts_shells = hooks.is_some_and(|hooks| hooks.restricted_shell);
        Some(Court {
            direction,
            ends: &self.ends,
            policy,
            track,
            audit: self.policies.audit,
            shadow: false,
            reads_funs,
            restricts_shells,
        })
    }

    /// The verdict of the shadow policy, if it differs.
    pub(super) fn differs(
        &self,
        court: &Court<'_>,
        message: &Message<'_, '_>,
        ruling: &Ruling,
        found: &mut ScanFindings,
    ) -> Result<Option<Refusal>, Bad> {
        let Some(policy) = self.policies.shadow.as_deref().filter(|_| court.direction == Direction::Inbound) else {
            return Ok(None);
        };
        let mut other = Ruling::pass(None);
        Court { policy, audit: false, shadow: true, ..*court }.judge(message, found, None, &mut other)?;
        let verdict = other.meant();
        let of_shadow = Refusal {
            verdict,
            rule: other.waived.map_or(other.rule, |refusal| refusal.rule),
            reason: Reason::Shadow(verdict),
        };
        Ok((verdict != ruling.meant()).then_some(of_shadow))
    }

    /// True if a command of the peer passes by a decision that was made before.
    #[inline(always)]
    pub(super) fn has_precedent(
        &self,
        message: &Message<'_, '_>,
        state: &mut State,
        found: &mut ScanFindings,
        arrival: Arrival<'_>,
    ) -> bool {
        let State { track, precedents, .. } = state;
        let court = match self.court(Direction::Inbound, track) {
            Some(court) if self.policies.shadow.is_none() => court,
            _ => return false,
        };
        let passes = court.precedent(message, found, &arrival, precedents);
        debug_assert!(passes.is_none_or(|rule| court.agrees(message, found, arrival, rule)));
        passes.is_some()
    }

    /// The verdict on a whole message. `ruling` comes in as a ruling to let it pass.
    #[inline(always)]
    pub(super) fn rule(
        &self,
        direction: Direction,
        message: &Message<'_, '_>,
        track: &Track,
        found: &mut ScanFindings,
        arrival: Arrival<'_>,
        ruling: &mut Ruling,
    ) -> Result<(), Bad> {
        let Some(court) = self.court(direction, track) else {
            ruling.settles = judge::settles(message, track, direction)?;
            return Ok(());
        };
        let arrival = (direction == Direction::Inbound).then_some(arrival);
        court.judge(message, found, arrival, ruling)?;
        // What a limit refuses, no policy could let pass.
        if self.policies.shadow.is_some() && !matches!(ruling.reason, Reason::Limit(_)) {
            ruling.differs = self.differs(&court, message, ruling, found)?;
        }
        Ok(())
    }
}
