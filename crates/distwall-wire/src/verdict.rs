//! The three verdicts.

/// What happens to a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It reaches the receiver.
    Accept = 0,
    /// It doesn't, and the sender is told where the protocol has a way.
    Deny = 1,
    /// It doesn't.
    Drop = 2,
}

impl Verdict {
    /// As users write it.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Accept => "accept",
            Verdict::Deny => "deny",
            Verdict::Drop => "drop",
        }
    }
}
