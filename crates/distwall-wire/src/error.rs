//! Bytes that end a channel.

use std::fmt;

use crate::limits::Limit;

macro_rules! bad {
    ($($variant:ident = $text:literal,)*) => {
        /// The reason why a channel ends: what was wrong with its bytes.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Bad {
            $(#[doc = $text] $variant,)*
            /// A limit was exceeded where a message can't be refused any more, or where the policy closes channels over
            /// limits.
            Exceeded(Limit),
        }

        impl fmt::Display for Bad {
            fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
                match self {
                    $(Bad::$variant => out.write_str($text),)*
                    Bad::Exceeded(limit) => write!(out, "the limit {} is exceeded", limit.name()),
                }
            }
        }
    };
}

bad! {
    // Terms.
    ShortTerm = "a term is cut short",
    AtomExpected = "an atom was expected",
    PidExpected = "a pid was expected",
    ReferenceExpected = "a reference was expected",
    UnsignedExpected = "a small integer that is not negative was expected",
    TupleExpected = "a tuple was expected",
    ListExpected = "a list was expected",
    AtomText = "an atom is not UTF-8 of at most 255 characters",
    LongAtomForm = "an atom is not written in the shortest form",
    LongNumberForm = "a number is not written in the shortest form",
    LongListForm = "a list of no elements is not written as NIL",
    UnknownAtom = "a term names an atom that its header doesn't have",
    UnknownTag = "a term has a tag that no node sends",
    TooDeep = "a term is nested deeper than the limit term_depth",
    TooManySubterms = "a term has more subterms than a message can hold",
    TooLongExpanded = "a message is too long with its atoms written out",
    TupleArity = "a large tuple has an arity out of range",
    DuplicateKey = "a map has the same key twice",
    NotANumber = "a float is not a number",
    BitCount = "a bit string has no bits, or more than 8 in its last byte",
    BigSign = "a big integer has no sign",
    PidRange = "a pid of the guarded node is out of range",
    ReferenceLength = "a reference has no words, or more than five",
    ReferenceRange = "a reference of the guarded node is out of range",
    ExportArity = "the arity of an export is not a small integer",
    FunFreeVariables = "a fun has more than 255 free variables",
    FunIndex = "an index of a fun is not a small integer",
    RecordHead = "a native record has flags that nobody knows, or too many fields",
    DuplicateField = "a native record has the same field twice",
    // Frames and headers.
    FrameSize = "a frame is longer than the limit frame_size",
    FrameForm = "a frame has a form that was not negotiated",
    FragmentSize = "a fragment is larger than any node sends",
    ControlSize = "a control message is larger than any node sends",
    PayloadVersion = "a payload doesn't begin with its version",
    TrailingBytes = "bytes follow the end of a message",
    ShortHeader = "a distribution header is cut short",
    HeaderWithoutCache = "a header names atoms though no atom cache was negotiated",
    HeaderPadding = "unused bits of a header are set",
    SlotTwice = "a header names one atom cache slot twice",
    SlotNeverFilled = "a header names an atom cache slot that was never filled",
    // Fragments.
    ShortFragment = "a fragment is cut short",
    FragmentNumberZero = "a fragment has the sequence or fragment number 0",
    SequenceInUse = "a fragmented message begins under a sequence number that is in use",
    OpenSequences = "more fragmented messages are open than the limit open_sequences",
    OpenFragments = "more fragments are announced than the limit open_fragments",
    HeldSequences = "fragmented messages cost more to follow than the limit held_bytes",
    SequenceUnknown = "a fragment of a message that was not begun",
    FragmentOrder = "a fragment out of order",
    MessageSize = "a message is longer than the limit message_size",
    SequenceAge = "a fragmented message has been open for longer than the limit sequence_age",
    FragmentedWithoutPayload = "a message without a payload comes in fragments",
    FragmentsEndEarly = "a message in fragments ends too early",
    BegunThirdNode = "a message that has begun carries a pid of a node that third_nodes doesn't name",
    BegunFun = "a message that has begun carries a fun",
    BegunByOldRules = "new rules do not pass a message that has begun",
    // Control messages.
    ControlNotTuple = "a control message is not a tuple",
    OpNotSmallInteger = "the opcode of a control message is not a small integer",
    UnknownOp = "an opcode that no node sends",
    ControlArity = "a control message has the wrong number of elements",
    UnlinkForm = "an unlink of the form that was not negotiated",
    UnlinkIdZero = "an unlink has the id 0",
    SpawnNotNegotiated = "a spawn request though none was negotiated",
    SpawnWithoutMfa = "a spawn request names no module, function and arity",
    SpawnArity = "a spawn request has more than 255 arguments",
    SpawnArityMismatch = "a spawn request announces another number of arguments than it brings",
    SpawnArgumentsNotList = "the arguments of a spawn request are not a list",
    SpawnArgumentsImproper = "the arguments of a spawn request are not a proper list",
    SpawnReplyFlags = "a spawn reply has flags that nobody knows",
    SpawnReplyForeign = "a spawn reply to a request of another node",
    SpawnReplyBringsMore = "a spawn reply brings a link or a monitor that was not asked for",
    StrangeIdentity = "the guarded node's answer about who a process is can't be read",
    SilentGuard = "the guarded node did not say within ask_timeout who a process is",
    EndBeforeSpawnReply = "a spawned process ends before the reply to its spawn request",
    AltactNotNegotiated = "an ALTACT_SIG_SEND though none was negotiated",
    AltactUnknownFlags = "an ALTACT_SIG_SEND has flags that nobody knows",
    AltactFlags = "an ALTACT_SIG_SEND has flags that no node sends",
    TokenNotTuple = "a trace token is not a tuple of five",
    TokenNumber = "a trace token has no number where one belongs",
    ForeignSender = "the sender of a command is not a process of the connected node",
    ForeignTarget = "an exit or unlink aims at a process of another incarnation or node",
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Every step of a reader returns one.
    #[test]
    fn a_reason_is_one_byte() {
        assert_eq!(size_of::<Bad>(), 1);
    }

    #[test]
    fn a_limit_is_named() {
        assert_eq!(Bad::Exceeded(Limit::NewAtoms).to_string(), "the limit new_atoms is exceeded");
    }
}
