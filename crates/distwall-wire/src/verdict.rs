//! The three verdicts.

/// The fate of a command.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The command reaches the receiver.
    Accept = 0,
    /// The command is refused, and its sender is told if the protocol has a way.
    Deny = 1,
    /// The command is refused in silence.
    Drop = 2,
}

impl Verdict {
    /// The word that users write.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Verdict::Accept => "accept",
            Verdict::Deny => "deny",
            Verdict::Drop => "drop",
        }
    }
}
