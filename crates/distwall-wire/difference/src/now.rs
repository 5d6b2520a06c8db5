//! The working tree.

pub use side::Side;
use wire_now as wire;

#[cfg_attr(now_names = "flat", path = "names/flat.rs")]
#[cfg_attr(now_names = "layers", path = "names/layers.rs")]
#[cfg_attr(now_names = "channel_rules", path = "names/channel_rules.rs")]
mod names;
#[cfg_attr(now_of, path = "names/application.rs")]
#[cfg_attr(not(now_of), path = "names/no_application.rs")]
mod fields;
#[path = "side.rs"]
mod side;
