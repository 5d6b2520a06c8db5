//! The rules, compiled, and what they say about a message: its payload, the function that it calls, the process it drives.

pub mod calls;
pub mod otp_internal;
pub mod pattern;
pub mod table;
