//! The verdict on one command.
//!
//! # Theory of operation
//!
//! A command passes the stages below one after the other, in the order of "Which rule decides" in docs/rules.md. A
//! stage looks at one thing, and objects to the command or lets it go on. The first objection that stands is the
//! verdict. In audit mode, or with a rule in audit mode, an objection of the rules does not stand: the first one is noted,
//! and the command goes on to the next stage.
//!
//! `rex` passes some messages on to another name. Such a message is judged as one to that name ([`relay`]).
//!
//! Later stages know the findings of earlier stages ([`Case`]). Nothing is looked up twice, and nothing is changed.
//!
//! For messages about which only one rule has anything to say, the stages are not asked again each time
//! ([`precedent`]).
//!
//! The beginning of a fragmented message is known before the rest. It passes the same stages. If a stage has to see the
//! rest, it stops, and the message waits until it is whole.

use crate::command::Command;
use crate::direction::Direction;
use crate::error::Bad;
use crate::rules::peer_rules::{PeerRules, RankedRule};
use crate::session::events::Reason;
use crate::session::track::{Asked, Track};
use crate::term::reader::Pid;
use crate::term::scan::ScanFindings;
use crate::verdict::Verdict;
use crate::wire::control::Control;

mod called;
mod case;
mod considered;
mod content;
mod deciding;
mod limit;
mod precedent;
mod relay;
mod standing;
mod trace;

pub use called::{aimed, called, carried, names, relayed, Aimed};
pub use case::{Arrival, Case, Ends, Message, Newcomers, Room};
pub use considered::{Considered, Outcome};
pub use limit::{atoms_of_control, nodes_of_control};
pub use precedent::Precedents;
pub use standing::{arguments, settles};
pub use trace::{Called, Step, Trace};

macro_rules! stages {
    ($($(#[$doc:meta])* $variant:ident $name:literal => $stage:path,)*) => {
        /// One question about a command; docs/rules.md has the same names in the same order.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Stage { $($(#[$doc])* $variant,)* }

        impl Stage {
            /// All of them, in the order in which they are asked.
            pub const ALL: [Stage; [$(Stage::$variant),*].len()] = [$(Stage::$variant),*];

            /// The name in docs/rules.md, and in what `explain` prints.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Stage::$variant => $name,)* }
            }
        }

        /// Asks stage after stage, until one of them stops.
        #[inline]
        fn ask(case: &mut Case<'_, '_, '_>) -> Result<Next, Bad> {
            $(
                if $stage(case)? == Next::Stop {
                    return Ok(Next::Stop);
                }
            )*
            Ok(Next::On)
        }

        /// The same, writing down what each stage says.
        fn ask_aloud(case: &mut Case<'_, '_, '_>, trace: &mut Trace) -> Result<Next, Bad> {
            $(
                let next = $stage(case)?;
                trace.note(Stage::$variant, case);
                if next == Next::Stop {
                    return Ok(Next::Stop);
                }
            )*
            Ok(Next::On)
        }
    };
}

stages! {
    /// Is the sender a process of the node that sends?
    Sender "sender" => standing::sender,
    /// Is the target a process of the node that receives, in its present incarnation?
    Target "target" => standing::target,
    /// Does the command answer or end a request that tracking knows?
    Answer "answer" => standing::answer,
    /// Does it call a function, and which one?
    Call "call" => called::call,
    /// Is there a rule that decides, and which verdict does it give?
    Rule "rule" => deciding::rule,
    /// Does it come with spawn options or a group leader that the rules don't open?
    Options "options" => content::options,
    /// Do the rules open the process that it aims at, once the guarded node has told who that is?
    Name "name" => deciding::name,
    /// Would one of OTP's own processes run code for it?
    OtpInternal "otp_internal" => content::otp_internal,
    /// Does it carry a pid of a node that the policy does not name?
    ThirdNode "third_node" => content::third_node,
    /// Does it carry a fun that the policy does not let in?
    Funs "funs" => content::funs,
    /// Is there room for it, and for what it leaves behind?
    Limit "limit" => limit::limit,
}

/// The decision whether the next stage is asked.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// Ask the next stage.
    On,
    /// The command is refused; or a stage has to see what has not come yet.
    Stop,
}

/// An objection of a stage to a command.
#[derive(Clone, Copy, Debug)]
struct Objection {
    /// The refusal that it asks for.
    refusal: Refusal,
    /// The condition under which it stands.
    force: Force,
    /// True if only the content of an answer is the reason: then the process that waits for the answer is told.
    answers: bool,
}

/// The condition under which an objection stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Force {
    /// Always.
    Always,
    /// Unless refusals by rules are only recorded, or the rule that decided is in audit mode.
    Enforced {
        /// True if the rule that decided is in audit mode.
        in_audit: bool,
    },
}

/// A refusal, or what the shadow policy would do: the verdict, the rule that decided (if one did), and the reason.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Deny or drop.
    pub verdict: Verdict,
    /// The rule that decided, if one did.
    pub rule: Option<u32>,
    /// The reason.
    pub reason: Reason,
}

impl Refusal {
    /// A refusal that no rule decided.
    #[must_use]
    pub fn deny(reason: Reason) -> Self {
        Refusal { verdict: Verdict::Deny, rule: None, reason }
    }

    /// The refusal by a rule; or by the default, where no rule speaks.
    fn by(decision: Option<&RankedRule>, reason: Reason) -> Self {
        match decision {
            Some(decision) => Refusal { verdict: decision.verdict, rule: Some(decision.id), reason },
            None => Refusal::deny(if reason == Reason::Rule { Reason::Default } else { reason }),
        }
    }
}

