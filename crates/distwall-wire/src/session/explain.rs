//! A question to the judge about a command that nobody has sent: its verdict, and the finding of each stage.
//!
//! # Theory of operation
//!
//! The command is made up: a control message between two made-up processes, with the target and the payload of the
//! question, over a channel without any other traffic. It then passes the same stages as any command
//! ([`Court::explain`]); nothing is decided here.
//!
//! Open parts of the question are filled in so that no rule about them matches. No rule can name the name, function or
//! process used there, and the payload can't be read, so that no pattern fits it.

use std::fmt;
use std::num::NonZeroU64;

use crate::command::Command;
use crate::direction::Direction;
use crate::error::Bad;
use crate::limits::budget::Budget;
use crate::limits::Limits;
use crate::rules::calls::rex;
use crate::rules::otp_internal::WORDS;
use crate::rules::peer_rules::{PeerRules, Scope, Subject};
use crate::session::events::Reason;
use crate::session::judge::{aimed, arguments, Aimed, Court, Ends, Message, Ruling, Step};
use crate::session::track::Person;
use crate::session::track::{Pair, Track};
use crate::term::atoms::{AtomView, NodeNames};
use crate::term::reader::{Pid, Reader, Reference, Terms};
use crate::term::scan::{Allowance, Guarded, Scanner, Watch};
use crate::term::tag;
use crate::verdict::Verdict;
use crate::wire::control::{
    Control, Exit2Form, Mfa, Monitored, NodeReference, Process, SpawnRequest, Spawned, Target, Victim,
};
use crate::wire::flags;
use crate::wire::reply::Form;

/// The incarnation of both nodes; the processes and references in a question's payload have it as well.
pub const CREATION: u32 = 1;

/// A process that no rule can name: `Pid { id: UNNAMED, serial: UNNAMED, .. }`. It is not the clerk's.
const UNNAMED: u32 = 0x0fff_fff0;

/// A name that no rule can name, as it is not an atom.
const NO_NAME: &[u8] = b"\xff";

/// The beginning of `{system, _, _}`, a message that OTP's processes obey; what follows is not known.
const SOME_REQUEST: &[u8] = &[tag::SMALL_TUPLE, 3, tag::SMALL_ATOM, 6, b's', b'y', b's', b't', b'e', b'm'];

/// A command that somebody could send.
pub struct Question<'q> {
    /// The direction of the command.
    pub direction: Direction,
    /// The peer's name.
    pub peer: &'q str,
    /// The guarded node's name.
    pub guard: &'q str,
    /// The subject of the question.
    pub subject: Subject,
    /// The target; None: a target that no rule names.
    pub aim: Option<Aim<'q>>,
    /// The way in which the sender came to know the target.
    pub known_by: Option<Scope>,
    /// The message, the reason, or the list of arguments, as a term without 131; None: not known.
    pub payload: Option<&'q [u8]>,
    /// True if it is a message that some process of OTP's obeys, where the payload is not known. So is `otp_internal` always.
    pub obeyed: bool,
    /// True if what rules refuse passes and is recorded.
    pub audit: bool,
    /// True if funs that were typed in a shell are evaluated behind the rules.
    pub reads_funs: bool,
}

/// The target of a command in question.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aim<'q> {
    /// A registered name.
    Name(&'q str),
    /// A function.
    Function(&'q str, &'q str, u8),
    /// A process.
    Process(Pid),
    /// An alias.
    Alias(Reference),
}

