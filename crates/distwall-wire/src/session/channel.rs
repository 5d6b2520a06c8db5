//! One distribution connection after its handshake: bytes in, bytes and verdicts out.

use std::sync::Arc;

use crate::direction::Direction;
use crate::error::Bad;
use crate::limits::budget::Budget;
use crate::limits::rates::Rates;
use crate::limits::{Limit, Limits};
use crate::rules::otp_internal::WORDS;
use crate::rules::pattern::NOTED;
use crate::session::channel_rules::ChannelRules;
use crate::session::clerk::Clerk;
use crate::session::counters::Counters;
use crate::session::events::Reason;
use crate::session::hooks::{is_clerk, Lot, Parked};
use crate::session::judge::{Arrival, Ends, Message, Newcomers, Precedents, Room, Ruling};
use crate::session::output::Output;
use crate::session::track::{Asked, Exposures, Track};
use crate::term::atoms::{AtomRefs, Caches, NodeNames, Word};
use crate::term::reader::{Jumps, Named, Pid, Reader, Terms};
use crate::term::scan::{Ahead, Guarded, Scanner, Watch};
use crate::verdict::Verdict;
use crate::wire::byte_buffer::ByteBuffer;
use crate::wire::control::{self, Control, Dialect};
use crate::wire::fragments::Sequences;
use crate::wire::frame::{FrameTag, FRAGMENT_AT, HEADER_AT};
use crate::wire::reply::{self, Form, TICK};
use crate::wire::shapes::Shows;
use crate::wire::{flags, header};

use ahead::AheadFrame;
use frames::{numbers, read};
use question::Opinions;
use reporter::Reporter;
use waited::Rescan;

mod ahead;
mod denial;
mod emit;
mod fragmented;
mod frames;
mod greeting;
mod park;
mod question;
mod reporter;
mod ruling;
mod settle;
mod shown;
mod waited;
mod who;

/// The settings of a channel.
pub struct Setup {
    /// The peer's name.
    pub peer: String,
    /// The peer's incarnation; 0: not known.
    pub peer_creation: u32,
    /// The guarded node's name.
    pub guard: String,
    /// The guarded node's incarnation.
    pub guard_creation: u32,
    /// The negotiated flags.
    pub flags: u64,
    /// The rules.
    pub policies: ChannelRules,
    /// The counters of commands.
    pub counters: Arc<Counters>,
    /// The budget of new atoms, funs and nodes.
    pub budget: Arc<Budget>,
    /// The limits.
    pub limits: Limits,
    /// True if an exceeded limit closes the channel, and doesn't only refuse the command.
    pub close_on_limit: bool,
    /// The atom in answers to refused spawn requests and calls.
    pub deny_reason: String,
}

/// One direction.
#[derive(Default)]
struct Lane {
    /// The beginning of an incomplete frame.
    carry: ByteBuffer,
    /// The scan of its bytes so far, if it is large.
    ahead: Option<Box<AheadFrame>>,
    /// Length of it at which the scan may begin.
    look_at: usize,
    caches: Caches,
    /// The atom references of the last header.
    refs: AtomRefs,
    sequences: Sequences,
    /// Time when a frame was last forwarded.
    forwarded: f64,
}

/// One distribution connection.
pub struct Channel {
    fixed: Fixed,
    state: State,
    lanes: [Lane; 2],
    closed: bool,
    // Kept between frames for their memory only.
    scanner: Scanner,
    made: Vec<u8>,
}

/// The settings that verdicts use; only rules and limits change.
struct Fixed {
    ends: Ends,
    policies: ChannelRules,
    counters: Arc<Counters>,
    budget: Arc<Budget>,
    close_on_limit: bool,
}

/// The state that verdicts change, except the bytes that go on.
struct State {
    /// The work of this slice so far ([`frames`]).
    steps: u64,
    /// The steps that end the slice.
    most: u64,
    track: Track,
    /// Counts the changes of rules.
    rules: u64,
    /// Decisions by the present rules.
    precedents: Precedents,
    rates: Rates,
    reporter: Reporter,
    shadow_differences: u64,
    lot: Lot,
    /// The fate of a large message.
    aside: Option<Aside>,
    /// The scan of a large message that has waited.
    rescan: Option<Rescan>,
    /// Counts the changes of rules, limits and budgets: a scan under others is no longer good.
    scanned_under: u64,
    clerk: Clerk,
    opinions: Opinions,
    /// The last ticket under other rules and module filters: answers to earlier tickets are not kept.
    asked_before: u64,
}

