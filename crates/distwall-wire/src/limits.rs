//! Every limit, with its default. No ordinary cluster meets them.

/// Caps of one channel; see [`Limits::NAMES`] for what each bounds.
#[derive(Clone, Debug)]
pub struct Limits {
    values: [u64; Limits::NAMES.len()],
}

macro_rules! limits {
    ($($(#[$doc:meta])* $name:ident = $default:expr,)*) => {
        #[allow(non_camel_case_types, clippy::upper_case_acronyms)]
        enum Index { $($name,)* }
        impl Limits {
            /// The names of all limits, as users write them.
            pub const NAMES: [&'static str; [$(stringify!($name)),*].len()] = [$(stringify!($name)),*];
            $($(#[$doc])* #[must_use] pub fn $name(&self) -> u64 { self.values[Index::$name as usize] })*
        }
        impl Default for Limits {
            fn default() -> Self { Self { values: [$($default),*] } }
        }
    };
}

limits! {
    /// Distinct atoms that a peer may create in one incarnation of the guarded node (they are never collected there).
    new_atoms = 100_000,
    /// Distinct funs and exports, likewise.
    new_funs = 10_000,
    /// Bytes of one frame. Nodes cut what is larger than 64 KiB into fragments, but not what was sent before the connection was up.
    frame_size = 128 << 20,
    /// Bytes of one message over all its fragments.
    message_size = 256 << 20,
    /// Bytes of one channel and direction that wait for the rest of their message before they can be judged.
    held_bytes = 128 << 20,
    /// Fragmented messages that one direction may have open at once.
    open_sequences = 1024,
    /// Fragments announced by all open sequences together (the receiver allocates 40 bytes for each on the first one).
    open_fragments = 65_536,
    /// Nesting of one term.
    term_depth = 65_536,
    /// Bytes of one big integer (printing and arithmetic are quadratic).
    bigint_bytes = 4096,
    /// Words that a spawn request may reserve (`min_heap_size`, `min_bin_vheap_size`); the VM ends where it can't have them.
    spawn_heap = 1 << 24,
    /// Entries of one kind that tracking keeps (links, monitors, calls, ...).
    tracked = 65_536,
    /// Seconds after which a call, spawn request or unlink that was not answered, or a process or alias that was disclosed, is
    /// forgotten; 0: never.
    tracked_age = 7 * 24 * 3600,
}

impl Limits {
    /// Sets the limit of that name; false if there is none.
    pub fn set(&mut self, name: &str, value: u64) -> bool {
        match Self::NAMES.iter().position(|known| *known == name) {
            Some(index) => {
                self.values[index] = value;
                true
            }
            None => false,
        }
    }

    /// All limits by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Self::NAMES.into_iter().zip(self.values)
    }
}
