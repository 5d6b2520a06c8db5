//! The settings of a scan.

use crate::limits::budget::Budget;
use crate::limits::Limits;
use crate::term::atoms::Word;
use crate::term::reader::Terms;

/// The settings of a scan.
#[derive(Clone, Copy)]
pub struct Watch<'a> {
    /// The context of the terms.
    pub terms: &'a Terms<'a>,
    /// True if native records were negotiated.
    pub records: bool,
    /// The limits.
    pub limits: &'a Limits,
    /// Checks of a message from the peer; None: the guarded node has sent it.
    pub guarded: Option<Guarded<'a>>,
    /// True if the sender's own pids and references are noted.
    pub discloses: bool,
}

/// The nodes that a peer's message may name, and the budget of what it leaves in the guarded node.
pub trait Allowance {
    /// True if payloads may contain pids of this third node.
    fn allows_node(&self, node: &[u8]) -> bool;

    /// True if the shadow policy allows that as well, or there is no shadow policy.
    fn shadow_allows_node(&self, node: &[u8]) -> bool;

    /// The budget that new atoms, funs and nodes are spent from.
    fn budget(&self) -> &Budget;
}

/// The checks of a peer's message.
#[derive(Clone, Copy)]
pub struct Guarded<'a> {
    /// The nodes that it may name, and the budget.
    pub allowance: &'a dyn Allowance,
    /// The incarnations of the peer and of the guarded node.
    pub creations: [u32; 2],
}

impl Guarded<'_> {
    /// True for the two ends as they are now.
    #[inline(always)]
    pub(super) fn is_end(&self, node: Word, creation: u32) -> bool {
        let [peer, guard] = self.creations;
        match node {
            Word::Peer => creation == peer,
            Word::Guard => creation == guard,
            _ => false,
        }
    }
}

impl Watch<'_> {
    /// The node that has sent the terms.
    #[inline(always)]
    pub fn sender(&self) -> Word {
        if self.guarded.is_some() {
            Word::Peer
        } else {
            Word::Guard
        }
    }

    /// The settings for terms that have been scanned before: nothing is noted.
    #[must_use]
    pub fn quiet(&self) -> Self {
        Watch { guarded: None, discloses: false, ..*self }
    }

    /// The settings for terms outside the message itself: nothing is disclosed.
    #[must_use]
    pub fn aside(&self) -> Self {
        Watch { discloses: false, ..*self }
    }
}