/// The fate of a frame.
enum Action {
    /// The frame goes on as it came.
    Forward,
    /// The bytes in `Channel::made` (if any) replace it.
    Replace,
    /// The frame has to be given again in the next slice.
    Again,
}

/// The fate of a large message whose body is still needed. The owner of the body carries it out.
enum Aside {
    /// The body goes on behind the head in `Channel::made`.
    Rebuilt,
    /// The message may have to wait. With its sender.
    Detour(Option<Pid>),
}

/// The parts of a frame.
struct Parts<'a> {
    /// The bytes from the control message on.
    body: &'a [u8],
    /// For a first fragment: sequence and fragment number.
    sequence: Option<(u64, u64)>,
    /// True if terms begin with 131.
    versioned: bool,
}

impl Channel {
    /// A channel right behind its handshake.
    #[must_use]
    pub fn new(setup: Setup) -> Self {
        let limits = setup.limits;
        Channel {
            state: State {
                steps: 0,
                most: u64::MAX,
                track: Track::new(limits.tracked(), limits.tracked_age()),
                rules: 0,
                precedents: Precedents::default(),
                rates: Rates::new(&limits),
                reporter: Reporter::default(),
                shadow_differences: 0,
                lot: Lot::default(),
                aside: None,
                rescan: None,
                scanned_under: 0,
                clerk: Clerk::default(),
                opinions: Opinions::default(),
                asked_before: 0,
            },
            fixed: Fixed {
                ends: Ends {
                    names: NodeNames {
                        peer: setup.peer.into_bytes().into(),
                        guard: setup.guard.into_bytes().into(),
                        words: &WORDS,
                    },
                    peer_creation: setup.peer_creation,
                    guard_creation: setup.guard_creation,
                    flags: setup.flags,
                    records: setup.flags & flags::NATIVE_RECORDS != 0,
                    form: Form::of(setup.flags),
                    limits,
                    follows_peer: true,
                    deny_reason: setup.deny_reason.into_bytes().into(),
                },
                policies: setup.policies,
                counters: setup.counters,
                budget: setup.budget,
                close_on_limit: setup.close_on_limit,
            },
            lanes: Default::default(),
            closed: false,
            scanner: Scanner::default(),
            made: Vec::new(),
        }
    }

    /// Shares what the peer was shown and has claimed with its other channels to the guarded node. They have to tell the
    /// time by the same clock.
    #[must_use]
    pub fn sharing(mut self, exposures: Arc<Exposures>) -> Self {
        self.state.track.share(exposures);
        self
    }

    /// Spares the notes that only rules for outbound commands look at. Such rules would take the answers to what the peer
    /// has asked before for commands of their own.
    #[must_use]
    pub fn without_outbound_rules(mut self) -> Self {
        self.fixed.ends.follows_peer = false;
        self
    }

    /// Judges by these rules from the next command on.
    pub fn set_policies(&mut self, policies: ChannelRules) {
        self.fixed.policies = policies;
        self.state.rules += 1;
        self.forget_ahead();
        self.state.precedents = Precedents::default();
        self.state.opinions.clear();
        self.state.asked_before = self.state.lot.last_ticket();
    }

    /// Applies these limits from the next command on; held messages stay. `close`: as in [`Setup`].
    pub fn set_limits(&mut self, limits: Limits, close: bool) {
        self.state.track.set_bounds(limits.tracked(), limits.tracked_age());
        self.state.rates.cap(&limits);
        self.fixed.ends.limits = limits;
        self.forget_ahead();
        self.fixed.close_on_limit = close;
    }

    /// Counts new atoms, funs and nodes in another budget from the next command on. What was spent stays where it was.
    pub fn set_budget(&mut self, budget: Arc<Budget>) {
        self.fixed.budget = budget;
        self.forget_ahead();
        self.state.precedents = Precedents::default();
    }

    /// A frame made by distwall, for either side: a control message and a payload, atoms written out.
    #[must_use]
    pub fn made_up(&self, control: &[u8], payload: Option<&[u8]>) -> Vec<u8> {
        let mut out = Vec::new();
        reply::frame(&mut out, self.fixed.ends.form, control, payload);
        out
    }

    /// Bytes held now, in both directions.
    #[must_use]
    pub fn pending(&self) -> u64 {
        let lanes = self.lanes.iter().map(|lane| lane.carry.len() as u64 + lane.sequences.held());
        lanes.sum::<u64>() + self.state.lot.bytes()
    }

