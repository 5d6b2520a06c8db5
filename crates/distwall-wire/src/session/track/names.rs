//! Registered names of processes, learned from traffic.

use std::collections::{HashMap, VecDeque};

use foldhash::quality::RandomState;

use crate::term::reader::Pid;

/// Most processes known by one name. A restarted server has another pid, and other processes may answer for it.
const PIDS: usize = 64;
/// Most names of one process. It can have only one; more names are learned only if somebody tries to mislead.
const NAMES: usize = 8;

/// The names of processes.
#[derive(Default)]
pub struct Names {
    of: HashMap<Pid, Vec<Box<[u8]>>, RandomState>,
    pids: HashMap<Box<[u8]>, VecDeque<Pid>>,
}

impl Names {
    /// Notes that a process has answered for a name. It keeps its earlier names: a wrong name must not hide the right
    /// one.
    pub fn learn(&mut self, pid: Pid, name: &[u8], limit: u64) {
        let known = self.of.get(&pid);
        if known.is_some_and(|known| known.len() >= NAMES || known.iter().any(|known| **known == *name)) {
            return;
        }
        if !self.pids.contains_key(name) && self.pids.len() as u64 >= limit {
            return;
        }
        let pids = self.pids.entry(name.into()).or_default();
        pids.push_back(pid);
        let oldest = if pids.len() > PIDS { pids.pop_front() } else { None };
        self.of.entry(pid).or_default().push(name.into());
        if let Some(oldest) = oldest {
            self.part(oldest, name);
        }
    }

    /// The names of a process.
    pub fn of(&self, pid: Pid) -> &[Box<[u8]>] {
        if self.of.is_empty() {
            return &[];
        }
        self.of.get(&pid).map_or(&[], |names| names)
    }

    /// Notes that nobody has the name any more.
    pub fn free(&mut self, name: &[u8]) {
        for pid in self.pids.remove(name).unwrap_or_default() {
            self.part(pid, name);
        }
    }

    /// Notes that the process has ended.
    pub fn ended(&mut self, pid: Pid) {
        for name in self.of.remove(&pid).unwrap_or_default() {
            if let Some(pids) = self.pids.get_mut(&name) {
                pids.retain(|known| *known != pid);
                if pids.is_empty() {
                    self.pids.remove(&name);
                }
            }
        }
    }

    fn part(&mut self, pid: Pid, name: &[u8]) {
        if let Some(names) = self.of.get_mut(&pid) {
            names.retain(|known| **known != *name);
            if names.is_empty() {
                self.of.remove(&pid);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pid(id: u32) -> Pid {
        Pid { id, serial: 0, creation: 1 }
    }

    #[test]
    fn names_come_and_go() {
        let mut names = Names::default();
        names.learn(pid(1), b"a", 2);
        names.learn(pid(1), b"a", 2);
        names.learn(pid(1), b"b", 2);
        names.learn(pid(2), b"c", 2);
        assert_eq!(names.of(pid(1)).len(), 2);
        assert!(names.of(pid(2)).is_empty());
        names.free(b"a");
        assert_eq!(*names.of(pid(1)), [Box::from(&b"b"[..])]);
        names.ended(pid(1));
        assert!(names.of(pid(1)).is_empty() && names.of.is_empty() && names.pids.is_empty());
    }

    #[test]
    fn one_name_has_so_many_processes() {
        let mut names = Names::default();
        (0..1000).for_each(|i| names.learn(pid(i), b"a", 10));
        assert!(names.of(pid(0)).is_empty() && !names.of(pid(999)).is_empty());
        assert_eq!(names.of.len(), PIDS);
    }
}
