//! Whole messages: the 14 commands, answers to what the other node asked, and messages that no node sends.

use crate::writer::Writer;

/// A request of one node, so that the other may answer it.
#[derive(Clone, Copy, Debug)]
pub enum Asked {
    Link(u8, u8),
    Monitor(u8, u8, Watched),
    Spawn(u8, u8, u8),
    Call(u8, u8),
    Unlink(u64, u8, u8),
    Rex(u8),
    Features(u8),
    /// distwall's own question, in the name of a process that no node has.
    Clerk(u64),
}

/// A monitored process, by its registered name or its number.
#[derive(Clone, Copy, Debug)]
pub enum Watched {
    Name(&'static str),
    Process(u8),
}

/// Flags of the distribution that change how messages look.
#[derive(Clone, Copy)]
pub struct Form {
    pub headers: bool,
    pub fragments: bool,
    pub exit_payload: bool,
    pub unlink_id: bool,
    pub spawn: bool,
    pub altact: bool,
    /// True if labels of trace tokens may be any term.
    pub labels: bool,
}

/// A message: where its payload begins, and what it asks for.
pub struct Message {
    /// None: it has no payload.
    pub payload: Option<usize>,
    pub asked: Option<Asked>,
}

const CLERK: u32 = 0x0fff_ffff;
const MARK: u32 = 0xd157_a11d;

impl Writer<'_> {
    fn number(&mut self) -> u8 {
        self.rng.below(9) as u8
    }

    fn head(&mut self, arity: usize, op: u8) {
        self.tuple(arity);
        self.int(op);
    }

    /// The sender, who is rarely anyone but a process of the sending node.
    fn sender(&mut self) -> u8 {
        let number = self.number();
        if self.rng.chance(15) {
            self.any_pid();
        } else {
            self.own(number);
        }
        number
    }

    fn target(&mut self) -> u8 {
        let number = self.number();
        if self.rng.chance(15) {
            self.any_pid();
        } else {
            self.their(number);
        }
        number
    }

    fn reason(&mut self) {
        let text = self.rng.pick(&["normal", "noproc", "kill", "killed", "noconnection"]);
        if self.rng.chance(700) {
            self.text(text);
        } else {
            self.term(2);
        }
    }

    fn token(&mut self) {
        self.tuple(5);
        self.int(1);
        self.term(1);
        self.int(1);
        self.any_pid();
        self.int(1);
    }

    /// A message of any kind.
    pub fn any_message(&mut self, form: Form) -> Message {
        let traced = self.rng.chance(20) && (form.labels || self.wild());
        match self.rng.below(100) {
            0..18 => self.send(form, traced),
            18..42 => self.reg_send(form, traced),
            42..48 => self.alias_send(traced),
            48..54 => {
                self.head(3, 1);
                let (from, to) = (self.sender(), self.target());
                self.plain(Some(Asked::Link(from, to)))
            }
            54..60 => self.monitor(),
            60..62 => self.demonitor(None),
            62..65 => self.exit(form, None, traced),
            65..68 => self.exit2(form, traced),
            68..70 => {
                self.head(3, 7);
                self.sender();
                self.target();
                self.plain(None)
            }
            70..72 => self.monitor_exit(form, None),
            72..86 if form.spawn || self.wild() => self.spawn_request(traced),
            86..88 if form.spawn => self.spawn_reply(None, traced),
            88..93 => {
                let (from, to) = (self.number(), self.number());
                self.unlink(form, from, to)
            }
            93..95 if form.unlink_id => self.unlink_ack(None),
            95..98 if form.altact => self.altact(),
            98 if self.wild() => {
                let (op, count) = (self.rng.below(42) as u8, self.rng.below(6));
                self.head(count + 1, op);
                self.terms(count, 1);
                let payload = self.out.len();
                if self.rng.chance(500) {
                    self.term(2);
                }
                Message { payload: Some(payload), asked: None }
            }
            _ => self.send(form, traced),
        }
    }

    fn plain(&mut self, asked: Option<Asked>) -> Message {
        Message { payload: None, asked }
    }