impl<'q> Aim<'q> {
    /// Reads the key of a rule: a name, a process or an alias as they are printed, or module, function and arity.
    pub fn read(key: &[&'q str]) -> Result<Self, Unaskable> {
        match *key {
            [text] if text.starts_with("<0.") => process(text).map(Aim::Process).ok_or(Unaskable::NoSuchTarget),
            [text] if text.starts_with("#Ref<0.") => alias(text).map(Aim::Alias).ok_or(Unaskable::NoSuchTarget),
            [name] => Ok(Aim::Name(name)),
            [module, function, arity] => {
                arity.parse().map(|arity| Aim::Function(module, function, arity)).map_err(|_| Unaskable::NoSuchTarget)
            }
            _ => Err(Unaskable::NoSuchTarget),
        }
    }
}

/// `<0.ID.SERIAL>`
fn process(text: &str) -> Option<Pid> {
    let (id, serial) = text.strip_prefix("<0.")?.strip_suffix('>')?.split_once('.')?;
    Some(Pid { id: id.parse().ok()?, serial: serial.parse().ok()?, creation: CREATION })
}

/// `#Ref<0.LAST. ... .FIRST>`
fn alias(text: &str) -> Option<Reference> {
    let mut words = [0; 5];
    let mut length = 0;
    for word in text.strip_prefix("#Ref<0.")?.strip_suffix('>')?.rsplit('.') {
        *words.get_mut(usize::from(length))? = word.parse().ok()?;
        length += 1;
    }
    Some(Reference { creation: CREATION, length, words })
}

/// The reason why a question can't be put to the judge.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Unaskable {
    /// No command is named.
    NoCommand,
    /// The command can't aim at such a target.
    NoSuchTarget,
    /// The command has no payload.
    NoPayload,
    /// The number of arguments is not the function's arity.
    Arity,
    /// A channel would be closed over such a command.
    Closes(Bad),
}

impl fmt::Display for Unaskable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Unaskable::NoCommand => f.write_str("`*` is no command; ask about one of them"),
            Unaskable::NoSuchTarget => f.write_str("the command can't aim at such a target"),
            Unaskable::NoPayload => f.write_str("the command has no payload; leave the term out"),
            Unaskable::Arity => f.write_str("the number of arguments is not the arity of the function"),
            Unaskable::Closes(bad) => write!(f, "the channel would be closed over it: {bad}"),
        }
    }
}

impl From<Bad> for Unaskable {
    fn from(bad: Bad) -> Self {
        Unaskable::Closes(bad)
    }
}

/// The judge's answer to a question.
#[derive(Clone, Debug)]
pub struct Explanation {
    /// The verdict of the rules, carried out or not.
    pub verdict: Verdict,
    /// The rule that decided, if one did.
    pub rule: Option<u32>,
    /// The reason of a refusal; [`Reason::Rule`] if it is not refused.
    pub reason: Reason,
    /// True if it passes in spite of the verdict, and is recorded.
    pub audited: bool,
    /// The findings of the stages that were asked, in their order.
    pub steps: Vec<Step>,
}

impl Explanation {
    fn new(ruling: &Ruling, steps: Vec<Step>) -> Self {
        let said = ruling.waived.filter(|_| ruling.verdict == Verdict::Accept).unwrap_or_else(|| ruling.refusal());
        let audited = said.verdict != ruling.verdict;
        Explanation { verdict: said.verdict, rule: said.rule, reason: said.reason, audited, steps }
    }
}

/// The third nodes of a policy, and a budget from which nothing was spent.
struct PolicyAllowance<'a> {
    policy: &'a PeerRules,
    budget: Budget,
}

impl Allowance for PolicyAllowance<'_> {
    fn allows_node(&self, node: &[u8]) -> bool {
        self.policy.allows_node(node)
    }

    fn shadow_allows_node(&self, _: &[u8]) -> bool {
        true
    }

    fn budget(&self) -> &Budget {
        &self.budget
    }
}

