//! The working tree.

pub use side::Side;
use wire_now as wire;

#[cfg_attr(now_flat, path = "names/flat.rs")]
#[cfg_attr(not(now_flat), path = "names/layers.rs")]
mod names;
#[cfg_attr(now_of, path = "names/application.rs")]
#[cfg_attr(not(now_of), path = "names/no_application.rs")]
mod fields;
#[path = "side.rs"]
mod side;
