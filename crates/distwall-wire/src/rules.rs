//! The compiled rules, and their view of a message: its payload, the function that it calls, the process that it
//! drives.

pub mod calls;
pub mod globs;
pub mod key;
pub mod otp_internal;
pub mod otp_processes;
pub mod pattern;
pub mod peer_rules;