/// Asks the judge.
pub fn explain(policy: &PeerRules, question: &Question<'_>) -> Result<Explanation, Unaskable> {
    let Question { direction, audit, reads_funs, .. } = *question;
    let ends = ends(question);
    let scene = Scene { ends: &ends, direction };
    let mut control = scene.control(question.subject, question.aim)?;
    let terms = Terms::plain(&ends.names);
    let mut scanner = Scanner::default();
    let payload = match question.payload {
        Some(_) if !control.payload() => return Err(Unaskable::NoPayload),
        Some(etf) => {
            let reader = Reader::new(etf, &terms);
            let allowance = PolicyAllowance { policy, budget: Budget::default() };
            let guarded = Guarded { allowance: &allowance, creations: [CREATION; 2] };
            let guarded = (direction == Direction::Inbound).then_some(guarded);
            let watch = Watch { terms: &terms, records: true, limits: &ends.limits, guarded, discloses: false };
            scan(&control, reader, &mut scanner, &watch)?;
            Some(reader)
        }
        None if control.is_message() && (question.obeyed || question.subject == Subject::OtpInternal) => {
            Some(Reader::new(SOME_REQUEST, &terms))
        }
        None if control.payload() => Some(Reader::new(&[], &terms)),
        None => None,
    };
    if let (Control::RegSend { from, .. }, Some(asker)) = (&mut control, payload.and_then(rex::asker)) {
        // The term says who sends it.
        if asker.node.word == from.node.word {
            from.pid = asker.pid;
        }
    }
    let track = scene.track(&control, question.known_by);
    let court = Court {
        direction,
        ends: &ends,
        policy,
        track: &track,
        audit,
        shadow: false,
        reads_funs,
        restricts_shells: false,
    };
    let (ruling, trace) = court.explain(&Message::new(&control, payload, &mut None), &mut scanner.found)?;
    Ok(Explanation::new(&ruling, trace.steps))
}

fn ends(question: &Question<'_>) -> Ends {
    Ends {
        names: NodeNames {
            peer: question.peer.as_bytes().into(),
            guard: question.guard.as_bytes().into(),
            words: &WORDS,
        },
        peer_creation: CREATION,
        guard_creation: CREATION,
        records: true,
        flags: flags::KNOWN,
        form: Form::of(flags::KNOWN),
        limits: Limits::default(),
        follows_peer: true,
        deny_reason: Box::default(),
    }
}

/// Looks through a payload as a channel does.
fn scan(control: &Control<'_>, payload: Reader<'_>, scanner: &mut Scanner, watch: &Watch<'_>) -> Result<(), Unaskable> {
    let end = match control.mfa() {
        Some(mfa) if arguments(payload)? != Some(mfa.arity.into()) => return Err(Unaskable::Arity),
        Some(_) => scanner.whole_proper(payload.data, payload.pos, watch)?,
        None => scanner.whole(payload.data, payload.pos, watch)?,
    };
    if end == payload.data.len() {
        Ok(())
    } else {
        Err(Bad::TrailingBytes.into())
    }
}

/// Two nodes, and who of them sends.
struct Scene<'s> {
    ends: &'s Ends,
    direction: Direction,
}

