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
    /// All of them.
    pub const ALL: [Verdict; 3] = [Verdict::Accept, Verdict::Deny, Verdict::Drop];

    /// The verdict of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Verdict> {
        Verdict::ALL.into_iter().find(|verdict| verdict.name() == name)
    }

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
