//! Python bindings of the wire core: conversions only.

use std::sync::Arc;

use disposal::dispose;
use distwall_wire as wire;
use outgoing::{is_too_long, Outgoing};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{IntoPyDict, PyBytes, PyDict, PyList, PyMemoryView, PyTuple};
use records::{CoreRule, ASK, CORE_RULE, EVENT, HOOKS};
use wire::rules::key;
use wire::rules::pattern::{GUARD_NAMES, MAX_DEPTH, MAX_KEYS, MAX_SIZE, MAX_VARIABLES};
use wire::rules::peer_rules::PROCESS;
use wire::session::explain::{Aim, Question};
use wire::session::hooks::{Handler, HandlerAnswer, Hooks, CLERK, OWN_NAME};
use wire::session::judge::Stage;
use wire::term::atoms::is_node_name;
use wire::term::print::RESERVED_WORDS;
use wire::wire::flags;
use wire::wire::op::Op;
use wire::{ChannelRules, Command, Direction, Output, Pattern, Rule, Scope, Segment, Subject, Verdict};

mod disposal;
mod explain;
mod held;
mod outgoing;
mod pattern;
mod print;
mod records;
mod toml;

fn direction(inbound: bool) -> Direction {
    if inbound {
        Direction::Inbound
    } else {
        Direction::Outbound
    }
}

/// The thing of that name, or an error that says which kind of thing it is not.
fn known<T>(kind: &str, name: &str, named: impl Fn(&str) -> Option<T>) -> PyResult<T> {
    named(name).ok_or_else(|| PyValueError::new_err(format!("unknown {kind}: {name}")))
}

fn subject(name: &str) -> PyResult<Subject> {
    known("command", name, Subject::named)
}

fn scope(name: &str) -> PyResult<Scope> {
    known("scope", name, Scope::named)
}

fn verdict_named(name: &str) -> PyResult<Verdict> {
    known("verdict", name, Verdict::named)
}

fn rule(given: CoreRule<'_>) -> PyResult<Rule> {
    let key = key::read(given.key.unwrap_or_default());
    let pattern = given.pattern.map(|code| Pattern::parse(code.as_bytes()).map(Arc::new));
    // `exposed of kernel`
    let (scope_name, of) = match given.scope.as_deref().map(|scope| scope.split_once(" of ").ok_or(scope)) {
        None => (None, None),
        Some(Err(scope)) => (Some(scope), None),
        Some(Ok((scope, of))) => (Some(scope), Some(of.as_bytes().into())),
    };
    Ok(Rule {
        of,
        subject: subject(&given.command)?,
        key: key.map_err(|kind| PyValueError::new_err(format!("unknown kind of key: {kind}")))?,
        scope: scope_name.map(scope).transpose()?,
        pattern: pattern.transpose().map_err(PyValueError::new_err)?,
        verdict: verdict_named(&given.verdict)?,
        layer: given.layer,
        audit: given.audit,
        id: given.rule_id,
    })
}

type Candidate<'py> = (&'static str, u32, Option<&'static str>, Option<Bound<'py, PyBytes>>);

/// The compiled rules, and the patterns of all rules as they came.
#[pyclass(frozen)]
struct PeerRules(Arc<wire::PeerRules>, Vec<Option<Box<[u8]>>>);

