//! Every limit, with its default. No ordinary cluster meets them.

use crate::command::Command;

pub mod budget;
pub mod rates;

macro_rules! limits {
    ($($(#[$doc:meta])* $variant:ident = $name:ident: $default:expr,)*) => {
        /// A limit, by its name.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Limit { $($(#[$doc])* $variant,)* }
        impl Limit {
            /// All of them.
            pub const ALL: [Limit; [$(Limit::$variant),*].len()] = [$(Limit::$variant),*];
            /// The name that users write.
            #[must_use]
            pub fn name(self) -> &'static str {
                Limits::NAMES[self as usize]
            }
        }
        impl Limits {
            /// The names of all limits, as users write them.
            pub const NAMES: [&'static str; Limit::ALL.len()] = [$(stringify!($name)),*];
            $($(#[$doc])* #[must_use] pub fn $name(&self) -> u64 { self.get(Limit::$variant) })*
        }
        impl Default for Limits {
            fn default() -> Self { Self { values: [$($default),*] } }
        }
    };
}

limits! {
    /// Distinct atoms that a peer may create in one incarnation of the guarded node (they are never collected there).
    NewAtoms = new_atoms: 100_000,
    /// Distinct atoms of all peers together. A VM has room for 1,048,576, and exits when the table is full.
    GuardAtoms = guard_atoms: 500_000,
    /// Distinct funs and exports that a peer may bring.
    NewFuns = new_funs: 10_000,
    /// Distinct nodes that a peer may name in pids, ports and references, besides the two ends; each incarnation
    /// counts.
    NewNodes = new_nodes: 10_000,
    /// Atoms written out in one message, repeated atoms included; a header has room for the first 255.
    InlineAtoms = inline_atoms: 4_000_000,
    /// Bytes of one frame. Nodes cut larger messages than 64 KiB into fragments, except before the connection is up.
    FrameSize = frame_size: 128 << 20,
    /// Bytes of one message over all its fragments.
    MessageSize = message_size: 256 << 20,
    /// Bytes of a message that a handler or distwall's evaluator is to see, and of the question about it: both are written
    /// at once.
    HandledSize = handled_size: 512 << 10,
    /// Bytes of one channel and direction that wait for the rest of their message before they can be judged.
    HeldBytes = held_bytes: 128 << 20,
    /// Fragmented messages that one direction may have open at once.
    OpenSequences = open_sequences: 1024,
    /// Fragments announced by all open sequences together (the receiver allocates 40 bytes for each on the first one).
    OpenFragments = open_fragments: 65_536,
    /// Seconds from the first fragment of a peer's message to its last.
    SequenceAge = sequence_age: 3600,
    /// Bytes of a peer in a second.
    BytesPerSecond = bytes_per_second: 10_000_000_000,
    /// Commands of a peer in a second, refused commands included.
    CommandsPerSecond = commands_per_second: 10_000_000,
    /// Likewise, of this kind alone.
    AliasSendPerSecond = alias_send_per_second: 10_000_000,
    /// Likewise, of this kind alone.
    DemonitorPerSecond = demonitor_per_second: 500_000,
    /// Likewise, of this kind alone.
    ExitPerSecond = exit_per_second: 500_000,
    /// Likewise, of this kind alone.
    Exit2PerSecond = exit2_per_second: 500_000,
    /// Likewise, of this kind alone.
    GroupLeaderPerSecond = group_leader_per_second: 500_000,
    /// Likewise, of this kind alone.
    LinkPerSecond = link_per_second: 500_000,
    /// Likewise, of this kind alone.
    MonitorPerSecond = monitor_per_second: 500_000,
    /// Likewise, of this kind alone.
    MonitorExitPerSecond = monitor_exit_per_second: 500_000,
    /// Likewise, of this kind alone.
    RegSendPerSecond = reg_send_per_second: 10_000_000,
    /// Likewise, of this kind alone.
    SendPerSecond = send_per_second: 10_000_000,
    /// Likewise, of this kind alone.
    SpawnReplyPerSecond = spawn_reply_per_second: 500_000,
    /// Likewise, of this kind alone.
    SpawnRequestPerSecond = spawn_request_per_second: 500_000,
    /// Likewise, of this kind alone.
    UnlinkPerSecond = unlink_per_second: 500_000,
    /// Likewise, of this kind alone.
    UnlinkAckPerSecond = unlink_ack_per_second: 500_000,
    /// Log events of a peer in a second, that is, messages to `logger_proxy`. By default, `logger` drops events of all
    /// sources beyond 500 in a second: so some of these are left to the node itself.
    LogEventsPerSecond = log_events_per_second: 200,
    /// Calls of `observer_backend` in a second: each may list all processes, the makers of other lists among them.
    ObserverPerSecond = observer_per_second: 20,
    /// Processes of `observer_backend:fetch_stats/2` that run at once for a peer.
    ObserverStreams = observer_streams: 16,
    /// Nesting of one term.
    TermDepth = term_depth: 65_536,
    /// Bytes of one big integer (printing and arithmetic are quadratic).
    BigintBytes = bigint_bytes: 4096,
    /// Words that a spawn request may reserve (`min_heap_size`, `min_bin_vheap_size`); a VM without that memory exits.
    SpawnHeap = spawn_heap: 1 << 24,
    /// Steps of comparing one message with the patterns of rules; see [`Work`](crate::rules::pattern::Work).
    PatternSteps = pattern_steps: 1_000_000,
    /// Entries of one kind that tracking keeps (links, monitors, calls, ...).
    Tracked = tracked: 65_536,
    /// Seconds within which the guarded node has to say who a process is.
    AskTimeout = ask_timeout: 5,
    /// Processes and aliases of the guarded node that a peer may write without having been shown them.
    Claims = claims: 262_144,
    /// Seconds after which two things are forgotten: requests without an answer; disclosed processes and aliases that
    /// nobody uses. 0: never.
    TrackedAge = tracked_age: 7 * 24 * 3600,
    /// Channels that the peers of an entry may have open together.
    EntryChannels = entry_channels: 1000,
    /// Bytes that all channels of an entry may hold: incomplete frames, messages that wait, and bytes that their
    /// receiver does not read.
    EntryHeldBytes = entry_held_bytes: 512 << 20,
    /// Bytes that the tables of tracking which the peers of an entry fill may take, of all its channels. Each channel has
    /// some in any case.
    EntryTrackedBytes = entry_tracked_bytes: 512 << 20,
    /// Bytes that the other tables of tracking may take, of all channels of an entry: what guarded nodes ask and show, and
    /// what peers have asked OTP's own servers. A channel of many years has some ten megabytes.
    EntryLastingBytes = entry_lasting_bytes: 4 << 30,
}

impl Limit {
    /// The limit with that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Limit> {
        Limit::ALL.into_iter().find(|limit| limit.name() == name)
    }

    /// The limit on commands of that kind in a second.
    #[must_use]
    pub fn per_second(command: Command) -> Limit {
        Limit::ALL[PER_SECOND + command as usize]
    }
}

/// The place of the first limit on single commands; the others follow in the order of [`Command::ALL`].
const PER_SECOND: usize = Limit::AliasSendPerSecond as usize;

/// The limits of one channel; [`Limit`] describes each.
#[derive(Clone, Debug)]
pub struct Limits {
    values: [u64; Limit::ALL.len()],
}

impl Limits {
    /// The value of a limit.
    #[must_use]
    pub fn get(&self, limit: Limit) -> u64 {
        self.values[limit as usize]
    }

    /// Sets the limit with that name; false if the name is unknown.
    pub fn set(&mut self, name: &str, value: u64) -> bool {
        let limit = Limit::named(name);
        if let Some(limit) = limit {
            self.values[limit as usize] = value;
        }
        limit.is_some()
    }

    /// The number of commands of that kind in a second.
    #[must_use]
    pub fn per_second(&self, command: Command) -> u64 {
        self.get(Limit::per_second(command))
    }

    /// All limits with their values.
    pub fn iter(&self) -> impl Iterator<Item = (Limit, u64)> + '_ {
        Limit::ALL.into_iter().zip(self.values)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_command_has_a_limit_of_its_own() {
        for command in Command::ALL {
            assert_eq!(Limit::per_second(command).name(), format!("{}_per_second", command.name()));
        }
    }
}
