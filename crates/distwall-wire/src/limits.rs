//! Every limit, with its default. No ordinary cluster meets them.

use crate::command::Command;

pub mod budget;
pub mod rates;

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
            /// What closes a channel where one is exceeded.
            #[must_use]
            pub fn exceeded(name: &str) -> &'static str {
                match name {
                    $(stringify!($name) => concat!("the limit ", stringify!($name), " is exceeded"),)*
                    _ => "a limit is exceeded",
                }
            }
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
    /// The same for all peers together. A VM has room for 1,048,576, and ends where there is none left.
    guard_atoms = 500_000,
    /// Distinct funs and exports that a peer may bring.
    new_funs = 10_000,
    /// Distinct nodes, each incarnation of one, that a peer may name in pids, ports and references, the two ends apart.
    new_nodes = 10_000,
    /// Atoms written out in one message, repeated ones included; a header has room for the first 255.
    inline_atoms = 4_000_000,
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
    /// Seconds that a fragmented message of the peer's may take from its first fragment to its last.
    sequence_age = 3600,
    /// Bytes in a second.
    bytes_per_second = 10_000_000_000,
    /// Commands in a second, refused ones included.
    commands_per_second = 10_000_000,
    /// Likewise, of this kind alone.
    alias_send_per_second = 10_000_000,
    /// Likewise, of this kind alone.
    demonitor_per_second = 500_000,
    /// Likewise, of this kind alone.
    exit_per_second = 500_000,
    /// Likewise, of this kind alone.
    exit2_per_second = 500_000,
    /// Likewise, of this kind alone.
    group_leader_per_second = 500_000,
    /// Likewise, of this kind alone.
    link_per_second = 500_000,
    /// Likewise, of this kind alone.
    monitor_per_second = 500_000,
    /// Likewise, of this kind alone.
    monitor_exit_per_second = 500_000,
    /// Likewise, of this kind alone.
    reg_send_per_second = 10_000_000,
    /// Likewise, of this kind alone.
    send_per_second = 10_000_000,
    /// Likewise, of this kind alone.
    spawn_reply_per_second = 500_000,
    /// Likewise, of this kind alone.
    spawn_request_per_second = 500_000,
    /// Likewise, of this kind alone.
    unlink_per_second = 500_000,
    /// Likewise, of this kind alone.
    unlink_ack_per_second = 500_000,
    /// Nesting of one term.
    term_depth = 65_536,
    /// Bytes of one big integer (printing and arithmetic are quadratic).
    bigint_bytes = 4096,
    /// Words that a spawn request may reserve (`min_heap_size`, `min_bin_vheap_size`); the VM ends where it can't have them.
    spawn_heap = 1 << 24,
    /// Entries of one kind that tracking keeps (links, monitors, calls, ...).
    tracked = 65_536,
    /// Seconds after which a call, spawn request or unlink that was not answered is forgotten, and a process or alias that was
    /// neither disclosed again nor used as one; 0: never.
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

    /// How many commands of that kind there may be in a second.
    #[must_use]
    pub fn per_second(&self, command: Command) -> u64 {
        self.values[PER_SECOND + command as usize]
    }

    /// The name of that limit.
    #[must_use]
    pub fn per_second_name(command: Command) -> &'static str {
        Self::NAMES[PER_SECOND + command as usize]
    }

    /// All limits by name.
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u64)> + '_ {
        Self::NAMES.into_iter().zip(self.values)
    }
}

/// Where the limits of single commands begin.
const PER_SECOND: usize = Index::alias_send_per_second as usize;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_limit_of_its_own() {
        for command in Command::ALL {
            assert_eq!(Limits::per_second_name(command), format!("{}_per_second", command.name()));
        }
    }
}
