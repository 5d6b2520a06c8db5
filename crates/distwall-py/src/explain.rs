//! The judge's answers to questions.

use distwall_wire as wire;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use wire::session::explain::{Question, Unaskable};
use wire::session::judge::{Called, Considered, Step};

#[pyclass(frozen, get_all)]
pub struct Explanation {
    verdict: &'static str,
    rule: Option<u32>,
    reason: String,
    audited: bool,
    stages: Vec<Py<StageReport>>,
}

#[pyclass(frozen, get_all)]
pub struct StageReport {
    stage: &'static str,
    verdict: Option<&'static str>,
    rule: Option<u32>,
    reason: Option<String>,
    waived: bool,
    called: Option<(&'static str, String)>,
    considered: Vec<Py<ConsideredRule>>,
}

#[pyclass(frozen, get_all)]
pub struct ConsideredRule {
    rank: u32,
    id: u32,
    outcome: &'static str,
}

pub fn unaskable(why: Unaskable) -> PyErr {
    PyValueError::new_err(why.to_string())
}

pub fn explain(py: Python<'_>, policy: &wire::PeerRules, question: &Question<'_>) -> PyResult<Explanation> {
    let found = wire::session::explain::explain(policy, question).map_err(unaskable)?;
    Ok(Explanation {
        verdict: found.verdict.name(),
        rule: found.rule,
        reason: found.reason.name(),
        audited: found.audited,
        stages: found.steps.into_iter().map(|step| Py::new(py, report(py, step)?)).collect::<PyResult<_>>()?,
    })
}

fn report(py: Python<'_>, step: Step) -> PyResult<StageReport> {
    let considered =
        |Considered { rank, id, outcome }| Py::new(py, ConsideredRule { rank, id, outcome: outcome.name() });
    Ok(StageReport {
        stage: step.stage.name(),
        verdict: step.refusal.map(|refusal| refusal.verdict.name()),
        rule: step.refusal.and_then(|refusal| refusal.rule),
        reason: step.refusal.map(|refusal| refusal.reason.name()),
        waived: step.waived,
        called: step.called.map(|called| match called {
            Called::Function(text) => ("function", text),
            Called::Fun(module) => ("fun", module),
            Called::Opaque => ("opaque", String::new()),
        }),
        considered: step.considered.into_iter().map(considered).collect::<PyResult<_>>()?,
    })
}
