//! The 14 kinds of commands.

macro_rules! commands {
    ($($(#[$doc:meta])* $variant:ident = $name:literal,)*) => {
        /// The 14 categories, named as `erlang:statistics(dist)` does.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Command { $($(#[$doc])* $variant,)* }
        impl Command {
            /// All of them, in alphabetical order.
            pub const ALL: [Command; [$(Command::$variant),*].len()] = [$(Command::$variant),*];
            /// The name that users write.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Command::$variant => $name,)* }
            }
        }
    };
}

commands! {
    /// A message to an alias.
    AliasSend = "alias_send",
    /// The end of a monitor, by the process that set it.
    Demonitor = "demonitor",
    /// A linked process ended.
    Exit = "exit",
    /// `exit/2`.
    Exit2 = "exit2",
    /// `group_leader/2`.
    GroupLeader = "group_leader",
    /// A link.
    Link = "link",
    /// A monitor.
    Monitor = "monitor",
    /// A monitored process ended.
    MonitorExit = "monitor_exit",
    /// A message to a registered name.
    RegSend = "reg_send",
    /// A message to a pid.
    Send = "send",
    /// The answer to a spawn request.
    SpawnReply = "spawn_reply",
    /// A spawn request.
    SpawnRequest = "spawn_request",
    /// The end of a link.
    Unlink = "unlink",
    /// The acknowledgement of an unlink.
    UnlinkAck = "unlink_ack",
}

impl Command {
    /// The command of that name.
    #[must_use]
    pub fn named(name: &str) -> Option<Command> {
        Command::ALL.into_iter().find(|command| command.name() == name)
    }
}
