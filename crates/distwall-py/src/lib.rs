//! Python bindings of the wire core: conversions only.

use std::collections::HashMap;
use std::sync::Arc;

use distwall_wire as wire;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBytes, PyDict, PyList, PyMemoryView, PyTuple};
use wire::rules::table::PROCESS;
use wire::session::explain::{Aim, Question};
use wire::session::hooks::{Answer, Handler, Hooks, CLERK};
use wire::session::judge::Stage;
use wire::term::print::RESERVED_WORDS;
use wire::wire::flags;
use wire::wire::op::Op;
use wire::{Command, Direction, Event, Output, Part, Pattern, Policies, Rule, Scope, Segment, Subject, Verdict};

mod explain;
mod pattern;
mod print;
mod toml;

const DIRECTIONS: [Direction; 2] = [Direction::Inbound, Direction::Outbound];
const VERDICTS: [Verdict; 3] = [Verdict::Accept, Verdict::Deny, Verdict::Drop];

fn direction_name(direction: Direction) -> &'static str {
    match direction {
        Direction::Inbound => "inbound",
        Direction::Outbound => "outbound",
    }
}

fn verdict_named(name: &str) -> PyResult<Verdict> {
    VERDICTS
        .into_iter()
        .find(|verdict| verdict.name() == name)
        .ok_or_else(|| PyValueError::new_err(format!("unknown verdict: {name}")))
}

fn subject(name: &str) -> PyResult<Subject> {
    match name {
        "*" => Ok(Subject::All),
        "otp_internal" => Ok(Subject::OtpInternal),
        "call" => Ok(Subject::Call),
        name => Command::named(name)
            .map(Subject::Command)
            .ok_or_else(|| PyValueError::new_err(format!("unknown command: {name}"))),
    }
}

fn key(parts: Vec<(String, String)>) -> PyResult<Vec<Part>> {
    let process = parts.iter().any(|(kind, _)| matches!(kind.as_str(), "pid" | "ref"));
    let front = process.then(|| Part::Exact(PROCESS[0].into()));
    front.into_iter().map(Ok).chain(parts.into_iter().map(part)).collect()
}

fn part((kind, text): (String, String)) -> PyResult<Part> {
    match kind.as_str() {
        "exact" | "pid" | "ref" => Ok(Part::Exact(text.into_bytes().into())),
        "prefix" => Ok(Part::Prefix(text.into_bytes().into())),
        "any" => Ok(Part::Any),
        kind => Err(PyValueError::new_err(format!("unknown kind of key: {kind}"))),
    }
}

fn scope(name: &str) -> PyResult<Scope> {
    Scope::ALL
        .into_iter()
        .find(|scope| scope.name() == name)
        .ok_or_else(|| PyValueError::new_err(format!("unknown scope: {name}")))
}

fn pattern(code: &[u8]) -> PyResult<Arc<Pattern>> {
    Pattern::parse(code).map(Arc::new).map_err(PyValueError::new_err)
}

type RuleTuple<'py> =
    (String, Option<Vec<(String, String)>>, Option<String>, Option<Bound<'py, PyBytes>>, String, u8, bool, u32);
type Candidate<'py> = (&'static str, u32, Option<&'static str>, Option<Bound<'py, PyBytes>>);

/// The compiled rules, and the patterns of all rules as they came.
#[pyclass(frozen)]
struct Policy(Arc<wire::Policy>, Vec<Option<Box<[u8]>>>);

#[pymethods]
impl Policy {
    #[new]
    #[pyo3(signature = (rules, *, third_nodes=Vec::new(), funs=None))]
    fn new(rules: Vec<RuleTuple<'_>>, third_nodes: Vec<String>, funs: Option<bool>) -> PyResult<Self> {
        let patterns = rules.iter().map(|rule| rule.3.as_ref().map(|code| code.as_bytes().into())).collect();
        let rules = rules
            .into_iter()
            .map(|(command, parts, to, shape, verb, layer, audit, id)| {
                Ok(Rule {
                    subject: subject(&command)?,
                    key: key(parts.unwrap_or_default())?,
                    scope: to.as_deref().map(scope).transpose()?,
                    pattern: shape.map(|shape| pattern(shape.as_bytes())).transpose()?,
                    verdict: verdict_named(&verb)?,
                    layer,
                    audit,
                    id,
                })
            })
            .collect::<PyResult<Vec<_>>>()?;
        Ok(Self(Arc::new(wire::Policy::new(&rules, &third_nodes, funs)), patterns))
    }