/// The decision on a command.
#[derive(Clone, Copy, Debug)]
pub struct Ruling {
    /// Verdict.
    pub verdict: Verdict,
    /// The rule that decided, if one did.
    pub rule: Option<u32>,
    /// The reason of a refusal.
    pub reason: Reason,
    /// The request that it answers or ends, if known; for a refused command only if its contents are the reason.
    pub settles: Option<Asked>,
    /// The refusal that is only recorded, if the command passes in spite of one.
    pub waived: Option<Refusal>,
    /// The verdict of the shadow policy, if it differs.
    pub differs: Option<Refusal>,
    /// The process that the guarded node has to be asked about before there can be a decision.
    pub asks: Option<Pid>,
}

impl Ruling {
    /// The command passes; no rule was asked.
    #[must_use]
    pub fn pass(settles: Option<Asked>) -> Self {
        Ruling {
            verdict: Verdict::Accept,
            rule: None,
            reason: Reason::Rule,
            settles,
            waived: None,
            differs: None,
            asks: None,
        }
    }

    /// A refusal that no rule decided.
    #[must_use]
    pub fn deny(reason: Reason) -> Self {
        Ruling::refused(Refusal::deny(reason), None)
    }

    /// A refusal.
    #[must_use]
    pub fn refused(refusal: Refusal, settles: Option<Asked>) -> Self {
        let Refusal { verdict, rule, reason } = refusal;
        Ruling { verdict, rule, reason, settles, waived: None, differs: None, asks: None }
    }

    /// The same as a refusal.
    #[must_use]
    pub fn refusal(&self) -> Refusal {
        Refusal { verdict: self.verdict, rule: self.rule, reason: self.reason }
    }

    /// The verdict of the rules, whether or not it is carried out.
    #[must_use]
    pub fn meant(&self) -> Verdict {
        self.waived.map_or(self.verdict, |refusal| refusal.verdict)
    }
}

/// The rules, tracking and settings that judge a command.
#[derive(Clone, Copy)]
pub struct Court<'a> {
    /// The direction of the command.
    pub direction: Direction,
    /// From where to where.
    pub ends: &'a Ends,
    /// The rules.
    pub policy: &'a PeerRules,
    /// The requests and disclosed processes of both nodes.
    pub track: &'a Track,
    /// True if what rules refuse passes and is recorded.
    pub audit: bool,
    /// True if the rules are the shadow policy's.
    pub shadow: bool,
    /// True if funs that were typed in a shell are evaluated behind the rules, and judged call by call.
    pub reads_funs: bool,
    /// True if shells are restricted: they can't be started by messages.
    pub restricts_shells: bool,
}

impl Court<'_> {
    /// Judges a whole message whose payload has been scanned.
    ///
    /// `found` has the findings in its terms. `arrival` is the cost of its arrival; None if that is not asked. `ruling`
    /// comes in as a ruling to let it pass, and is the decision afterwards.
    #[inline]
    pub fn judge(
        &self,
        message: &Message<'_, '_>,
        found: &mut ScanFindings,
        arrival: Option<Arrival<'_>>,
        ruling: &mut Ruling,
    ) -> Result<(), Bad> {
        if let Some(relayed) = called::relayed(message) {
            return relay::passed_on(message, &relayed, |message| self.decide(message, found, arrival, ruling));
        }
        self.decide(message, found, arrival, ruling)
    }

    #[inline]
    fn decide(
        &self,
        message: &Message<'_, '_>,
        found: &mut ScanFindings,
        arrival: Option<Arrival<'_>>,
        ruling: &mut Ruling,
    ) -> Result<(), Bad> {
        let mut case = Case::new(self, message, found, arrival, ruling);
        if ask(&mut case)? == Next::On {
            case.ruling.rule = case.decision.filter(|_| !case.read).map(|decision| decision.id);
        }
        Ok(())
    }

    /// Judges in the same way, and returns all findings of the stages.
    pub fn explain(&self, message: &Message<'_, '_>, found: &mut ScanFindings) -> Result<(Ruling, Trace), Bad> {
        if let Some(relayed) = called::relayed(message) {
            return relay::passed_on(message, &relayed, |message| self.decide_aloud(message, found));
        }
        self.decide_aloud(message, found)
    }

    fn decide_aloud(&self, message: &Message<'_, '_>, found: &mut ScanFindings) -> Result<(Ruling, Trace), Bad> {
        let (mut ruling, mut trace) = (Ruling::pass(None), Trace::default());
        let mut case = Case::new(self, message, found, None, &mut ruling);
        if ask_aloud(&mut case, &mut trace)? == Next::On {
            case.ruling.rule = case.decision.filter(|_| !case.read).map(|decision| decision.id);
        }
        Ok((ruling, trace))
    }

    /// True if a message whose beginning is known passes whatever follows: then it needn't be held until it is whole.
    pub fn passes_unseen(&self, message: &Message<'_, '_>, found: &mut ScanFindings) -> Result<bool, Bad> {
        let mut ruling = Ruling::pass(None);
        Ok(!self.audit && ask(&mut Case::beginning(self, message, found, &mut ruling))? == Next::On)
    }
}

/// True if a command of that kind can be an answer or an ending.
fn may_answer(control: &Control<'_>) -> bool {
    !matches!(control.command(), Command::RegSend | Command::SpawnRequest | Command::Link | Command::Monitor)
}
