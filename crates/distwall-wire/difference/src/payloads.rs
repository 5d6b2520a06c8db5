//! Contents of messages: gen calls, calls of `rex` and `erpc`, carriers, requests that OTP's processes obey, answers.

use crate::pool::REQUESTS;
use crate::writer::Writer;

/// Functions that call another one, each with the number of arguments in front of that call.
const WRAPPERS: [(&str, &str, usize); 44] = [
    ("erlang", "apply", 0),
    ("erlang", "apply", 0),
    ("erlang", "spawn", 0),
    ("erlang", "spawn", 1),
    ("erlang", "spawn_link", 1),
    ("erlang", "spawn_opt", 0),
    ("erlang", "spawn_opt", 1),
    ("erlang", "spawn_request", 0),
    ("erlang", "spawn_request", 1),
    ("erlang", "hibernate", 0),
    ("erpc", "execute_call", 1),
    ("erpc", "execute_call", 1),
    ("erpc", "execute_call", 0),
    ("erpc", "execute_cast", 0),
    ("erpc", "call", 1),
    ("erpc", "multicall", 1),
    ("rpc", "call", 1),
    ("rpc", "block_call", 1),
    ("rpc", "multicall", 1),
    ("rpc", "eval_everywhere", 1),
    ("rpc", "pmap", 0),
    ("net", "cast", 1),
    ("proc_lib", "init_p", 2),
    ("proc_lib", "init_p", 2),
    ("proc_lib", "spawn", 0),
    ("proc_lib", "start_link", 0),
    ("proc_lib", "wake_up", 0),
    ("timer", "apply_after", 1),
    ("timer", "tc", 0),
    ("error_handler", "undefined_function", 0),
    ("error_handler", "undefined_lambda", 1),
    ("erts_code_purger", "pending_purge_lambda", 1),
    ("erts_internal", "spawn_request", 0),
    ("net_kernel", "spawn_func", 2),
    ("c", "appcall", 1),
    ("pool", "do_spawn", 1),
    ("lcnt", "apply", 0),
    ("fprof", "apply", 0),
    ("eprof", "profile", 0),
    ("Elixir.Kernel", "apply", 0),
    ("Elixir.Node", "spawn", 1),
    ("Elixir.Process", "spawn", 0),
    ("Elixir.Task", "async", 0),
    ("Elixir.Task.Supervisor", "start_child", 1),
];