    /// Bytes of memory for what is held now, in both directions.
    #[must_use]
    pub fn held(&self) -> u64 {
        let [one, other] = &self.lanes;
        let scans = [one, other].map(|lane| lane.ahead.as_ref().map_or(0, |ahead| ahead.kept()));
        let carried = (one.carry.kept() + other.carry.kept() + scans[0] + scans[1]) as u64;
        let rescan = self.state.rescan.as_ref().map_or(0, |rescan| rescan.kept() as u64);
        let sequences = one.sequences.held() + other.sequences.held();
        let atoms = (one.caches.size() + other.caches.size() + self.state.track.names()) as u64;
        carried + rescan + sequences + atoms + self.state.lot.bytes()
    }

    /// Ends the channel, and gives back what is held. Returns the bytes that were held: there may be very many.
    pub fn shut(&mut self) -> Vec<ByteBuffer> {
        self.closed = true;
        let (lanes, lot) = (std::mem::take(&mut self.lanes), std::mem::take(&mut self.state.lot));
        self.state.rescan = None;
        (self.state.clerk, self.state.track) = (Clerk::default(), Track::default());
        self.made = Vec::new();
        let lanes = lanes.into_iter().flat_map(|lane| lane.sequences.into_bodies().chain([lane.carry]));
        lanes.chain(lot.into_bodies()).collect()
    }

    /// Bytes of memory for the tables of tracking that the peer fills, without names.
    #[must_use]
    pub fn tables(&self) -> u64 {
        self.state.track.size() as u64
    }

    /// Bytes of memory for the other tables of tracking, which are not forgotten for want of it.
    #[must_use]
    pub fn lasting_tables(&self) -> u64 {
        self.state.track.lasting_size() as u64
    }

    /// Says whether the tables that the peer fills may get more memory. If not, they forget their oldest entries for new
    /// ones, and the peer makes no new links and monitors.
    pub fn crowd(&mut self, crowded: bool) {
        self.state.track.crowd(crowded);
    }

    /// Takes the number of refusals left out of events since the last call.
    pub fn folded(&mut self) -> u64 {
        std::mem::take(&mut self.state.reporter.folded)
    }

    /// Number of commands on which the shadow policy would decide differently.
    #[must_use]
    pub fn shadow_differences(&self) -> u64 {
        self.state.shadow_differences
    }

    fn close(&mut self, bad: Bad, out: &mut Output) {
        out.kept.append(&mut self.shut());
        out.closed = Some(bad.to_string());
    }

    /// Handles one whole frame. If it isn't forwarded as it is, `self.made` replaces it.
    fn frame(&mut self, direction: Direction, frame: &[u8], now: f64, out: &mut Output) -> Result<Action, Bad> {
        if frame.is_empty() {
            return Ok(Action::Forward);
        }
        self.made.clear();
        self.scanner.found.clear();
        let fragments = self.fixed.ends.flags & flags::FRAGMENTS != 0;
        let parts = match FrameTag::of(frame) {
            Some(FrameTag::PassThrough) if !self.fixed.ends.form.headers => {
                self.lanes[direction as usize].refs.none();
                Parts { body: &frame[HEADER_AT..], sequence: None, versioned: true }
            }
            Some(FrameTag::Header) if self.fixed.ends.form.headers => {
                let start = self.header(direction, frame, HEADER_AT)?;
                Parts { body: &frame[start..], sequence: None, versioned: false }
            }
            Some(FrameTag::FirstFragment) if fragments => {
                let (id, number) = numbers(frame)?;
                self.lanes[direction as usize].sequences.check(id, number, &self.fixed.ends.limits)?;
                let start = self.header(direction, frame, FRAGMENT_AT)?;
                Parts { body: &frame[start..], sequence: Some((id, number)), versioned: false }
            }
            Some(FrameTag::NextFragment) if fragments => return self.fragment(direction, frame, now, out),
            _ => return Err(Bad::FrameForm),
        };
        match parts.sequence {
            Some((id, count)) if count > 1 => self.first_fragment(direction, &parts, (id, count), now, out),
            _ => self.message(direction, &parts, now, out),
        }
    }

    /// The same for a frame in the midst of the data. Nearly all frames are whole messages of the peer behind a header: in
    /// line, the compiler makes code for these alone.
    #[inline(always)]
    fn usual_frame(&mut self, direction: Direction, frame: &[u8], now: f64, out: &mut Output) -> Result<Action, Bad> {
        let headed = self.fixed.ends.form.headers && FrameTag::of(frame) == Some(FrameTag::Header);
        if direction == Direction::Outbound || !headed {
            return self.frame(direction, frame, now, out);
        }
        self.made.clear();
        self.scanner.found.clear();
        let start = self.header(Direction::Inbound, frame, HEADER_AT)?;
        let parts = Parts { body: &frame[start..], sequence: None, versioned: false };
        self.message(Direction::Inbound, &parts, now, out)
    }

