//! The revision that the working tree is compared with.

pub use side::Side;
use wire_before as wire;

#[cfg_attr(before_names = "flat", path = "names/flat.rs")]
#[cfg_attr(before_names = "layers", path = "names/layers.rs")]
#[cfg_attr(before_names = "channel_rules", path = "names/channel_rules.rs")]
mod names;
#[cfg_attr(before_of, path = "names/application.rs")]
#[cfg_attr(not(before_of), path = "names/no_application.rs")]
mod fields;
#[path = "side.rs"]
mod side;