impl Writer<'_> {
    /// The content of a message to this name, or to a process.
    pub fn message(&mut self, name: Option<&str>) {
        match (name, self.rng.below(100)) {
            (Some("rex"), 0..70) => self.ask_rex(),
            (Some("net_kernel"), 0..60) => self.ask_net_kernel(),
            (_, 0..15) => self.tick(),
            (_, 15..35) => self.gen_call(),
            (_, 35..42) => {
                self.tuple(2);
                self.text("$gen_cast");
                self.request();
            }
            (_, 42..47) => self.labelled("system"),
            (_, 47..50) => self.labelled("EXIT"),
            (_, 50..54) => self.io("io_request"),
            (_, 54..57) => self.io("file_request"),
            (_, 57..72) => self.obeyed(),
            (_, 72..76) => self.ask_rex(),
            (_, 76..78) => self.ask_net_kernel(),
            (_, 78..81) => {
                self.tuple(2);
                self.own_tag();
                self.term(2);
            }
            (_, 81..83) => self.task(),
            _ => self.term(4),
        }
    }

    fn tick(&mut self) {
        self.tuple(3);
        self.text("tick");
        self.term(0);
        self.term(1);
    }

    fn labelled(&mut self, label: &'static str) {
        self.tuple(3);
        self.text(label);
        self.from();
        self.request();
    }

    fn io(&mut self, label: &'static str) {
        self.tuple(4);
        self.text(label);
        let number = self.rng.below(9) as u8;
        self.own(number);
        let number = self.rng.below(9) as u8;
        self.own_ref(number);
        self.request();
    }

    fn task(&mut self) {
        let length = if self.rng.chance(500) { 5 } else { 4 };
        self.tuple(length);
        self.any_pid();
        self.terms(length - 3, 0);
        self.nil();
        self.tuple(3);
        self.atom();
        self.atom();
        self.nil();
    }

    fn gen_call(&mut self) {
        self.tuple(3);
        let label = if self.rng.chance(900) {
            "$gen_call"
        } else {
            self.rng.pick(&["$gen_sync_event", "$gen_sync_all_state_event", "server"])
        };
        self.text(label);
        self.from();
        self.request();
    }

    /// `{Pid, Tag}`, mostly of the sender.
    pub fn from(&mut self) {
        let number = self.rng.below(9) as u8;
        self.tuple(2);
        match self.rng.below(20) {
            0..17 => self.own(number),
            17 => self.their(number),
            _ => self.any_pid(),
        }
        self.own_tag();
    }

    fn own_tag(&mut self) {
        let number = self.rng.below(9) as u8;
        match self.rng.below(20) {
            0..6 => self.own_ref(number),
            6..15 => self.alias_tag(number),
            15 | 16 => {
                self.list(1);
                self.alias_tag(number);
                self.own_ref(number);
            }
            17 => {
                self.tuple(2);
                self.own_ref(number);
                self.text(self.own.0);
            }
            18 => {
                self.list(1);
                self.text("alias");
                self.any_ref();
            }
            _ => self.term(1),
        }
    }

    fn alias_tag(&mut self, number: u8) {
        self.list(1);
        self.text("alias");
        self.own_ref(number);
    }

    fn request(&mut self) {
        match self.rng.below(10) {
            0..3 => self.atom(),
            3..6 => {
                let rest = self.rng.below(4);
                self.tuple(rest + 1);
                self.atom();
                self.terms(rest, 1);
            }
            6 | 7 => self.obeyed(),
            _ => self.term(3),
        }
    }

    /// A request that some process of OTP obeys, or nearly one.
    fn obeyed(&mut self) {
        let request = &REQUESTS[self.rng.below(REQUESTS.len())];
        let [form, label, kinds @ ..] = &request[..] else { return self.nil() };
        match *form {
            "Call" => {
                self.tuple(3);
                self.text("$gen_call");
                self.from();
            }
            "Cast" => {
                self.tuple(2);
                self.text("$gen_cast");
            }
            "Ask" => {
                self.tuple(2);
                self.any_pid();
            }
            "AskOwn" => {
                self.tuple(2);
                self.their(1);
            }
            "Event" => {
                self.tuple(3);
                self.term(1);
                self.term(1);
            }
            "Second" => {
                self.tuple(2 + kinds.len());
                self.term(1);
                self.text(label);
                return self.kinds(kinds);
            }
            _ => {}
        }
        if kinds == ["bare"] {
            return self.text(label);
        }
        let more = kinds.last() == Some(&"More");
        let kinds = if more { &kinds[..kinds.len() - 1] } else { kinds };
        let extra = if more { self.rng.below(3) } else { usize::from(self.rng.chance(30)) };
        self.tuple(1 + kinds.len() + extra);
        self.text(label);
        self.kinds(kinds);
        self.terms(extra, 1);
    }

    fn kinds(&mut self, kinds: &[&'static str]) {
        for kind in kinds {
            if self.rng.chance(40) {
                self.term(1);
            } else {
                self.kind(kind);
            }
        }
    }

    fn kind(&mut self, kind: &'static str) {
        match kind {
            "Atom" => self.atom(),
            "Node" => self.text("third@127.0.0.9"),
            "LEVELS" => self.text("info"),
            "SIGNALS" => self.text("sigterm"),
            "BOOLEAN" => self.text("true"),
            "Pid" => self.any_pid(),
            "Own" => self.their(2),
            "Fun" => self.fun(),
            "Run" if self.rng.chance(500) => self.export(),
            "Mfa" | "Run" => {
                self.tuple(3);
                self.atom();
                self.atom();
                self.nil();
            }
            "List" => self.nil(),
            "Text" | "Binary" => self.out.extend_from_slice(&[109, 0, 0, 0, 2, 47, 120]),
            "Map" => self.out.extend_from_slice(&[116, 0, 0, 0, 0]),
            "Int" => self.int(7),
            "Tuple" => {
                self.tuple(2);
                self.terms(2, 0);
            }
            _ => match kind.split(':').nth(1) {
                Some(word) if kind.starts_with("Tagged") => {
                    self.tuple(2);
                    self.text(word);
                    self.term(0);
                }
                Some(word) => self.text(word),
                None => self.term(1),
            },
        }
    }

    fn ask_rex(&mut self) {
        let label = match self.rng.below(12) {
            0 => {
                // features_request, as a process of this number.
                let number = self.rng.below(9) as u8;
                self.tuple(2);
                self.own(number);
                return self.text("features_request");
            }
            1..3 => {
                self.tuple(2);
                self.text("$gen_cast");
                "cast"
            }
            3..6 => {
                self.tuple(3);
                self.text("$gen_call");
                self.from();
                self.rng.pick(&["call", "block_call"])
            }
            6 => {
                self.tuple(2);
                self.own(1);
                let sends = self.rng.pick(&["send", "sbcast"]);
                self.tuple(3);
                self.text(sends);
                self.atom();
                return self.term(2);
            }
            _ => {
                let number = self.rng.below(9) as u8;
                self.tuple(2);
                if self.rng.chance(900) {
                    self.own(number);
                } else {
                    self.any_pid();
                }
                self.rng.pick(&["call", "block_call", "cast"])
            }
        };
        self.tuple(5);
        self.text(label);
        self.mfa(0);
        self.leader();
    }

    fn ask_net_kernel(&mut self) {
        self.tuple(3);
        self.text("$gen_call");
        self.from();
        match self.rng.below(4) {
            0 | 1 => {
                self.tuple(2);
                self.text("is_auth");
                self.text(self.own.0);
            }
            2 => {
                let spawn = self.rng.pick(&["spawn", "spawn_link"]);
                self.tuple(5);
                self.text(spawn);
                self.mfa(0);
                self.leader();
            }
            _ => {
                self.tuple(7);
                self.text("spawn_opt");
                self.mfa(0);
                self.nil();
                self.text("nolink");
                self.leader();
            }
        }
    }

    fn leader(&mut self) {
        match self.rng.below(10) {
            0 => self.text("user"),
            1 => self.text("send_stdout_to_caller"),
            2 => self.any_pid(),
            _ => self.own(1),
        }
    }

    /// Module, function and the list of arguments, one behind the other.
    fn mfa(&mut self, depth: usize) {
        if depth < 10 && self.rng.chance(450) {
            let (module, function, before) = self.rng.pick(&WRAPPERS);
            self.text(module);
            self.text(function);
            self.wrapped(before, depth);
        } else {
            self.atom();
            self.atom();
            let count = self.rng.below(4);
            self.arguments(count);
        }
    }

    /// The list of arguments of a carrier; returns their number.
    pub fn wrapped(&mut self, before: usize, depth: usize) -> usize {
        let (called, behind) = match self.rng.below(10) {
            0..6 => (3, usize::from(self.rng.chance(150))),
            6..8 => (1, usize::from(self.rng.chance(150))),
            _ => (2, 0),
        };
        let count = before + called + behind;
        self.list(count);
        for _ in 0..before {
            match self.rng.below(4) {
                0 => self.text(self.their.0),
                1 => self.own_ref(1),
                2 => self.own(1),
                _ => self.term(1),
            }
        }
        match called {
            3 => self.mfa(depth + 1),
            1 => self.function(),
            _ => {
                self.function();
                let arguments = self.rng.below(3);
                self.arguments(arguments);
            }
        }
        self.terms(behind, 1);
        if depth > 1 && self.rng.chance(20) || self.wild() {
            self.atom();
        } else {
            self.nil();
        }
        count
    }

    fn function(&mut self) {
        if self.rng.chance(500) {
            self.export();
        } else {
            self.fun();
        }
    }

    /// A list of arguments, their number given.
    pub fn arguments(&mut self, count: usize) {
        if count > 0 && self.rng.chance(150) {
            self.out.push(107);
            self.out.extend_from_slice(&(count as u16).to_be_bytes());
            let bytes = self.rng.bytes(count);
            return self.out.extend_from_slice(&bytes);
        }
        self.list(count);
        self.terms(count, 2);
        self.nil();
    }

    /// A carrier, or any function: writes module and function, and tells how many arguments stand in front of the call.
    pub fn called(&mut self) -> Option<usize> {
        if self.rng.chance(600) {
            let (module, function, before) = self.rng.pick(&WRAPPERS);
            self.text(module);
            self.text(function);
            return Some(before);
        }
        self.atom();
        self.atom();
        None
    }
}
