//! One channel: frames in, verdicts and frames out, and the state in between.

pub mod channel;
pub mod channel_rules;
pub mod clerk;
pub mod counters;
pub mod events;
pub mod explain;
pub mod hooks;
pub mod judge;
pub mod output;
pub mod track;
