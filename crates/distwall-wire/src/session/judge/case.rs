//! One command before the judge: what is known about it, and what the stages have found out so far.

use std::sync::Arc;

use crate::direction::Direction;
use crate::limits::{Limit, Limits};
use crate::rules::calls::{self, ErpcCall};
use crate::rules::pattern::Work;
use crate::rules::peer_rules::RankedRule;
use crate::session::events::Reason;
use crate::term::atoms::{Atom, AtomRefs, Caches, NodeNames};
use crate::term::reader::{Pid, Reader};
use crate::term::scan::{ScanFindings, Watch};
use crate::wire::control::{Control, Process};

use crate::wire::reply::{End, Form};
use crate::wire::shapes::{self, Asker};

use super::{Court, Force, Next, Objection, Refusal, Ruling};

/// The two ends of a channel and what they agreed on. Only the limits change.
pub struct Ends {
    /// Node names.
    pub names: NodeNames,
    /// The peer's incarnation; 0: not known.
    pub peer_creation: u32,
    /// The guarded node's incarnation.
    pub guard_creation: u32,
    /// Negotiated flags.
    pub flags: u64,
    /// True if native records are among them.
    pub records: bool,
    /// The form of frames made by distwall.
    pub form: Form,
    /// Caps.
    pub limits: Limits,
    /// True if it is noted what the peer asks and shows. Only rules for outbound commands look at that.
    pub follows_peer: bool,
    /// The atom that refused spawn requests and calls get.
    pub deny_reason: Box<[u8]>,
}

impl Ends {
    /// True if a process belongs to the sending node in that direction, in its present incarnation.
    #[must_use]
    pub fn is_of(&self, side: Direction, process: &Process<'_>) -> bool {
        process.node.word == side.word()
            && match side {
                Direction::Inbound => self.peer_creation == 0 || process.pid.creation == self.peer_creation,
                Direction::Outbound => process.pid.creation == self.guard_creation,
            }
    }

    /// True if it is noted what the sending node in that direction asks and shows.
    #[must_use]
    #[inline]
    pub fn follows(&self, side: Direction) -> bool {
        side == Direction::Outbound || self.follows_peer
    }

    /// The name of the sending node in that direction.
    #[must_use]
    pub fn name(&self, side: Direction) -> &[u8] {
        match side {
            Direction::Inbound => &self.names.peer,
            Direction::Outbound => &self.names.guard,
        }
    }

    /// A process of the sending node in that direction, as frames made by distwall name it.
    #[must_use]
    pub fn end(&self, side: Direction, pid: Pid) -> End<'_> {
        End { node: self.name(side), pid }
    }

    /// The peer's name and incarnation.
    #[must_use]
    pub fn peer(&self) -> (&[u8], u32) {
        (&self.names.peer, self.peer_creation)
    }
}

/// A command with what is known about its payload.
pub struct Message<'a, 'b> {
    /// Control message.
    pub control: &'b Control<'a>,
    /// At the payload's first byte.
    pub payload: Option<Reader<'a>>,
    /// The asker, if it is a message with a question.
    pub asker: Option<&'b Asker<'a>>,
    /// The call of `erpc`, if it is one as nearly all are, and was read together with the scan.
    pub erpc: Option<&'b ErpcCall<'a>>,
    /// The work of comparing it with patterns.
    pub work: Work,
}

/// The place for the large parts of a message, which are written straight to it.
#[derive(Default)]
pub struct Room<'a> {
    /// Control message.
    pub control: Option<Control<'a>>,
    /// The asker.
    pub asker: Option<Asker<'a>>,
    /// The call of `erpc`.
    pub erpc: Option<ErpcCall<'a>>,
}

impl<'a, 'b> Message<'a, 'b> {
    /// Reads who asks.
    #[must_use]
    pub fn new(control: &'b Control<'a>, payload: Option<Reader<'a>>, room: &'b mut Option<Asker<'a>>) -> Self {
        if let Some(payload) = payload.filter(|payload| control.is_message() && shapes::may_ask(payload)) {
            *room = shapes::asker(payload);
        }
        Message::told(control, payload, room.as_ref())
    }

    /// A message of which it is known who asks.
    #[inline(always)]
    #[must_use]
    pub fn told(control: &'b Control<'a>, payload: Option<Reader<'a>>, asker: Option<&'b Asker<'a>>) -> Self {
        Message { control, payload, asker, erpc: None, work: Work::default() }
    }

    /// Bytes of a whole payload; 0 without one.
    #[must_use]
    pub fn payload_size(&self) -> u64 {
        self.payload.map_or(0, |payload| (payload.data.len() - payload.pos) as u64)
    }
}

/// The cost of the arrival of a peer's command.
#[derive(Clone, Copy)]
pub struct Arrival<'w> {
    /// The rate that it exceeds, if any.
    pub over: Option<Limit>,
    /// The atoms of its header that the guarded node would learn.
    pub atoms: Newcomers<'w>,
    /// The settings with which its terms were scanned.
    pub watch: &'w Watch<'w>,
}

/// The atoms of a header that its receiver may not have yet.
#[derive(Clone, Copy)]
pub enum Newcomers<'w> {
    /// Atoms of a frame that has just arrived.
    Header(&'w Caches, &'w AtomRefs),
    /// Atoms of a message that was held.
    Kept(&'w [(u16, Arc<Atom>)]),
}

