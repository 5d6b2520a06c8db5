//! Coverage of a run: commands, verdicts, reasons and questions that were met while nothing differed.

use std::collections::BTreeMap;

use crate::model::{Counts, Done};
use crate::policies::COMMANDS;

const REASONS: [&str; 10] =
    ["rule", "default", "otp_internal", "third_node", "funs", "spoofed", "stale_target", "limit", "handler", "shadow"];
const KINDS: [&str; 5] = ["own", "filter", "funs", "handler", "guard"];

/// Counts of all sessions together.
#[derive(Default)]
pub struct Coverage {
    pub sessions: u64,
    pub steps: u64,
    pub frames: u64,
    pub shadow_differences: u64,
    counts: Counts,
    events: BTreeMap<(String, String), u64>,
    limits: BTreeMap<String, u64>,
    audits: u64,
    closed: BTreeMap<String, u64>,
    asks: BTreeMap<String, u64>,
}

impl Coverage {
    /// Counts the commands of one session.
    pub fn add(&mut self, counts: &Counts) {
        let theirs = counts.iter().flatten().flatten();
        self.counts.iter_mut().flatten().flatten().zip(theirs).for_each(|(sum, count)| *sum += count);
    }

    /// Notes what one step left.
    pub fn note(&mut self, done: &Done) {
        for event in &done.events {
            let (reason, which) = event.reason.split_once(':').unwrap_or((&event.reason, ""));
            *self.events.entry((event.command.clone(), reason.to_owned())).or_default() += 1;
            if reason == "limit" {
                *self.limits.entry(which.to_owned()).or_default() += 1;
            }
            self.audits += u64::from(event.audit);
        }
        for ask in &done.asks {
            *self.asks.entry(ask.kind.clone()).or_default() += 1;
        }
        if let Some(text) = &done.closed {
            *self.closed.entry(text.clone()).or_default() += 1;
        }
    }

    /// Commands that were judged.
    pub fn commands(&self) -> u64 {
        self.counts.iter().flatten().flatten().sum()
    }

    /// Prints the tables.
    pub fn print(&self) {
        println!("{:<14}{:^36}{:^36}", "", "from the peer", "from the guarded node");
        print!("{:<14}", "commands");
        (0..2).for_each(|_| print!("{:>12}{:>12}{:>12}", "accepted", "denied", "dropped"));
        println!();
        for (row, command) in COMMANDS.iter().enumerate() {
            print!("{command:<14}");
            self.counts.iter().flat_map(|counts| counts[row]).for_each(|count| print!("{count:>12}"));
            println!();
        }
        print!("\n{:<14}", "events");
        REASONS.iter().for_each(|reason| print!("{reason:>13}"));
        println!();
        for command in COMMANDS {
            print!("{command:<14}");
            for reason in REASONS {
                print!("{:>13}", self.events.get(&(command.into(), reason.into())).unwrap_or(&0));
            }
            println!();
        }
        println!("\nrecorded only: {}; decided otherwise by a shadow policy: {}", self.audits, self.shadow_differences);
        for (name, counts) in [("questions", &self.asks), ("limits", &self.limits)] {
            let list: Vec<String> = counts.iter().map(|(what, count)| format!("{what} {count}")).collect();
            println!("{name}: {}", list.join(", "));
        }
        println!("channels closed:");
        self.closed.iter().for_each(|(text, count)| println!("{count:>10}  {text}"));
    }

    /// List the commands, verdicts, reasons and questions that no session has met.
    pub fn missing(&self) -> Vec<String> {
        let mut missing = Vec::new();
        for (direction, name) in ["peer", "guarded node"].iter().enumerate() {
            for (row, command) in COMMANDS.iter().enumerate() {
                let [accepted, denied, dropped] = self.counts[direction][row];
                for (count, verdict) in [(accepted, "accepted"), (denied, "denied"), (dropped, "dropped")] {
                    missing.extend((count == 0).then(|| format!("{command} of the {name}, {verdict}")));
                }
            }
        }
        for reason in REASONS {
            let met = self.events.keys().any(|(_, known)| known == reason);
            missing.extend((!met).then(|| format!("an event with the reason {reason}")));
        }
        missing.extend(
            KINDS
                .iter()
                .filter(|kind| !self.asks.contains_key(**kind))
                .map(|kind| format!("a question of the kind {kind}")),
        );
        missing
    }
}
