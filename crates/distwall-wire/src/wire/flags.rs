//! Distribution flags: the capabilities that two nodes agree on in their handshake.

macro_rules! flags {
    ($($(#[$doc:meta])* $name:ident = $bit:literal,)*) => {
        $($(#[$doc])* pub const $name: u64 = 1 << $bit;)*

        /// The known flags with their names.
        pub const ALL: [(&str, u64); [$($bit),*].len()] = [$((stringify!($name), $name)),*];

        /// All known flags. Any other is masked in the handshake, so that no node uses what nobody here can read.
        pub const KNOWN: u64 = $($name)|*;
    };
}

flags! {
    /// The node is visible.
    PUBLISHED = 0,
    /// An atom cache of the old kind.
    ATOM_CACHE = 1,
    /// References have up to five words.
    EXTENDED_REFERENCES = 2,
    /// Monitors.
    DIST_MONITOR = 3,
    /// Funs of the old kind.
    FUN_TAGS = 4,
    /// Monitors of registered names.
    DIST_MONITOR_NAME = 5,
    /// A hidden node keeps an atom cache.
    HIDDEN_ATOM_CACHE = 6,
    /// Funs.
    NEW_FUN_TAGS = 7,
    /// Numbers of pids and ports are wide.
    EXTENDED_PIDS_PORTS = 8,
    /// Exports.
    EXPORT_PTR_TAG = 9,
    /// Bit strings.
    BIT_BINARIES = 10,
    /// Floats take eight bytes.
    NEW_FLOATS = 11,
    /// The I/O protocol has Unicode.
    UNICODE_IO = 12,
    /// The receiver keeps an atom cache; frames have headers.
    DIST_HDR_ATOM_CACHE = 13,
    /// Short atoms have a tag of their own.
    SMALL_ATOM_TAGS = 14,
    /// Atoms are UTF-8.
    UTF8_ATOMS = 16,
    /// Maps.
    MAP_TAG = 17,
    /// Incarnations take four bytes.
    BIG_CREATION = 18,
    /// Messages to pids say who sends them.
    SEND_SENDER = 19,
    /// Labels of trace tokens may be any term.
    BIG_SEQTRACE_LABELS = 20,
    /// Exit reasons travel as payload.
    EXIT_PAYLOAD = 22,
    /// Messages may be cut into fragments.
    FRAGMENTS = 23,
    /// The handshake of OTP 23.
    HANDSHAKE_23 = 24,
    /// Unlinks carry an id and are acknowledged.
    UNLINK_ID = 25,
    /// Stands for all of [`MANDATORY_25`].
    MANDATORY_25_DIGEST = 26,
    /// Spawn requests.
    SPAWN = 32,
    /// The initiator asks the acceptor for a name.
    NAME_ME = 33,
    /// Numbers of pids, ports and references have the size of OTP 24.
    V4_NC = 34,
    /// Aliases.
    ALIAS = 35,
    /// Control message 37.
    ALTACT_SIG = 37,
    /// Native records (tag 67).
    NATIVE_RECORDS = 38,
}

/// The flags that every node has since OTP 25, and that [`MANDATORY_25_DIGEST`] stands for.
pub const MANDATORY_25: u64 = EXTENDED_REFERENCES
    | FUN_TAGS
    | NEW_FUN_TAGS
    | EXTENDED_PIDS_PORTS
    | EXPORT_PTR_TAG
    | BIT_BINARIES
    | NEW_FLOATS
    | UTF8_ATOMS
    | MAP_TAG
    | BIG_CREATION
    | HANDSHAKE_23;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sets_of_flags_are_those_of_otp() {
        assert_eq!(MANDATORY_25, 0x107_0f94);
        // Bits 0 to 38, except bits for internal use of a VM: 15, 21, 27 to 31 and 36.
        assert_eq!(KNOWN, 0x6f_07df_7fff);
    }
}