impl Newcomers<'_> {
    /// False if the receiver is known to have them all.
    #[inline]
    pub fn may_be_new(&self) -> bool {
        match self {
            Newcomers::Header(_, refs) => refs.fresh || !refs.in_step,
            Newcomers::Kept(atoms) => !atoms.is_empty(),
        }
    }
}

/// One command before the judge.
pub struct Case<'c, 'a, 'b> {
    /// The rules, tracking and settings that judge it.
    pub(super) court: &'c Court<'c>,
    /// The command.
    pub(super) message: &'c Message<'a, 'b>,
    /// The findings in its terms.
    pub(super) found: &'c mut ScanFindings,
    /// The cost of its arrival; None if that is not asked.
    pub(super) arrival: Option<Arrival<'c>>,
    /// True if its payload is known to the end; false: only the beginning.
    pub(super) whole: bool,
    /// The ruling, as far as it has come; stage `answer` sets what the command answers or ends.
    pub(super) ruling: &'c mut Ruling,
    /// True if it can only be an answer or an ending, and belongs to nothing (stage `answer`). `accept *` does not
    /// cover these.
    pub(super) stray: bool,
    /// Stage `call`: the function that it calls.
    pub(super) call: calls::FoundCall<'a>,
    /// Stage `rule`: the rule that decides; None: no rule speaks.
    pub(super) decision: Option<&'c RankedRule>,
    /// True if a rule that opens all decides (stage `rule`).
    pub(super) star: bool,
    /// True if the rules accept it, or if no rule refuses an answer (stage `rule`).
    pub(super) accepted: bool,
    /// True if its fun is read behind the rules (stage `rule`).
    pub(super) read: bool,
    /// True if it is a message that carries a call (stage `rule`).
    pub(super) carries: bool,
    /// The rule that opens the process of OTP's by its name (stage `name`).
    pub(super) opener: Option<&'c RankedRule>,
    /// True if a process of OTP obeys it, so that a rule has to open it (stage `otp_internal`).
    pub(super) obeyed: bool,
    /// The objection that was heard last.
    pub(super) heard: Option<Objection>,
    /// True if that stands.
    pub(super) stands: bool,
}

impl<'c, 'a, 'b> Case<'c, 'a, 'b> {
    /// A whole message.
    pub(super) fn new(
        court: &'c Court<'c>,
        message: &'c Message<'a, 'b>,
        found: &'c mut ScanFindings,
        arrival: Option<Arrival<'c>>,
        ruling: &'c mut Ruling,
    ) -> Self {
        Case {
            court,
            message,
            found,
            arrival,
            whole: true,
            ruling,
            stray: false,
            call: calls::FoundCall::NONE,
            decision: None,
            star: false,
            accepted: false,
            read: false,
            carries: false,
            opener: None,
            obeyed: false,
            heard: None,
            stands: false,
        }
    }

    /// The control message.
    pub(super) fn control(&self) -> &'c Control<'a> {
        self.message.control
    }

    /// The beginning of a message.
    pub(super) fn beginning(
        court: &'c Court<'c>,
        message: &'c Message<'a, 'b>,
        found: &'c mut ScanFindings,
        ruling: &'c mut Ruling,
    ) -> Self {
        Case { whole: false, ..Case::new(court, message, found, None, ruling) }
    }

    /// True if the rule that decides is in audit mode.
    pub(super) fn in_audit(&self) -> bool {
        self.decision.is_some_and(|decision| decision.audit)
    }

    /// Objects for a reason that no mode of the policy waives.
    pub(super) fn always(&mut self, reason: Reason) -> Next {
        self.object(Objection { refusal: Refusal::deny(reason), force: Force::Always, answers: false })
    }

    /// Objects to a message that patterns have no answer for any more.
    #[cold]
    pub(super) fn overworked(&mut self) -> Next {
        let refusal = Refusal::deny(Reason::Limit(Limit::PatternSteps));
        self.object(Objection { refusal, force: Force::Always, answers: true })
    }

    /// Objects in the name of a rule; or of the default, where no rule speaks.
    pub(super) fn by(&mut self, rule: Option<&RankedRule>, reason: Reason) -> Next {
        let force = Force::Enforced { in_audit: rule.is_some_and(|rule| rule.audit) };
        self.object(Objection { refusal: Refusal::by(rule, reason), force, answers: false })
    }

    /// Objects. If the objection does not stand, the command goes on; of those, the first is kept as waived.
    #[cold]
    pub(super) fn object(&mut self, objection: Objection) -> Next {
        self.heard = Some(objection);
        match objection.force {
            Force::Enforced { in_audit } if self.court.audit || in_audit => {
                self.ruling.waived.get_or_insert(objection.refusal);
                Next::On
            }
            _ => {
                let settles = self.ruling.settles.filter(|_| objection.answers);
                *self.ruling = Ruling::refused(objection.refusal, settles);
                self.stands = true;
                Next::Stop
            }
        }
    }

    /// Stops if only the beginning of a message is known, and what is asked depends on the rest.
    pub(super) fn unseen(&self, depends: bool) -> Next {
        if depends {
            Next::Stop
        } else {
            Next::On
        }
    }
}
