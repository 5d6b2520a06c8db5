//! Rules of the version in which they can be about an application's processes.

/// A rule about no application.
macro_rules! rule {
    ($($fields:tt)*) => { Rule { of: None, $($fields)* } };
}

pub(super) use rule;