    #[pyo3(signature = (command, key=None, *, peer, guard, outbound=false, known_by=None, payload=None, obeyed=false, audit=false, checked_funs=false))]
    #[allow(clippy::too_many_arguments)]
    fn explain(
        &self,
        py: Python<'_>,
        command: &str,
        key: Option<Vec<String>>,
        peer: &str,
        guard: &str,
        outbound: bool,
        known_by: Option<&str>,
        payload: Option<&[u8]>,
        obeyed: bool,
        audit: bool,
        checked_funs: bool,
    ) -> PyResult<explain::Explanation> {
        let key: Option<Vec<&str>> = key.as_ref().map(|parts| parts.iter().map(String::as_str).collect());
        let question = Question {
            direction: if outbound { Direction::Outbound } else { Direction::Inbound },
            peer,
            guard,
            subject: subject(command)?,
            aim: key.as_deref().map(Aim::read).transpose().map_err(explain::unaskable)?,
            known_by: known_by.map(scope).transpose()?,
            payload,
            obeyed,
            audit,
            reads_funs: checked_funs,
        };
        explain::explain(py, &self.0, &question)
    }

    #[pyo3(signature = (command, key=None))]
    fn judge<'py>(&self, py: Python<'py>, command: &str, key: Option<Vec<String>>) -> PyResult<Vec<Candidate<'py>>> {
        // Pids and aliases are told from names as they are printed.
        let process = |text: &String| text.starts_with("<0.") || text.starts_with("#Ref<0.");
        let key: Option<Vec<&[u8]>> = key.as_ref().map(|parts| {
            let front = PROCESS.into_iter().filter(|_| parts.len() == 1 && parts.iter().all(process));
            front.chain(parts.iter().map(|part| part.as_bytes())).collect()
        });
        let found = self.0.candidates(subject(command)?, key.as_deref());
        Ok(found
            .into_iter()
            .map(|d| {
                let code = self.1.get(d.rank as usize).and_then(Option::as_deref);
                let pattern = code.map(|code| PyBytes::new(py, code));
                (d.verdict.name(), d.id, d.scope.map(Scope::name), pattern)
            })
            .collect())
    }
}

#[pyclass(frozen)]
struct Counters(Arc<wire::Counters>);

#[pymethods]
impl Counters {
    #[new]
    fn new() -> Self {
        Self(Arc::default())
    }

    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for direction in DIRECTIONS {
            let commands = PyDict::new(py);
            for command in Command::ALL {
                let cells = PyDict::new(py);
                for verdict in VERDICTS {
                    cells.set_item(verdict.name(), self.0.get(direction, command, verdict))?;
                }
                commands.set_item(command.name(), cells)?;
            }
            all.set_item(direction_name(direction), commands)?;
        }
        Ok(all)
    }
}

#[pyclass(frozen)]
struct Budget(Arc<wire::Budget>);

#[pymethods]
impl Budget {
    #[new]
    #[pyo3(signature = (beside=None))]
    fn new(beside: Option<&Budget>) -> Self {
        Self(beside.map_or_else(Arc::default, |other| Arc::new(other.0.beside())))
    }

    fn used(&self) -> (usize, usize, usize) {
        self.0.used()
    }

    fn guard_atoms(&self) -> usize {
        self.0.guard_atoms()
    }

    #[pyo3(signature = (name, limits=None))]
    fn name(&self, name: &str, limits: Option<&Bound<'_, PyAny>>) -> PyResult<bool> {
        Ok(self.0.name(name.as_bytes(), &caps(limits)?))
    }
}

/// The limits: the given ones, otherwise the defaults.
fn caps(limits: Option<&Bound<'_, PyAny>>) -> PyResult<wire::Limits> {
    let mut caps = wire::Limits::default();
    if let Some(limits) = limits {
        for item in limits.call_method0("items")?.try_iter()? {
            let (name, value): (String, u64) = item?.extract()?;
            if !caps.set(&name, value) {
                return Err(PyValueError::new_err(format!("unknown limit: {name}")));
            }
        }
    }
    Ok(caps)
}

type HooksTuple = (HashMap<String, String>, Option<String>, bool, bool);

