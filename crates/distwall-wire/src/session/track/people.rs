//! The identities of processes of the guarded node, as the guarded node told them.
//!
//! An answer holds for a second: registered names change. A monitor tells when a process has ended, so that a later
//! process with the same number is not taken for it.

use std::collections::{HashMap, VecDeque};

use foldhash::quality::RandomState;

use crate::rules::otp_internal::is_otp_name;
use crate::rules::otp_processes::{application_of, is_application};
use crate::term::reader::{Pid, Reference};

/// Seconds for which an answer holds.
const FRESH: f64 = 1.0;
/// Most processes whose identities are kept.
const MOST: usize = 1024;
/// Number of places for processes of users without a name.
const PLACES: usize = 64;

/// The identity of a process of the guarded node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Person {
    /// The registered name.
    pub name: Option<Box<[u8]>>,
    /// True if it is one of OTP's or Elixir's own.
    pub otp: bool,
    /// The applications of OTP or Elixir that it belongs to.
    pub applications: Vec<Box<[u8]>>,
    /// The module of its first call.
    pub module: Box<[u8]>,
    /// True if there is no such process.
    pub dead: bool,
}

impl Person {
    /// True for a living process of a user without a name.
    #[must_use]
    pub fn is_nameless_user(&self) -> bool {
        !self.otp && !self.dead && self.name.is_none()
    }
}

/// The facts about a process, as the guarded node gives them.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// True if there is no such process.
    pub dead: bool,
    /// The registered name.
    pub name: Option<Box<[u8]>>,
    /// True if its group leader is the first process of the node.
    pub led_by_init: bool,
    /// The module of its first call, as `proc_lib` translates it.
    pub module: Box<[u8]>,
    /// The application, by the group leader.
    pub application: Option<Box<[u8]>>,
}

impl Facts {
    /// The identity that follows.
    #[must_use]
    pub fn person(self) -> Person {
        let named = self.name.as_ref().is_some_and(|name| is_otp_name(name));
        let led = self.application.filter(|application| is_application(application));
        let made = application_of(&self.module).map(|application| application.as_bytes().into());
        let applications: Vec<Box<[u8]>> = led.into_iter().chain(made).collect();
        Person {
            otp: named || self.led_by_init || !applications.is_empty(),
            name: self.name,
            applications,
            module: self.module,
            dead: self.dead,
        }
    }
}

struct KnownPerson {
    person: Person,
    since: f64,
    /// The monitor that tells of its end; None if it has ended.
    monitor: Option<Reference>,
}

struct Places([Option<(Pid, f64)>; PLACES]);

impl Default for Places {
    fn default() -> Self {
        Places([None; PLACES])
    }
}

impl Places {
    #[inline(always)]
    fn of(&self, pid: Pid) -> &Option<(Pid, f64)> {
        &self.0[pid.id as usize % PLACES]
    }

    /// Removes a process.
    fn clear(&mut self, pid: Pid) {
        self.0[pid.id as usize % PLACES].take_if(|(known, _)| *known == pid);
    }

    fn put(&mut self, pid: Pid, since: f64) {
        self.0[pid.id as usize % PLACES] = Some((pid, since));
    }
}

/// The known identities.
#[derive(Default)]
pub struct People {
    known: HashMap<Pid, KnownPerson, RandomState>,
    /// In the order in which they were first told.
    order: VecDeque<Pid>,
    /// Living processes of users without a name, as nearly all targets are: each with the time when it was told. A
    /// process has one place; the process that was told last is there.
    nameless: Places,
    now: f64,
    /// True if older answers are good as well: a command is judged again that was judged by them before.
    pub settled: bool,
}

impl People {
    /// Sets the time.
    pub fn tick(&mut self, now: f64) {
        self.now = now;
    }

    /// The identity of a process, if it was told a moment ago.
    #[must_use]
    pub fn of(&self, pid: Pid) -> Option<&Person> {
        let entry = self.known.get(&pid)?;
        (self.settled || self.now - entry.since < FRESH).then_some(&entry.person)
    }

    /// True for a living process of a user without a name, if that was told a moment ago.
    #[must_use]
    #[inline(always)]
    pub fn is_nameless_user(&self, pid: Pid) -> bool {
        match self.nameless.of(pid) {
            Some((known, since)) if *known == pid => self.settled || self.now - since < FRESH,
            _ => self.of(pid).is_some_and(Person::is_nameless_user),
        }
    }