    fn send(&mut self, form: Form, traced: bool) -> Message {
        if form.headers && self.rng.chance(800) {
            self.head(if traced { 4 } else { 3 }, if traced { 23 } else { 22 });
            self.sender();
        } else {
            self.head(if traced { 4 } else { 3 }, if traced { 12 } else { 2 });
            self.text("");
        }
        self.target();
        self.carries(None, traced)
    }

    fn reg_send(&mut self, _form: Form, traced: bool) -> Message {
        self.head(if traced { 5 } else { 4 }, if traced { 16 } else { 6 });
        self.sender();
        self.text("");
        let name = match self.rng.below(20) {
            0..14 => self.pool.name(self.rng),
            14..16 => "rex",
            16 => "net_kernel",
            17 => "distwall",
            _ => self.pool.atom(self.rng),
        };
        self.text(name);
        self.carries(Some(name), traced)
    }

    fn alias_send(&mut self, traced: bool) -> Message {
        self.head(if traced { 4 } else { 3 }, if traced { 34 } else { 33 });
        self.sender();
        let number = self.number();
        if self.rng.chance(30) {
            self.any_ref();
        } else {
            self.their_ref(number);
        }
        self.carries(None, traced)
    }

    /// The trace token, if there is one, and a message that asks for something now and then.
    fn carries(&mut self, name: Option<&str>, traced: bool) -> Message {
        if traced {
            self.token();
        }
        let payload = self.out.len();
        let number = self.number();
        let asked = match self.rng.below(10) {
            0 | 1 => {
                let tag = self.number();
                self.tuple(3);
                self.text("$gen_call");
                self.tuple(2);
                self.own(number);
                self.list(1);
                self.text("alias");
                self.own_ref(tag);
                self.term(2);
                Some(Asked::Call(tag, number))
            }
            2 if name == Some("rex") => {
                self.tuple(2);
                self.own(number);
                self.text("features_request");
                Some(Asked::Features(number))
            }
            3..6 if name == Some("rex") => {
                self.tuple(2);
                self.own(number);
                self.tuple(5);
                self.text("call");
                self.text("m");
                self.text("f");
                self.arguments(1);
                self.own(1);
                Some(Asked::Rex(number))
            }
            _ => {
                self.message(name);
                None
            }
        };
        Message { payload: Some(payload), asked }
    }

    fn monitor(&mut self) -> Message {
        self.head(4, 19);
        let from = self.sender();
        let watched = if self.rng.chance(500) {
            let name = self.pool.name(self.rng);
            self.text(name);
            Watched::Name(name)
        } else {
            Watched::Process(self.target())
        };
        let number = self.number();
        self.own_ref(number);
        self.plain(Some(Asked::Monitor(number, from, watched)))
    }

    /// The end of this monitor of the node's own, or of any.
    pub fn demonitor(&mut self, known: Option<(u8, u8, Watched)>) -> Message {
        let (reference, from, watched) =
            known.unwrap_or_else(|| (self.number(), self.number(), Watched::Process(self.number())));
        self.head(4, 20);
        self.own(from);
        self.watched(watched, true);
        self.own_ref(reference);
        self.plain(None)
    }

    fn watched(&mut self, watched: Watched, theirs: bool) {
        match watched {
            Watched::Name(name) => self.text(name),
            Watched::Process(number) if theirs => self.their(number),
            Watched::Process(number) => self.own(number),
        }
    }

    fn exit(&mut self, form: Form, known: Option<(u8, u8)>, traced: bool) -> Message {
        let (arity, op) = match (form.exit_payload, traced) {
            (true, false) => (3, 24),
            (true, true) => (4, 25),
            (false, false) => (4, 3),
            (false, true) => (5, 13),
        };
        self.head(arity, op);
        match known {
            Some((from, to)) => {
                self.own(from);
                self.their(to);
            }
            None => {
                let (from, to) = (self.number(), self.number());
                self.own(from);
                self.their(to);
            }
        }
        self.ending(form, traced)
    }

    fn exit2(&mut self, form: Form, traced: bool) -> Message {
        let (arity, op) = match (form.exit_payload, traced) {
            (true, false) => (3, 26),
            (true, true) => (4, 27),
            (false, false) => (4, 8),
            (false, true) => (5, 18),
        };
        self.head(arity, op);
        self.sender();
        self.target();
        self.ending(form, traced)
    }