#[pymethods]
impl PeerRules {
    #[new]
    #[pyo3(signature = (rules, *, third_nodes=Vec::new(), funs=None))]
    fn new(rules: Vec<CoreRule<'_>>, third_nodes: Vec<String>, funs: Option<bool>) -> PyResult<Self> {
        let patterns = rules.iter().map(|rule| rule.pattern.as_ref().map(|code| code.as_bytes().into())).collect();
        let rules = rules.into_iter().map(rule).collect::<PyResult<Vec<_>>>()?;
        Ok(Self(Arc::new(wire::PeerRules::new(&rules, &third_nodes, funs)), patterns))
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

    fn add(&self, other: &Counters) {
        self.0.add(&other.0);
    }

    fn inbound(&self) -> (u64, u64, u64) {
        let sum = |verdict| Command::ALL.iter().map(|command| self.0.get(Direction::Inbound, *command, verdict)).sum();
        (sum(Verdict::Accept), sum(Verdict::Deny), sum(Verdict::Drop))
    }

    fn snapshot<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let all = PyDict::new(py);
        for direction in Direction::ALL {
            let commands = PyDict::new(py);
            for command in Command::ALL {
                let cells = PyDict::new(py);
                for verdict in Verdict::ALL {
                    cells.set_item(verdict.name(), self.0.get(direction, command, verdict))?;
                }
                commands.set_item(command.name(), cells)?;
            }
            all.set_item(direction.name(), commands)?;
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

#[pyclass(frozen)]
struct Claims(Arc<wire::Claims>);

#[pymethods]
impl Claims {
    #[new]
    fn new() -> Self {
        Self(Arc::default())
    }
}

#[pyclass(frozen)]
struct Exposures(Arc<wire::Exposures>);

#[pymethods]
impl Exposures {
    #[new]
    #[pyo3(signature = (claims=None))]
    fn new(claims: Option<&Claims>) -> Self {
        let claims = claims.map_or_else(Arc::default, |shared| Arc::clone(&shared.0));
        Self(Arc::new(wire::Exposures::sharing(claims)))
    }

    fn claims(&self) -> usize {
        self.0.claims()
    }

    fn shown(&self) -> usize {
        self.0.shown()
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

fn hooks(given: records::Hooks) -> PyResult<Arc<Hooks>> {
    let handler =
        |name: String| if name.is_empty() { Handler::Outside } else { Handler::Guard(name.into_bytes().into()) };
    let mut hooks = Hooks {
        filter: given.filter.map(handler),
        checked_funs: given.checked_funs,
        restricted_shell: given.restricted_shell,
        own_name: given.own_name,
        ..Hooks::default()
    };
    for (command, name) in given.handlers {
        let command = known("command", &command, Command::named)?;
        hooks.handlers[command as usize] = Some(handler(name));
    }
    Ok(Arc::new(hooks))
}

fn policies(
    inbound: &PeerRules,
    outbound: Option<&PeerRules>,
    shadow: Option<&PeerRules>,
    audit: bool,
    asked: Option<records::Hooks>,
) -> PyResult<ChannelRules> {
    let shared = |policy: &PeerRules| Arc::clone(&policy.0);
    Ok(ChannelRules {
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
    held: Option<Py<held::Held>>,
    /// Bytes that `held` counts for this channel.
    counted: u64,
    /// Bytes of tables that `held` counts for this channel.
    tables: u64,
    /// Bytes of lasting tables that it counts.
    lasting: u64,
    /// Bytes that wait to be written to the channel's connections.
    unwritten: u64,
    /// The position where the last slice of data ended.
    taken: usize,
    /// True if it did not end at the end of the data.
    left: bool,
    /// Bytes of the peer and of the guarded node that are being handed out.
    outgoing: [Outgoing; 2],
}

impl Drop for Channel {
    fn drop(&mut self) {
        if let Some(held) = &self.held {
            held.get().forget(self.counted, self.tables, self.lasting);
        }
    }
}

#[pymethods]
impl Channel {
    #[new]
    #[pyo3(signature = (*, peer, peer_creation, guard, guard_creation, flags, policy, counters, budget, exposures=None, limits=None, deny_reason="not_allowed", policy_out=None, shadow=None, audit=false, close_on_limit=false, hooks=None, held=None, follows_peer=true))]
    #[allow(clippy::too_many_arguments)]
    fn new(
        peer: String,
        peer_creation: u32,
        guard: String,
        guard_creation: u32,
        flags: u64,
        policy: &PeerRules,
        counters: &Counters,
        budget: &Budget,
        exposures: Option<&Exposures>,
        limits: Option<&Bound<'_, PyAny>>,
        deny_reason: &str,
        policy_out: Option<&PeerRules>,
        shadow: Option<&PeerRules>,
        audit: bool,
        close_on_limit: bool,
        hooks: Option<records::Hooks>,
        held: Option<Py<held::Held>>,
        follows_peer: bool,
    ) -> PyResult<Self> {
        for name in [&peer, &guard] {
            if !is_node_name(name) {
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
        let exposures = exposures.map_or_else(Arc::default, |shared| Arc::clone(&shared.0));
        let mut channel = wire::Channel::new(setup).sharing(exposures);
        if !follows_peer {
            channel = channel.without_outbound_rules();
        }
        let outgoing = Default::default();
        Ok(Self {
            channel,
            output: Output::default(),
            held,
            counted: 0,
            tables: 0,
            lasting: 0,
            unwritten: 0,
            taken: 0,
            left: false,
            outgoing,
        })
    }

    #[getter]
    fn taken(&self) -> usize {
        self.taken
    }

    #[getter]
    fn unfinished(&self) -> bool {
        self.left || !self.output.asks.is_empty() || Direction::ALL.into_iter().any(|direction| self.is_due(direction))
    }

    fn due(&self, inbound: bool) -> bool {
        self.is_due(direction(inbound))
    }

    #[pyo3(signature = (inbound, data, now, start=None))]
    fn receive<'py>(
        &mut self,
        py: Python<'py>,
        inbound: bool,
        data: &Bound<'py, PyBytes>,
        now: f64,
        start: Option<usize>,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let direction = direction(inbound);
        match start {
            Some(start) if !self.outgoing[direction as usize].is_empty() => {
                (self.taken, self.left) = (start, start < data.as_bytes().len());
                self.output.clear();
            }
            Some(start) => {
                self.taken = self.channel.receive_slice(direction, data.as_bytes(), start, now, &mut self.output);
                self.left = self.taken < data.as_bytes().len();
            }
            None => self.channel.receive(direction, data.as_bytes(), now, &mut self.output),
        }
        self.outcome(py, direction, Some(data), start.is_none())
    }

    fn answer<'py>(
        &mut self,
        py: Python<'py>,
        ticket: u64,
        verdict: &str,
        payload: Option<Vec<u8>>,
        now: f64,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let answer = HandlerAnswer { verdict: verdict_named(verdict)?, payload };
        self.channel.answer(ticket, answer, now, &mut self.output);
        self.outcome(py, Direction::Inbound, None, false)
    }

    fn waits(&self, ticket: u64) -> bool {
        self.channel.waits(ticket)
    }

    fn parks(&self) -> bool {
        self.channel.parks() || !self.outgoing[Direction::Inbound as usize].is_empty()
    }

    fn asks<'py>(&mut self, py: Python<'py>) -> PyResult<Bound<'py, PyList>> {
        let asks = PyList::empty(py);
        for ask in self.output.asks.drain(..) {
            asks.append(records::ask(py, ask)?)?;
        }
        Ok(asks)
    }

    #[pyo3(signature = (control, payload=None))]
    fn made_up<'py>(
        &mut self,
        py: Python<'py>,
        control: &[u8],
        payload: Option<&[u8]>,
    ) -> PyResult<Option<Bound<'py, PyBytes>>> {
        let frame = self.channel.made_up(control, payload);
        let before = &mut self.outgoing[Direction::Outbound as usize];
        if before.is_empty() {
            return Ok(Some(PyBytes::new(py, &frame)));
        }
        before.add_bytes(&frame);
        self.count(py)?;
        Ok(None)
    }

    #[pyo3(signature = (policy, *, policy_out=None, shadow=None, audit=false, hooks=None))]
    fn set_policy(
        &mut self,
        policy: &PeerRules,
        policy_out: Option<&PeerRules>,
        shadow: Option<&PeerRules>,
        audit: bool,
        hooks: Option<records::Hooks>,
    ) -> PyResult<()> {
        self.channel.set_policies(policies(policy, policy_out, shadow, audit, hooks)?);
        Ok(())
    }

    #[pyo3(signature = (limits, *, close_on_limit=false))]
    fn set_limits(&mut self, limits: Option<&Bound<'_, PyAny>>, close_on_limit: bool) -> PyResult<()> {
        self.channel.set_limits(caps(limits)?, close_on_limit);
        Ok(())
    }

    fn set_account(&mut self, py: Python<'_>, budget: &Budget, held: Py<held::Held>) -> PyResult<()> {
        self.channel.set_budget(Arc::clone(&budget.0));
        if let Some(before) = self.held.replace(held) {
            before.get().forget(self.counted, self.tables, self.lasting);
        }
        (self.counted, self.tables, self.lasting) = (0, 0, 0);
        self.count(py)
    }

    fn pending(&self) -> u64 {
        self.channel.pending() + self.outgoing.iter().map(Outgoing::left).sum::<u64>()
    }

    fn outgoing(&self, inbound: bool) -> u64 {
        self.outgoing[direction(inbound) as usize].left()
    }

    fn held(&self) -> u64 {
        self.channel.held() + self.unwritten + self.outgoing.iter().map(Outgoing::kept).sum::<u64>()
    }

    fn lasting(&self) -> u64 {
        self.channel.lasting_tables()
    }

    fn set_unwritten(&mut self, py: Python<'_>, size: u64) -> PyResult<()> {
        self.unwritten = size;
        self.count(py)
    }

    fn shut(&mut self, py: Python<'_>) -> PyResult<()> {
        dispose(self.channel.shut());
        dispose(self.output.kept.drain(..));
        self.output = Output::default();
        self.outgoing = Default::default();
        self.unwritten = 0;
        self.count(py)
    }

    fn shadow_differences(&self) -> u64 {
        self.channel.shadow_differences()
    }

    fn folded(&mut self) -> u64 {
        self.channel.folded()
    }
}

impl Channel {
    /// Counts the held bytes, if they have changed, and the tables.
    fn count(&mut self, py: Python<'_>) -> PyResult<()> {
        if let Some(held) = &self.held {
            let before = std::mem::replace(&mut self.tables, self.channel.tables());
            self.channel.crowd(held.get().change_tables(before, self.tables));
            let before = std::mem::replace(&mut self.lasting, self.channel.lasting_tables());
            held.get().change_lasting(py, before, self.lasting)?;
        }
        let now = self.held();
        if now != self.counted {
            let before = std::mem::replace(&mut self.counted, now);
            if let Some(held) = &self.held {
                held.get().change(py, before, now)?;
            }
        }
        Ok(())
    }

    fn is_due(&self, direction: Direction) -> bool {
        !self.outgoing[direction as usize].is_empty() || direction == Direction::Inbound && self.channel.is_due()
    }

    /// The results in `self.output`, as Python gets them: `all` at once, or the next piece of them.
    fn outcome<'py>(
        &mut self,
        py: Python<'py>,
        direction: Direction,
        input: Option<&Bound<'py, PyBytes>>,
        all: bool,
    ) -> PyResult<Bound<'py, PyTuple>> {
        let Channel { output, outgoing, .. } = self;
        let [onward, backward] = outgoing;
        let (onward, backward) = if direction == Direction::Inbound { (onward, backward) } else { (backward, onward) };
        let forward = if onward.is_empty() && !is_too_long(output) {
            match (&output.forward[..], input) {
                ([Segment::Input(range)], Some(data)) if range.len() == data.as_bytes().len() => {
                    PyList::new(py, [data])?
                }
                _ => buffers(py, output, input)?,
            }
        } else {
            onward.add(output, input.map_or(&[][..], |data| data.as_bytes()));
            onward.hand_out(py, all)?
        };
        if !output.back.is_empty() && !backward.is_empty() {
            backward.add_bytes(&output.back);
            output.back.clear();
        }
        let back = (!output.back.is_empty()).then(|| PyBytes::new(py, &output.back));
        let told = |event| records::event(py, event);
        let events =
            (!output.events.is_empty()).then(|| output.events.drain(..).map(told).collect::<PyResult<Vec<_>>>());
        let told = (forward, back, events.transpose()?, output.closed.take()).into_pyobject(py);
        dispose(output.kept.drain(..));
        output.let_go();
        self.count(py)?;
        told
    }
}

/// Segments of at least this size may be views of the input; smaller ones are put together, and so is what is near them.
const LARGE: usize = 4096;

/// The accepted bytes, in order.
///
/// A view keeps all of its input in memory while it waits to be written. So there are views only if most of the input
/// is accepted: what waits then takes no more than twice its size.
fn buffers<'py>(py: Python<'py>, output: &Output, input: Option<&Bound<'py, PyBytes>>) -> PyResult<Bound<'py, PyList>> {
    let forward = PyList::empty(py);
    let data = input.map_or(&[][..], |data| data.as_bytes());
    let large = output.forward.iter().filter_map(|segment| match segment {
        Segment::Input(range) if range.len() >= LARGE => Some(range.len()),
        _ => None,
    });
    let views = 2 * large.sum::<usize>() >= data.len();
    let mut small: Vec<u8> = Vec::new();
    for segment in &output.forward {
        match (segment, input) {
            (Segment::Input(range), Some(data)) if views && range.len() >= LARGE => {
                if !small.is_empty() {
                    forward.append(PyBytes::new(py, &small))?;
                    small.clear();
                }
                let (start, end) = (range.start.cast_signed(), range.end.cast_signed());
                let view = PyMemoryView::from(data.as_any())?;
                forward.append(view.get_item(pyo3::types::PySlice::new(py, start, end, 1))?)?;
            }
            (Segment::Input(range), _) => small.extend_from_slice(data.get(range.clone()).unwrap_or_default()),
            (Segment::Kept(index, range), _) => {
                let kept = output.kept.get(*index).and_then(|kept| kept.get(range.clone())).unwrap_or_default();
                if kept.len() >= LARGE {
                    if !small.is_empty() {
                        forward.append(PyBytes::new(py, &small))?;
                        small.clear();
                    }
                    forward.append(PyBytes::new(py, kept))?;
                } else {
                    small.extend_from_slice(kept);
                }
            }
            (Segment::Made(range), _) => {
                small.extend_from_slice(output.made.get(range.clone()).unwrap_or_default());
            }
        }
    }
    if !small.is_empty() {
        forward.append(PyBytes::new(py, &small))?;
    }
    Ok(forward)
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
    m.add("OWN_NAME", OWN_NAME)?;
    m.add("TYPE_GUARDS", PyTuple::new(py, GUARD_NAMES)?)?;
    m.add("MAX_PATTERN_DEPTH", MAX_DEPTH)?;
    m.add("MAX_PATTERN_SIZE", MAX_SIZE)?;
    m.add("MAX_PATTERN_VARIABLES", MAX_VARIABLES)?;
    m.add("MAX_PATTERN_KEYS", MAX_KEYS)?;
    m.add("DistFlag", int_enum(py, "DistFlag", flags::ALL.into_iter())?)?;
    m.add("Op", int_enum(py, "Op", Op::ALL.into_iter().map(|op| (op.name(), op as u64)))?)?;
    m.add("STAGES", PyTuple::new(py, Stage::ALL.map(Stage::name))?)?;
    let (names, prefixes) = wire::rules::otp_internal::own_names();
    m.add("OTP_NAMES", PyTuple::new(py, names)?)?;
    m.add("OTP_NAME_PREFIXES", PyTuple::new(py, prefixes)?)?;
    m.add("RESERVED_WORDS", PyTuple::new(py, RESERVED_WORDS)?)?;
    for record in [&EVENT, &ASK, &CORE_RULE, &HOOKS] {
        record.add_to(m)?;
    }
    m.add_class::<PeerRules>()?;
    m.add_class::<held::Held>()?;
    m.add_class::<explain::Explanation>()?;
    m.add_class::<explain::StageReport>()?;
    m.add_class::<explain::ConsideredRule>()?;
    m.add_class::<Counters>()?;
    m.add_class::<Budget>()?;
    m.add_class::<Claims>()?;
    m.add_class::<Exposures>()?;
    m.add_class::<Channel>()?;
    m.add_class::<pattern::Pattern>()?;
    m.add_function(wrap_pyfunction!(print::print_atom, m)?)?;
    m.add_function(wrap_pyfunction!(toml::toml_spans, m)?)?;
    Ok(())
}
