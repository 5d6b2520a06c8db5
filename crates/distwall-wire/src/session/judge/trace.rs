//! What the judge found, stage by stage: for `explain`.

use super::{Case, Refusal, Stage};

/// The objections to one command, in the order in which they were raised.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// All of them.
    pub steps: Vec<Step>,
}

/// The objection of a stage.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which stage.
    pub stage: Stage,
    /// The refusal that it asks for.
    pub refusal: Refusal,
    /// True if the command goes on in spite of it, as refusals are only recorded.
    pub waived: bool,
}

impl Trace {
    pub(super) fn note(&mut self, stage: Stage, case: &mut Case<'_, '_, '_>) {
        if let Some(objection) = case.heard {
            self.steps.push(Step { stage, refusal: objection.refusal, waived: !case.stands });
            case.heard = case.heard.filter(|_| case.stands);
        }
    }
}