fn hooks((handlers, filter, checked_funs, own_name): HooksTuple) -> PyResult<Arc<Hooks>> {
    let handler =
        |name: String| if name.is_empty() { Handler::Outside } else { Handler::Guard(name.into_bytes().into()) };
    let mut hooks = Hooks { filter: filter.map(handler), checked_funs, own_name, ..Hooks::default() };
    for (command, name) in handlers {
        let command =
            Command::named(&command).ok_or_else(|| PyValueError::new_err(format!("unknown command: {command}")))?;
        hooks.handlers[command as usize] = Some(handler(name));
    }
    Ok(Arc::new(hooks))
}

fn policies(
    inbound: &Policy,
    outbound: Option<&Policy>,
    shadow: Option<&Policy>,
    audit: bool,
    asked: Option<HooksTuple>,
) -> PyResult<Policies> {
    let shared = |policy: &Policy| Arc::clone(&policy.0);
    Ok(Policies {
        inbound: shared(inbound),
        outbound: outbound.map(shared),
        shadow: shadow.map(shared),
        audit,
        hooks: asked.map(hooks).transpose()?,
    })
}

#[pyclass]
struct Channel {
    channel: wire::Channel,
    output: Output,
}

#[pymethods]
impl Channel {
    #[new]
    #[pyo3(signature = (*, peer, peer_creation, guard, guard_creation, flags, policy, counters, budget, limits=None, deny_reason="not_allowed", policy_out=None, shadow=None, audit=false, close_on_limit=false, hooks=None))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        peer: String,
        peer_creation: u32,
        guard: String,
        guard_creation: u32,
        flags: u64,
        policy: &Policy,
        counters: &Counters,
        budget: &Budget,
        limits: Option<&Bound<'_, PyAny>>,
        deny_reason: &str,
        policy_out: Option<&Policy>,
        shadow: Option<&Policy>,
        audit: bool,
        close_on_limit: bool,
        hooks: Option<HooksTuple>,
    ) -> PyResult<Self> {
        for name in [&peer, &guard] {
            if !name.contains('@') || name.chars().count() > 255 || name.chars().any(char::is_control) {
                return Err(PyValueError::new_err(format!("not a node name: {name:?}")));
            }
        }
        let setup = wire::Setup {
            peer,
            peer_creation,
            guard,
            guard_creation,
            flags,
            policies: policies(policy, policy_out, shadow, audit, hooks)?,
            counters: Arc::clone(&counters.0),
            budget: Arc::clone(&budget.0),
            limits: caps(limits)?,
            close_on_limit,
            deny_reason: deny_reason.to_owned(),
        };
        Ok(Self { channel: wire::Channel::new(setup), output: Output::default() })
    }

    fn receive<'py>(
        &mut self,
        py: Python<'py>,
        inbound: bool,
        data: &Bound<'py, PyBytes>,
        now: f64,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let direction = if inbound { Direction::Inbound } else { Direction::Outbound };
        self.channel.receive(direction, data.as_bytes(), now, &mut self.output);
        self.outcome(py, Some(data))
    }

    fn answer<'py>(
        &mut self,
        py: Python<'py>,
        ticket: u64,
        verdict: &str,
        payload: Option<Vec<u8>>,
        now: f64,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let answer = Answer { verdict: verdict_named(verdict)?, payload };
        self.channel.answer(ticket, answer, now, &mut self.output);
        self.outcome(py, None)
    }

    fn waits(&self, ticket: u64) -> bool {
        self.channel.waits(ticket)
    }

    fn asks<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let asks = PyList::empty(py);
        for ask in self.output.asks.drain(..) {
            let control = PyBytes::new(py, &ask.control);
            let payload = ask.payload.as_deref().map(|payload| PyBytes::new(py, payload));
            asks.append((ask.ticket, ask.kind, ask.command.name(), ask.target, control, payload))?;
        }
        Ok(asks)
    }

    #[pyo3(signature = (control, payload=None))]
    fn made_up<'py>(&self, py: Python<'py>, control: &[u8], payload: Option<&[u8]>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, &self.channel.made_up(control, payload))
    }

    #[pyo3(signature = (policy, *, policy_out=None, shadow=None, audit=false, hooks=None))]
    fn set_policy(
        &mut self,
        policy: &Policy,
        policy_out: Option<&Policy>,
        shadow: Option<&Policy>,
        audit: bool,
        hooks: Option<HooksTuple>,
    ) -> PyResult<()> {
        self.channel.set_policies(policies(policy, policy_out, shadow, audit, hooks)?);
        Ok(())
    }

    #[pyo3(signature = (limits, *, close_on_limit=false))]
    fn set_limits(&mut self, limits: Option<&Bound<'_, PyAny>>, close_on_limit: bool) -> PyResult<()> {
        self.channel.set_limits(caps(limits)?, close_on_limit);
        Ok(())
    }

    fn pending(&self) -> u64 {
        self.channel.pending()
    }

    fn shadow_differences(&self) -> u64 {
        self.channel.shadow_differences()
    }

    fn folded(&mut self) -> u64 {
        self.channel.folded()
    }
}

