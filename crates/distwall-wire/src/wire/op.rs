//! Opcodes of control messages.

macro_rules! ops {
    ($($(#[$doc:meta])* $variant:ident $name:ident = $value:literal,)*) => {
        /// The first element of a control message.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Op { $($(#[$doc])* $variant = $value,)* }

        impl Op {
            /// All opcodes of nodes of OTP 25 to 29.
            pub const ALL: [Op; [$($value),*].len()] = [$(Op::$variant),*];

            /// The name in the documentation of the protocol, in capitals.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Op::$variant => stringify!($name),)* }
            }
        }

        /// The opcode of each number.
        static OPS: [Option<Op>; 38] = {
            let mut ops = [None; 38];
            $(ops[$value] = Some(Op::$variant);)*
            ops
        };

        /// The number of elements by opcode: a look at a table costs less than a choice.
        static ARITIES: [u8; 64] = {
            let mut arities = [0; 64];
            $(arities[$value] = Op::$variant.elements();)*
            arities
        };
    };
}

ops! {
    /// A link.
    Link LINK = 1,
    /// A message to a pid, without its sender.
    Send SEND = 2,
    /// A linked process ended.
    Exit EXIT = 3,
    /// The end of a link, before unlinks had an id.
    Unlink UNLINK = 4,
    /// A message to a registered name.
    RegSend REG_SEND = 6,
    /// A new group leader.
    GroupLeader GROUP_LEADER = 7,
    /// `exit/2`.
    Exit2 EXIT2 = 8,
    /// `Send` with a trace token.
    SendTt SEND_TT = 12,
    /// `Exit` with a trace token.
    ExitTt EXIT_TT = 13,
    /// `RegSend` with a trace token.
    RegSendTt REG_SEND_TT = 16,
    /// `Exit2` with a trace token.
    Exit2Tt EXIT2_TT = 18,
    /// A monitor.
    MonitorP MONITOR_P = 19,
    /// The end of a monitor, by the process that set it.
    DemonitorP DEMONITOR_P = 20,
    /// A monitored process ended.
    MonitorPExit MONITOR_P_EXIT = 21,
    /// A message to a pid.
    SendSender SEND_SENDER = 22,
    /// `SendSender` with a trace token.
    SendSenderTt SEND_SENDER_TT = 23,
    /// `Exit` with the reason as payload.
    PayloadExit PAYLOAD_EXIT = 24,
    /// `PayloadExit` with a trace token.
    PayloadExitTt PAYLOAD_EXIT_TT = 25,
    /// `Exit2` with the reason as payload.
    PayloadExit2 PAYLOAD_EXIT2 = 26,
    /// `PayloadExit2` with a trace token.
    PayloadExit2Tt PAYLOAD_EXIT2_TT = 27,
    /// `MonitorPExit` with the reason as payload.
    PayloadMonitorPExit PAYLOAD_MONITOR_P_EXIT = 28,
    /// A spawn request.
    SpawnRequest SPAWN_REQUEST = 29,
    /// `SpawnRequest` with a trace token.
    SpawnRequestTt SPAWN_REQUEST_TT = 30,
    /// The answer to a spawn request.
    SpawnReply SPAWN_REPLY = 31,
    /// `SpawnReply` with a trace token.
    SpawnReplyTt SPAWN_REPLY_TT = 32,
    /// A message to an alias.
    AliasSend ALIAS_SEND = 33,
    /// `AliasSend` with a trace token.
    AliasSendTt ALIAS_SEND_TT = 34,
    /// The end of a link.
    UnlinkId UNLINK_ID = 35,
    /// The acknowledgement of the end of a link.
    UnlinkIdAck UNLINK_ID_ACK = 36,
    /// A message or `exit/2`; flags give its kind and the kind of its target.
    AltactSigSend ALTACT_SIG_SEND = 37,
}

impl Op {
    /// The opcode of a number; None: no node sends it.
    #[must_use]
    #[inline(always)]
    pub fn of(number: u8) -> Option<Self> {
        OPS.get(usize::from(number)).copied().flatten()
    }

    /// The number of elements of the control message. The flags of an `AltactSigSend` may add a trace token.
    #[must_use]
    #[inline(always)]
    pub fn arity(self) -> u8 {
        ARITIES[self as usize % ARITIES.len()]
    }

    const fn elements(self) -> u8 {
        use Op::*;
        match self {
            Link | Send | Unlink | GroupLeader | SendSender | PayloadExit | PayloadExit2 | AliasSend => 3,
            Exit | RegSend | Exit2 | SendTt | MonitorP | DemonitorP | SendSenderTt | PayloadExitTt | PayloadExit2Tt
            | PayloadMonitorPExit | AliasSendTt | UnlinkId | UnlinkIdAck | AltactSigSend => 4,
            ExitTt | RegSendTt | Exit2Tt | MonitorPExit | SpawnReply => 5,
            SpawnRequest | SpawnReplyTt => 6,
            SpawnRequestTt => 7,
        }
    }

    /// True if a trace token or a reason stands behind the other elements.
    #[must_use]
    #[inline(always)]
    pub fn has_more(self) -> bool {
        self.is_traced() || self.has_reason()
    }

    /// True if a trace token stands behind the other elements.
    #[must_use]
    #[inline]
    pub fn is_traced(self) -> bool {
        use Op::*;
        matches!(
            self,
            SendTt
                | ExitTt
                | RegSendTt
                | Exit2Tt
                | SendSenderTt
                | PayloadExitTt
                | PayloadExit2Tt
                | SpawnRequestTt
                | SpawnReplyTt
                | AliasSendTt
        )
    }

    /// True if the reason of an ending is the last element, and not the payload.
    #[must_use]
    #[inline]
    pub fn has_reason(self) -> bool {
        matches!(self, Op::Exit | Op::ExitTt | Op::Exit2 | Op::Exit2Tt | Op::MonitorPExit)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_opcode_is_read_back() {
        let known = (0..=u8::MAX).filter_map(|value| Op::of(value).map(|op| (value, op)));
        assert!(known.eq(Op::ALL.into_iter().map(|op| (op as u8, op))));
    }

    #[test]
    fn a_trace_token_is_one_more_element() {
        for traced in Op::ALL.into_iter().filter(|op| op.is_traced()) {
            let plain = Op::ALL.into_iter().find(|op| traced.name() == format!("{}_TT", op.name()));
            assert_eq!(plain.map(|plain| plain.arity() + 1), Some(traced.arity()), "{traced:?}");
        }
    }
}