    fn ending(&mut self, form: Form, traced: bool) -> Message {
        if traced {
            self.token();
        }
        let payload = form.exit_payload.then_some(self.out.len());
        self.reason();
        Message { payload, asked: None }
    }

    fn monitor_exit(&mut self, form: Form, known: Option<(u8, u8, Watched)>) -> Message {
        let (reference, to, watched) =
            known.unwrap_or_else(|| (self.number(), self.number(), Watched::Process(self.number())));
        self.head(if form.exit_payload { 4 } else { 5 }, if form.exit_payload { 28 } else { 21 });
        self.watched(watched, false);
        self.their(to);
        self.their_ref(reference);
        self.ending(form, false)
    }

    fn spawn_request(&mut self, traced: bool) -> Message {
        self.head(if traced { 7 } else { 6 }, if traced { 30 } else { 29 });
        // Mostly other numbers than monitors have: a process that ends before it is spawned closes the channel.
        let reference = self.number() + if self.rng.chance(980) { 16 } else { 0 };
        self.own_ref(reference);
        let from = self.sender();
        self.sender();
        self.tuple(3);
        let before = self.called();
        let arity = self.out.len() + 1;
        self.int(0);
        let flags = self.options();
        if traced {
            self.token();
        }
        let payload = self.out.len();
        let count = match before {
            Some(before) => self.wrapped(before, 1),
            None => {
                let count = self.rng.below(4);
                self.arguments(count);
                count
            }
        };
        // A number that is not announced is an error now and then.
        self.out[arity] = count as u8 + u8::from(self.wild());
        Message { payload: Some(payload), asked: Some(Asked::Spawn(reference, from, flags)) }
    }

    fn options(&mut self) -> u8 {
        let mut flags = 0;
        let count = self.rng.below(3);
        self.list(count);
        for _ in 0..count {
            match self.rng.below(12) {
                0..4 => {
                    flags |= 1;
                    self.text("link");
                }
                4..8 => {
                    flags |= 2;
                    self.text("monitor");
                }
                8 => {
                    self.tuple(2);
                    let name = self.rng.pick(&["min_heap_size", "min_bin_vheap_size", "priority"]);
                    self.text(name);
                    self.out.push(98);
                    let words = self.rng.pick(&[300, 5000, 1 << 25]);
                    self.word(words);
                }
                9 => {
                    self.tuple(2);
                    self.text("monitor");
                    self.list(1);
                    self.tuple(2);
                    self.text("alias");
                    self.text("reply_demonitor");
                    self.nil();
                }
                10 => {
                    self.tuple(2);
                    self.text("priority");
                    let level = self.rng.pick(&["low", "normal", "high", "max"]);
                    self.text(level);
                }
                _ => self.term(1),
            }
        }
        self.nil();
        flags
    }

    fn spawn_reply(&mut self, known: Option<(u8, u8, u8)>, traced: bool) -> Message {
        let (reference, to, flags) =
            known.unwrap_or_else(|| (16 + self.number(), self.number(), self.rng.below(2) as u8));
        // Flags that were not asked for close the channel.
        let flags = if self.wild() { 7 } else { flags };
        self.head(if traced { 6 } else { 5 }, if traced { 32 } else { 31 });
        self.their_ref(reference);
        self.their(to);
        self.int(flags);
        if self.rng.chance(800) {
            self.sender();
        } else {
            self.text("badarg");
        }
        if traced {
            self.token();
        }
        self.plain(None)
    }

    pub fn unlink(&mut self, form: Form, from: u8, to: u8) -> Message {
        let id = if self.rng.chance(900) { 1 + self.rng.below(300) as u64 } else { self.rng.next() };
        if form.unlink_id {
            self.head(4, 35);
            self.id(id);
        } else {
            self.head(3, 4);
        }
        self.own(from);
        self.their(to);
        self.plain(Some(Asked::Unlink(id, from, to)))
    }

