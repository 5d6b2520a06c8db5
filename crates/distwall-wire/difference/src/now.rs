//! The working tree.

pub use side::Side;
use wire_now as wire;

#[cfg_attr(now_flat, path = "names/flat.rs")]
#[cfg_attr(not(now_flat), path = "names/layers.rs")]
mod names;
#[path = "side.rs"]
mod side;
