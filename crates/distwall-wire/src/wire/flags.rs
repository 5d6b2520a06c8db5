//! Distribution flags: the flags that the core looks at, and the set of all flags that it understands.

/// The receiver keeps an atom cache; frames have headers.
pub const DIST_HDR_ATOM_CACHE: u64 = 0x2000;
/// Labels of trace tokens may be any term.
pub const BIG_SEQTRACE_LABELS: u64 = 0x10_0000;
/// Exit reasons travel as payload.
pub const EXIT_PAYLOAD: u64 = 0x40_0000;
/// Messages may be cut into fragments.
pub const FRAGMENTS: u64 = 0x80_0000;
/// Unlinks carry an id and are acknowledged.
pub const UNLINK_ID: u64 = 0x200_0000;
/// Spawn requests.
pub const SPAWN: u64 = 1 << 32;
/// Control message 37.
pub const ALTACT_SIG: u64 = 1 << 37;
/// Native records (tag 67).
pub const NATIVE_RECORDS: u64 = 1 << 38;

/// All flags whose meaning the core knows: bits 0 to 20 without the internal 15, 22 to 26, SPAWN, NAME_ME, V4_NC,
/// ALIAS, ALTACT_SIG and NATIVE_RECORDS. Any other flag is masked in the handshake, so that no node uses a feature that
/// the core can't read.
pub const KNOWN: u64 = 0x7df_7fff | (0b1111 << 32) | ALTACT_SIG | NATIVE_RECORDS;