    fn unlink_ack(&mut self, known: Option<(u64, u8, u8)>) -> Message {
        let (id, from, to) = known.unwrap_or_else(|| (1 + self.rng.below(20) as u64, self.number(), self.number()));
        self.head(4, 36);
        self.id(id);
        self.own(from);
        self.their(to);
        self.plain(None)
    }

    fn altact(&mut self) -> Message {
        let flags =
            if self.wild() { self.rng.pick(&[0, 8, 31, 64]) } else { self.rng.pick(&[1, 1, 4, 5, 9, 17, 20, 3, 21]) };
        let traced = flags & 2 != 0;
        self.head(if traced { 5 } else { 4 }, 37);
        self.int(flags);
        self.sender();
        match flags {
            _ if flags & 4 != 0 => {
                let number = self.number();
                self.their_ref(number);
            }
            _ if flags & 8 != 0 => {
                let name = self.pool.name(self.rng);
                self.text(name);
            }
            _ => _ = self.target(),
        }
        self.carries(None, traced)
    }

    /// Writes what answers or ends a request of the other node.
    pub fn answer(&mut self, form: Form, asked: Asked) -> Message {
        match asked {
            Asked::Link(from, to) => match self.rng.below(3) {
                0 => self.unlink(form, to, from),
                _ => self.exit(form, Some((to, from)), false),
            },
            Asked::Monitor(reference, from, watched) => self.monitor_exit(form, Some((reference, from, watched))),
            Asked::Spawn(reference, from, flags) => self.spawn_reply(Some((reference, from, flags)), false),
            Asked::Unlink(id, from, to) => self.unlink_ack(Some((id, to, from))),
            Asked::Call(reference, from) => self.reply(reference, from),
            Asked::Rex(from) | Asked::Features(from) => {
                self.head(3, 22);
                self.sender();
                self.their(from);
                let payload = self.out.len();
                if matches!(asked, Asked::Rex(_)) {
                    self.tuple(2);
                    self.text("rex");
                } else {
                    self.tuple(3);
                    self.text("features_reply");
                    self.text(self.own.0);
                }
                self.term(2);
                Message { payload: Some(payload), asked: None }
            }
            Asked::Clerk(ticket) => self.tell_clerk(form, ticket),
        }
    }

    fn reply(&mut self, reference: u8, from: u8) -> Message {
        let number = self.number();
        if self.rng.chance(600) {
            self.head(3, 33);
            self.own(number);
            self.their_ref(reference);
        } else {
            self.head(3, 22);
            self.own(number);
            self.their(from);
        }
        let payload = self.out.len();
        self.tuple(2);
        if self.rng.chance(500) {
            self.list(1);
            self.text("alias");
        }
        self.their_ref(reference);
        self.term(3);
        Message { payload: Some(payload), asked: None }
    }

    /// Writes the answer of a module of the guarded node to distwall itself.
    fn tell_clerk(&mut self, form: Form, ticket: u64) -> Message {
        let clerk = self.their;
        let reference = [ticket as u32 & 0x3_ffff, MARK, (ticket >> 18) as u32];
        let number = self.number();
        if self.rng.chance(500) {
            self.head(5, 31);
            self.reference(clerk, &reference);
            self.pid(clerk, CLERK, CLERK);
            self.int(0);
            if self.rng.chance(800) {
                self.own(number);
            } else {
                self.text("badarg");
            }
            return self.plain(None);
        }
        self.head(if form.exit_payload { 4 } else { 5 }, if form.exit_payload { 28 } else { 21 });
        self.own(number);
        self.pid(clerk, CLERK, CLERK);
        self.reference(clerk, &reference);
        let payload = form.exit_payload.then_some(self.out.len());
        self.tuple(3);
        self.reference(clerk, &reference);
        self.text("return");
        let said = self.rng.pick(&["accept", "true", "deny", "false", "reject", "drop", "other"]);
        self.text(said);
        Message { payload, asked: None }
    }

    /// Ends a link or a monitor of the node's own.
    pub fn follow(&mut self, form: Form, asked: Asked) -> Option<Message> {
        match asked {
            Asked::Link(from, to) => Some(self.unlink(form, from, to)),
            Asked::Monitor(reference, from, watched) => Some(self.demonitor(Some((reference, from, watched)))),
            _ => None,
        }
    }
}