    /// Reads the header at a position; returns the position of the terms.
    #[inline(always)]
    fn header(&mut self, direction: Direction, frame: &[u8], at: usize) -> Result<usize, Bad> {
        let Lane { caches, refs, .. } = &mut self.lanes[direction as usize];
        header::read(frame, at, self.fixed.caches_atoms(), caches, &self.fixed.ends.names, refs)
    }

    /// Handles an answer to a question of distwall itself to the guarded node.
    fn for_clerk(
        &mut self,
        body: &[u8],
        atoms: &Named,
        versioned: bool,
        now: f64,
        out: &mut Output,
    ) -> Result<Action, Bad> {
        let names = self.fixed.ends.names.clone();
        let limits = self.fixed.ends.limits.clone();
        let terms = Terms { atoms: if versioned { &[] } else { atoms }, ..Terms::plain(&names) };
        let watch = Watch { terms: &terms, records: true, limits: &limits, guarded: None, discloses: false };
        let mut reader = Reader::new(body, &terms);
        let flags = self.fixed.ends.flags;
        let mut room = None;
        let control = control::decode(&mut reader, &mut room, Dialect { flags }, &mut self.scanner, &watch)?;
        if control.payload() && versioned {
            reader.u8()?;
        }
        let mut asker = None;
        let message = Message::new(control, control.payload().then_some(reader), &mut asker);
        self.clerk_got(&message, now, out)?;
        self.made.clear();
        Ok(Action::Replace)
    }

    /// Handles a whole message in one frame.
    #[inline(always)]
    fn message(&mut self, direction: Direction, parts: &Parts<'_>, now: f64, out: &mut Output) -> Result<Action, Bad> {
        self.judged(direction, parts, None, now, out)
    }

    /// Handles a large frame that was scanned while it came in. Its bytes are not copied, whatever the verdict.
    #[cold]
    fn large(
        &mut self,
        direction: Direction,
        mut ahead: Ahead,
        carry: ByteBuffer,
        now: f64,
        out: &mut Output,
    ) -> Result<(), Bad> {
        self.made.clear();
        self.scanner.found.clear();
        let (frame, versioned) = (&carry[4..], !self.fixed.ends.form.headers);
        let start = if versioned {
            self.lanes[direction as usize].refs.none();
            HEADER_AT
        } else {
            self.header(direction, frame, HEADER_AT)?
        };
        let parts = Parts { body: &frame[start..], sequence: None, versioned };
        let Channel { fixed, lanes, scanner, .. } = self;
        let refs = &lanes[direction as usize].refs;
        let terms = fixed.terms(&refs.atoms);
        ahead.finish(parts.body, &mut scanner.found, &fixed.watch(direction, &terms))?;
        let jumps = ahead.jumps(parts.body);
        let action = self.judged(direction, &parts, Some(&jumps), now, out)?;
        match (action, self.state.aside.take()) {
            (Action::Forward, _) => out.whole(carry),
            (_, None) => {
                out.made(&self.made);
                out.keep(carry);
            }
            (_, Some(Aside::Rebuilt)) => {
                out.made(&self.made);
                out.whole(carry.from(4 + start));
            }
            (_, Some(Aside::Detour(sender))) => {
                let atoms = self.lanes[direction as usize].refs.atoms.clone();
                let mut parked = Parked::new(sender, carry.from(4 + start), atoms, versioned);
                parked.scan = Some(self.state.keep(ahead.into_large(), &mut self.scanner));
                self.detour(parked, now, out)?;
            }
        }
        Ok(())
    }

