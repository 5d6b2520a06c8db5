//! Rules of the version in which they are about no application.

/// A rule.
macro_rules! rule {
    ($($fields:tt)*) => { Rule { $($fields)* } };
}

pub(super) use rule;
