//! The findings of the judge, stage by stage: for `explain`.

use crate::rules::calls::Call;
use crate::session::events;
use crate::term::print::printed;

use super::considered::Considered;
use super::{Case, Refusal, Stage};

/// The findings of all stages that were asked about one command, in their order.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// All of them.
    pub steps: Vec<Step>,
}

/// The finding of one stage.
#[derive(Clone, Debug)]
pub struct Step {
    /// The stage.
    pub stage: Stage,
    /// The refusal that it asks for, if it objects.
    pub refusal: Option<Refusal>,
    /// True if the command goes on in spite of the objection, as refusals are only recorded.
    pub waived: bool,
    /// Stage `call`: the function that the command calls.
    pub called: Option<Called>,
    /// The rules about the command and its target, in the order in which they come.
    pub considered: Vec<Considered>,
}

/// The function that a command calls.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Called {
    /// A function, printed.
    Function(String),
    /// A fun of this module, printed.
    Fun(String),
    /// A call, but of what can't be told.
    Opaque,
}

impl Trace {
    pub(super) fn note(&mut self, stage: Stage, case: &mut Case<'_, '_, '_>) {
        let heard = case.heard.take();
        let called = if stage == Stage::Call { called(&case.call.call) } else { None };
        self.steps.push(Step {
            stage,
            refusal: heard.map(|objection| objection.refusal),
            waived: heard.is_some() && !case.stands,
            called,
            considered: case.considered(stage),
        });
        case.heard = heard.filter(|_| case.stands);
    }
}

fn called(call: &Call<'_>) -> Option<Called> {
    match *call {
        Call::None => None,
        Call::Function { module, function, arity, .. } => {
            Some(Called::Function(events::function(module, function, arity)))
        }
        Call::Fun { module, .. } => Some(Called::Fun(printed(module))),
        Call::Opaque => Some(Called::Opaque),
    }
}