    /// Judges a whole message, and carries the verdict out. `jumps`: the ends of its large terms, if it was scanned while it
    /// came in. Of such a message no byte is copied ([`Aside`]).
    #[inline(always)]
    fn judged(
        &mut self,
        direction: Direction,
        parts: &Parts<'_>,
        jumps: Option<&Jumps<'_>>,
        now: f64,
        out: &mut Output,
    ) -> Result<Action, Bad> {
        let Channel { fixed, state, lanes, scanner, made, .. } = self;
        let Lane { caches, refs, .. } = &mut lanes[direction as usize];
        let terms = Terms { jumps, ..fixed.terms(&refs.atoms) };
        let watch = fixed.watch(direction, &terms);
        let mut room = Room::default();
        let message = read(parts, fixed, &mut room, scanner, jumps.is_some(), &watch)?;
        let control = message.control;
        let over = state.takes(direction, control);
        match direction {
            Direction::Outbound if is_for_clerk(control) => {
                let (body, atoms) = (parts.body.to_vec(), refs.atoms.clone());
                return self.for_clerk(&body, &atoms, parts.versioned, now, out);
            }
            Direction::Inbound if over.is_none() && (fixed.hooked(control) || !state.lot.is_empty()) => {
                let sender = sender(control);
                if fixed.hooked(control) || state.lot.queue(sender).is_some() {
                    return self.set_aside(sender, parts, jumps.is_some(), now, out);
                }
            }
            _ => {}
        }
        let arrival = Arrival { over, atoms: Newcomers::Header(caches, refs), watch: &watch };
        if direction == Direction::Inbound && fixed.has_precedent(&message, state, &mut scanner.found, arrival) {
            fixed.accept(state, direction, &message, None, scanner);
            return Ok(emit::pass(caches, refs, parts, made, jumps.map(|_| &mut state.aside)));
        }
        let mut ruling = Ruling::pass(None);
        fixed.rule(direction, &message, &state.track, &mut scanner.found, arrival, &mut ruling)?;
        if let (Some(_), Some(limit)) = (ruling.asks, over) {
            ruling = Ruling::deny(Reason::Limit(limit));
        }
        if ruling.asks.is_some() || greeting::is_long(&message, &ruling, &fixed.ends) {
            state.steps += message.work.steps(&fixed.ends.limits);
            let sender = sender(control);
            return self.set_aside(sender, parts, jumps.is_some(), now, out);
        }
        if fixed.conclude(state, direction, &message, &ruling, scanner, now, out, made)? {
            Ok(emit::pass(caches, refs, parts, made, jumps.map(|_| &mut state.aside)))
        } else {
            Ok(Action::Replace)
        }
    }

    /// Handles a message of the peer that may have to wait.
    #[cold]
    fn set_aside(
        &mut self,
        sender: Option<Pid>,
        parts: &Parts<'_>,
        large: bool,
        now: f64,
        out: &mut Output,
    ) -> Result<Action, Bad> {
        if large {
            self.state.aside = Some(Aside::Detour(sender));
            return Ok(Action::Replace);
        }
        let atoms = self.lanes[Direction::Inbound as usize].refs.atoms.clone();
        self.detour(Parked::new(sender, parts.body.to_vec().into(), atoms, parts.versioned), now, out)
    }
}

/// The sender of a command, if the command names it. A spawned process is the sender of its spawn reply: its other
/// commands come behind the reply, so they have to wait where the reply waits.
fn sender(control: &Control<'_>) -> Option<Pid> {
    control.from().or_else(|| control.spawned()).map(|from| from.pid)
}

/// True if it is an answer to a question of distwall itself to the guarded node.
fn is_for_clerk(control: &Control<'_>) -> bool {
    control.receiver().is_some_and(|to| is_clerk(to.pid) && to.node.word == Word::Peer)
}

impl Fixed {
    /// The atoms of a message and the names of the two nodes.
    fn terms<'a>(&'a self, atoms: &'a Named) -> Terms<'a> {
        Terms { atoms, ..Terms::plain(&self.ends.names) }
    }

    /// True if headers name atoms.
    fn caches_atoms(&self) -> bool {
        self.ends.flags & flags::DIST_HDR_ATOM_CACHE != 0
    }