impl Channel {
    /// The results in `self.out`, as Python gets them.
    fn outcome<'py>(&mut self, py: Python<'py>, input: Option<&Bound<'py, PyBytes>>) -> PyResult<Bound<'py, PyTuple>> {
        let output = &mut self.output;
        let forward = PyList::empty(py);
        for segment in &output.forward {
            match (segment, input) {
                (Segment::Input(range), Some(data)) if range.len() == data.as_bytes().len() => forward.append(data)?,
                (Segment::Input(range), Some(data)) => {
                    let view = PyMemoryView::from(data.as_any())?;
                    forward.append(view.get_item(pyo3::types::PySlice::new(
                        py,
                        range.start.cast_signed(),
                        range.end.cast_signed(),
                        1,
                    ))?)?;
                }
                (Segment::Input(_), None) => {}
                (Segment::Kept(index, range), _) => {
                    let kept = output.kept.get(*index).and_then(|kept| kept.get(range.clone()));
                    forward.append(PyBytes::new(py, kept.unwrap_or_default()))?;
                }
                (Segment::Made(range), _) => {
                    forward.append(PyBytes::new(py, output.made.get(range.clone()).unwrap_or_default()))?;
                }
            }
        }
        let back = (!output.back.is_empty()).then(|| PyBytes::new(py, &output.back));
        let events = (!output.events.is_empty()).then(|| output.events.drain(..).map(event).collect::<Vec<_>>());
        (forward, back, events, output.closed.take()).into_pyobject(py)
    }
}

type EventTuple = (&'static str, &'static str, String, &'static str, Option<u32>, String, u64);

fn event(event: Event) -> EventTuple {
    (
        direction_name(event.direction),
        event.command.name(),
        event.target,
        event.verdict.name(),
        event.rule,
        if event.audit { format!("audit:{}", event.reason.name()) } else { event.reason.name() },
        event.folded,
    )
}

/// An `enum.IntEnum` of these members.
fn int_enum<'py>(
    py: Python<'py>,
    name: &str,
    members: impl Iterator<Item = (&'static str, u64)>,
) -> PyResult<Bound<'py, PyAny>> {
    let options = [("module", "distwall._core")].into_py_dict(py)?;
    py.import("enum")?.getattr("IntEnum")?.call((name, members.collect::<Vec<_>>()), Some(&options))
}

#[pymodule]
fn _core(m: &Bound<'_, PyModule>) -> PyResult<()> {
    let py = m.py();
    m.add("VERSION", env!("CARGO_PKG_VERSION"))?;
    m.add("COMMANDS", PyTuple::new(py, Command::ALL.map(Command::name))?)?;
    let limits = PyDict::new(py);
    for (limit, value) in wire::Limits::default().iter() {
        limits.set_item(limit.name(), value)?;
    }
    m.add("DEFAULT_LIMITS", limits)?;
    m.add("KNOWN_FLAGS", flags::KNOWN)?;
    m.add("MANDATORY_25", flags::MANDATORY_25)?;
    m.add("CLERK", CLERK)?;
    m.add("DistFlag", int_enum(py, "DistFlag", flags::ALL.into_iter())?)?;
    m.add("Op", int_enum(py, "Op", Op::ALL.into_iter().map(|op| (op.name(), op as u64)))?)?;
    m.add("STAGES", PyTuple::new(py, Stage::ALL.map(Stage::name))?)?;
    m.add("RESERVED_WORDS", PyTuple::new(py, RESERVED_WORDS)?)?;
    m.add_class::<Policy>()?;
    m.add_class::<explain::Explanation>()?;
    m.add_class::<explain::StageReport>()?;
    m.add_class::<explain::ConsideredRule>()?;
    m.add_class::<Counters>()?;
    m.add_class::<Budget>()?;
    m.add_class::<Channel>()?;
    m.add_class::<pattern::Pattern>()?;
    m.add_function(wrap_pyfunction!(print::print_atom, m)?)?;
    m.add_function(wrap_pyfunction!(toml::toml_spans, m)?)?;
    Ok(())
}
