//! Named tuples: what goes in and out of the core in more than one part.

use std::collections::HashMap;

use distwall_wire as wire;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{IntoPyDict, PyBytes, PyTuple};

/// A class of named tuples.
pub struct Record {
    name: &'static str,
    fields: &'static [&'static str],
    class: PyOnceLock<Py<PyAny>>,
}

/// A refusal.
pub static EVENT: Record =
    Record::new("Event", &["direction", "command", "target", "verdict", "rule_id", "reason", "folded"]);
/// A question.
pub static ASK: Record = Record::new("Ask", &["ticket", "kind", "command", "target", "control", "payload"]);
/// A rule, as Python gives it.
pub static CORE_RULE: Record =
    Record::new("CoreRule", &["command", "key", "scope", "pattern", "verdict", "layer", "audit", "rule_id"]);
/// The questions to ask, as Python gives them.
pub static HOOKS: Record =
    Record::new("Hooks", &["handlers", "filter", "checked_funs", "restricted_shell", "own_name"]);

impl Record {
    const fn new(name: &'static str, fields: &'static [&'static str]) -> Self {
        Record { name, fields, class: PyOnceLock::new() }
    }

    /// Adds the class to a module.
    pub fn add_to(&self, module: &Bound<'_, PyModule>) -> PyResult<()> {
        module.add(self.name, self.class(module.py())?)
    }

    /// A tuple of that class.
    fn make<'py>(
        &self,
        py: Python<'py>,
        values: impl IntoPyObject<'py, Target = PyTuple, Output = Bound<'py, PyTuple>, Error = PyErr>,
    ) -> PyResult<Bound<'py, PyAny>> {
        self.class(py)?.call1(values.into_pyobject(py)?)
    }

    fn class<'py>(&self, py: Python<'py>) -> PyResult<&Bound<'py, PyAny>> {
        let made = self.class.get_or_try_init(py, || {
            let options = [("module", "distwall._core")].into_py_dict(py)?;
            let class = py.import("collections")?.getattr("namedtuple")?;
            class.call((self.name, self.fields.to_vec()), Some(&options)).map(Bound::unbind)
        })?;
        Ok(made.bind(py))
    }
}

/// An event, as Python gets it.
pub fn event(py: Python<'_>, event: wire::Event) -> PyResult<Bound<'_, PyAny>> {
    let reason = event.told();
    EVENT.make(
        py,
        (
            event.direction.name(),
            event.command.name(),
            event.target,
            event.verdict.name(),
            event.rule,
            reason,
            event.folded,
        ),
    )
}

/// A question, as Python gets it.
pub fn ask(py: Python<'_>, ask: wire::session::hooks::Ask) -> PyResult<Bound<'_, PyAny>> {
    let control = PyBytes::new(py, &ask.control);
    let payload = ask.payload.as_deref().map(|payload| PyBytes::new(py, payload));
    ASK.make(py, (ask.ticket, ask.kind, ask.command.name(), ask.target, control, payload))
}

/// The fields of a `CoreRule`.
#[derive(FromPyObject)]
pub struct CoreRule<'py> {
    pub command: String,
    pub key: Option<Vec<(String, String)>>,
    pub scope: Option<String>,
    pub pattern: Option<Bound<'py, PyBytes>>,
    pub verdict: String,
    pub layer: u8,
    pub audit: bool,
    pub rule_id: u32,
}

/// The fields of a `Hooks`.
#[derive(FromPyObject)]
pub struct Hooks {
    pub handlers: HashMap<String, String>,
    pub filter: Option<String>,
    pub checked_funs: bool,
    pub restricted_shell: bool,
    pub own_name: bool,
}
