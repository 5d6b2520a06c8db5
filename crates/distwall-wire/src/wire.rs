//! The distribution protocol: headers, control messages, fragments, and the shapes of messages that distwall knows.

pub mod byte_buffer;
pub mod control;
pub mod flags;
pub mod fragments;
pub mod frame;
pub mod header;
pub mod op;
pub mod reply;
pub mod shapes;