    fn watch<'a>(&'a self, direction: Direction, terms: &'a Terms<'a>) -> Watch<'a> {
        Watch {
            terms,
            records: self.ends.records,
            limits: &self.ends.limits,
            guarded: (direction == Direction::Inbound)
                .then_some(Guarded { allowance: self, creations: [self.ends.peer_creation, self.ends.guard_creation] }),
            discloses: self.ends.follows(direction),
        }
    }

    /// Counts a verdict and carries out its effects, except passing the message on. Returns true if the message passes;
    /// fails if the channel ends over it.
    #[allow(clippy::too_many_arguments)]
    fn conclude(
        &self,
        state: &mut State,
        direction: Direction,
        message: &Message<'_, '_>,
        ruling: &Ruling,
        scanner: &mut Scanner,
        now: f64,
        out: &mut Output,
        made: &mut Vec<u8>,
    ) -> Result<bool, Bad> {
        state.steps += message.work.steps(&self.ends.limits);
        let refused = ruling.verdict != Verdict::Accept;
        // The answer to what aims at an ended process is OTP's own.
        let gone = refused && ruling.reason == Reason::Gone;
        let told = if refused { Some(ruling.refusal()).filter(|_| !gone) } else { ruling.waived };
        if let Some(refusal) = told {
            state.reporter.report(direction, message, &refusal, !refused, &state.track, now, out);
        }
        if let Some(of_shadow) = ruling.differs {
            state.shadow_differences += 1;
            state.reporter.report(direction, message, &of_shadow, false, &state.track, now, out);
        }
        if refused {
            let counted = if gone { Verdict::Accept } else { ruling.verdict };
            self.counters.count(direction, message.control.command(), counted);
            denial::answer(message, direction, &self.ends, &mut state.track, ruling, &mut out.back, made);
            return match ruling.reason {
                Reason::Limit(limit) if self.close_on_limit => Err(Bad::Exceeded(limit)),
                _ => Ok(false),
            };
        }
        self.accept(state, direction, message, ruling.settles, scanner);
        if message.work.tells_scope() {
            settle::tell_scope(message, direction, &self.ends, &mut state.track);
        }
        Ok(true)
    }

    /// Counts a message that passes, and carries out its effects. `settles`: the request that it answers or ends.
    #[inline(always)]
    fn accept(
        &self,
        state: &mut State,
        direction: Direction,
        message: &Message<'_, '_>,
        settles: Option<Asked>,
        scanner: &mut Scanner,
    ) {
        self.counters.count(direction, message.control.command(), Verdict::Accept);
        scanner.found.claim.commit(&self.budget);
        // What it writes and shows is seen by what was known before it.
        state.claim(scanner, &self.ends.limits);
        let discloses = !scanner.found.pids.is_empty() || !scanner.found.references.is_empty();
        let shows = if discloses { settle::shows(message, direction, &state.track) } else { Shows::Nothing };
        settle::passed(message, direction, &self.ends, &mut state.track, settles);
        state.disclose(direction, scanner, shows);
        if let (Shows::Payload(_), Some(asker)) = (shows, message.asker) {
            let own = direction == Direction::Outbound && self.ends.is_of(direction, &asker.from);
            // A question that is only sent on does not tell whose alias it is.
            let asks = message.control.from().is_some_and(|from| from.pid == asker.from.pid);
            if own && asks && asker.pair.is_some() {
                state.track.own_alias(asker.first.1, asker.from.pid);
            }
        }
    }
}

/// The process that takes log events of other nodes.
const LOGGER: &[u8] = b"logger_proxy";

impl State {
    /// Ends the slice: there is much to hand out.
    fn end_slice(&mut self) {
        if self.most < u64::MAX {
            self.steps = self.most.max(self.steps);
        }
    }

    /// True if the slice is over.
    fn is_over(&self) -> bool {
        self.steps >= self.most
    }

    /// Takes a command from the rates; returns the exceeded limit, if any. Commands of the guarded node are not
    /// counted.
    fn takes(&mut self, direction: Direction, control: &Control<'_>) -> Option<Limit> {
        if direction == Direction::Outbound {
            return None;
        }
        let logs = matches!(control, Control::RegSend { to, .. } if to.word == Word::OtpName && to.text == LOGGER);
        self.rates.take(control.command()).or_else(|| if logs { self.rates.take_event() } else { None })
    }

    /// Notes the processes and references that the sender disclosed to the other node.
    #[inline(always)]
    fn disclose(&mut self, direction: Direction, scanner: &mut Scanner, shows: Shows) {
        let found = &mut scanner.found;
        if !found.pids.is_empty() || !found.references.is_empty() {
            self.steps += NOTED * (found.pids.len() + found.references.len()) as u64;
            if let Shows::Payload(by) = shows {
                self.track.expose(direction, &found.pids, &found.references, by);
            }
            found.pids.clear();
            found.references.clear();
        }
    }

    /// Notes the processes and references of the guarded node that the peer has written.
    #[inline(always)]
    fn claim(&mut self, scanner: &mut Scanner, limits: &Limits) {
        let mentions = &mut scanner.found.mentions;
        if !mentions.is_empty() {
            self.steps += NOTED * (mentions.pids.len() + mentions.references.len()) as u64;
            self.track.claim(&mentions.pids, &mentions.references, limits.claims());
            mentions.clear();
        }
    }
}