    /// The last known name of a process, to be printed.
    #[must_use]
    pub fn last_name(&self, pid: Pid) -> Option<&[u8]> {
        self.known.get(&pid)?.person.name.as_deref()
    }

    /// The monitor of a process that is watched already, and the module of its first call.
    #[must_use]
    pub fn watched(&self, pid: Pid) -> Option<(Reference, &[u8])> {
        let known = self.known.get(&pid)?;
        Some((known.monitor?, &known.person.module))
    }

    /// Notes an identity. Returns the processes that are forgotten for it, with their monitors.
    pub fn learn(&mut self, pid: Pid, person: Person, monitor: Option<Reference>) -> Vec<(Pid, Reference)> {
        self.nameless.clear(pid);
        if person.is_nameless_user() {
            self.nameless.put(pid, self.now);
        }
        let entry = KnownPerson { person, since: self.now, monitor };
        if self.known.insert(pid, entry).is_none() {
            self.order.push_back(pid);
        }
        let mut forgotten = Vec::new();
        while self.order.len() > MOST {
            let Some(oldest) = self.order.pop_front() else { break };
            self.nameless.clear(oldest);
            let monitor = self.known.remove(&oldest).and_then(|entry| entry.monitor);
            forgotten.extend(monitor.map(|monitor| (oldest, monitor)));
        }
        forgotten
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(id: u32) -> Pid {
        Pid { id, serial: 0, creation: 1 }
    }

    #[test]
    fn answers_hold_for_a_second_and_few_are_kept() {
        let mut people = People::default();
        let monitor = Reference { creation: 1, length: 3, words: [1, 2, 3, 0, 0] };
        assert!(people.learn(pid(0), Person::default(), Some(monitor)).is_empty());
        people.tick(0.9);
        assert!(people.of(pid(0)).is_some());
        people.tick(1.1);
        assert!(people.of(pid(0)).is_none());
        let forgotten: Vec<_> = (1..2000).flat_map(|id| people.learn(pid(id), Person::default(), None)).collect();
        assert_eq!(forgotten, [(pid(0), monitor)]);
        assert!(people.of(pid(1999)).is_some() && people.of(pid(500)).is_none());
    }

    #[test]
    fn processes_of_one_place_are_told_apart() {
        let mut people = People::default();
        let (one, other) = (pid(5), pid(5 + PLACES as u32));
        people.learn(one, Person::default(), None);
        people.learn(other, Person::default(), None);
        assert!(people.is_nameless_user(one) && people.is_nameless_user(other) && !people.is_nameless_user(pid(6)));
        let named = Person { name: Some(b"x"[..].into()), ..Person::default() };
        for else_told in [Person { otp: true, ..Person::default() }, Person { dead: true, ..Person::default() }, named]
        {
            people.learn(other, else_told, None);
            assert!(people.is_nameless_user(one) && !people.is_nameless_user(other));
            people.learn(other, Person::default(), None);
            assert!(people.is_nameless_user(other));
        }
        people.tick(FRESH);
        assert!(!people.is_nameless_user(one) && !people.is_nameless_user(other));
        people.settled = true;
        assert!(people.is_nameless_user(one) && people.is_nameless_user(other));
        (100..100 + MOST as u32)
            .for_each(|id| _ = people.learn(pid(id), Person { otp: true, ..Person::default() }, None));
        assert!(!people.is_nameless_user(one) && !people.is_nameless_user(other));
    }

    #[test]
    fn a_process_is_otps_by_name_application_module_or_leader() {
        let facts = Facts { module: b"shop"[..].into(), ..Facts::default() };
        assert!(!facts.clone().person().otp);
        let application = |name: &[u8]| Facts { application: Some(name.into()), ..facts.clone() }.person();
        assert!(application(b"kernel").otp && !application(b"shop").otp);
        assert!(Facts { name: Some(b"auth"[..].into()), ..facts.clone() }.person().otp);
        assert!(Facts { module: b"application_master"[..].into(), ..facts.clone() }.person().otp);
        assert!(Facts { led_by_init: true, ..facts.clone() }.person().otp);
    }
}