impl<'s> Scene<'s> {
    fn atom<'a>(&self, text: &'a [u8]) -> AtomView<'a> {
        AtomView { text, word: self.ends.names.word(text), inline: false }
    }

    fn node(&self, side: Direction) -> AtomView<'s> {
        AtomView { text: self.ends.name(side), word: side.word(), inline: false }
    }

    /// The command in question, from a process of the node that sends to the target.
    fn control<'a>(&self, subject: Subject, aim: Option<Aim<'a>>) -> Result<Control<'a>, Unaskable>
    where
        's: 'a,
    {
        let (sender, receiver) = (self.node(self.direction), self.node(self.direction.other()));
        let from = Process { node: sender, pid: pid(UNNAMED) };
        let reference: NodeReference<'a> = (sender, reference());
        let command = match subject {
            Subject::All => return Err(Unaskable::NoCommand),
            Subject::Call => Command::SpawnRequest,
            Subject::OtpInternal if aim.is_none() => Command::Send,
            Subject::OtpInternal => Command::RegSend,
            Subject::Command(command) => command,
        };
        let process = || match aim {
            None => Ok(Process { node: receiver, pid: pid(UNNAMED) }),
            Some(Aim::Process(pid)) => Ok(Process { node: receiver, pid }),
            Some(_) => Err(Unaskable::NoSuchTarget),
        };
        let alias = || match aim {
            None => Ok((receiver, self::reference())),
            Some(Aim::Alias(alias)) => Ok((receiver, alias)),
            Some(_) => Err(Unaskable::NoSuchTarget),
        };
        let name = || match aim {
            None => Ok(self.atom(NO_NAME)),
            Some(Aim::Name(name)) => Ok(self.atom(name.as_bytes())),
            Some(_) => Err(Unaskable::NoSuchTarget),
        };
        let monitored = || match aim {
            Some(Aim::Name(_)) => name().map(Monitored::Name),
            _ => process().map(Monitored::Process),
        };
        let function = || match aim {
            None => Ok(Mfa { module: self.atom(NO_NAME), function: self.atom(NO_NAME), arity: u8::MAX }),
            Some(Aim::Function(module, function, arity)) => {
                Ok(Mfa { module: self.atom(module.as_bytes()), function: self.atom(function.as_bytes()), arity })
            }
            Some(_) => Err(Unaskable::NoSuchTarget),
        };
        Ok(match command {
            Command::AliasSend => Control::AliasSend { from, to: alias()? },
            Command::Demonitor => Control::Demonitor { from, to: monitored()?, reference },
            Command::Exit => Control::Exit { from, to: process()?, payload: true },
            Command::Exit2 => {
                let to = match aim {
                    Some(Aim::Alias(_)) => alias().map(|(node, alias)| Victim::Alias(node, alias))?,
                    _ => Victim::Process(process()?),
                };
                let altact = matches!(to, Victim::Alias(..));
                Control::Exit2 { from, to, form: if altact { Exit2Form::Altact } else { Exit2Form::Payload } }
            }
            Command::GroupLeader => Control::GroupLeader { leader: from, to: process()? },
            Command::Link => Control::Link { from, to: process()? },
            Command::Monitor => Control::Monitor { from, to: monitored()?, reference },
            Command::MonitorExit => Control::MonitorExit {
                from: Monitored::Process(from),
                to: process()?,
                reference: (receiver, self::reference()),
                payload: true,
            },
            Command::RegSend => Control::RegSend { from, to: name()?, unused: None },
            Command::Send => Control::Send { from: Some(from), to: process()?, unused: None },
            Command::SpawnReply => Control::SpawnReply {
                to: process()?,
                reference: (receiver, self::reference()),
                result: Spawned::Process(from),
                linked: false,
                monitored: false,
            },
            Command::SpawnRequest => Control::SpawnRequest(SpawnRequest {
                from,
                reference,
                leader: from,
                mfa: function()?,
                linked: false,
                monitored: false,
                plain: true,
            }),
            Command::Unlink => Control::Unlink { from, to: process()?, id: Some(NonZeroU64::MIN) },
            Command::UnlinkAck => Control::UnlinkAck { from, to: process()?, id: NonZeroU64::MIN },
        })
    }

    /// A channel on which nothing has happened but what made the target known to the sender.
    fn track(&self, control: &Control<'_>, known_by: Option<Scope>) -> Track {
        let mut track = Track::new(self.ends.limits.tracked(), self.ends.limits.tracked_age());
        track.assume_scopes();
        // Who the target is, the guarded node would be asked: a process of the user's, without a name.
        if let Some(Aimed::Process(pid)) = aimed(control) {
            track.people.learn(pid, Person::default(), None);
        }
        let owner = self.direction.other();
        match (known_by, control.target()) {
            (Some(Scope::Exposed), Some(Target::Process(to))) => track.expose(owner, &[to.pid], &[], None),
            (Some(Scope::Exposed), Some(Target::Alias(_, alias))) => track.expose(owner, &[], &[alias], None),
            (Some(Scope::Spawned), Some(Target::Process(to))) => track.spawned(owner, to.pid),
            (Some(Scope::Linked), Some(Target::Process(to))) => {
                // With another process than the sender, which has no link to end.
                track.link(Pair::new(self.direction, pid(UNNAMED - 1), to.pid));
            }
            _ => {}
        }
        track
    }
}

fn pid(number: u32) -> Pid {
    Pid { id: number, serial: number, creation: CREATION }
}

fn reference() -> Reference {
    Reference { creation: CREATION, length: 5, words: [UNNAMED & 0x3_ffff, UNNAMED, UNNAMED, UNNAMED, UNNAMED] }
}
