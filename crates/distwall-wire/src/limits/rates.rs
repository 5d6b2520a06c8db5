//! The rates of a peer: commands of each kind, commands in all, and bytes in a second.
//!
//! Each rate is a token bucket with room for one second. It is filled up when bytes arrive, by their time of arrival;
//! then a command costs a compare and a subtract. Time that goes backwards fills nothing.

use crate::command::Command;
use crate::limits::{Limit, Limits};

/// The tokens left of each limit.
pub struct Rates {
    /// Time of the last filling.
    filled: f64,
    commands: [f64; Command::ALL.len()],
    all: f64,
    /// Tokens for log events.
    events: f64,
    /// Tokens for bytes; may be negative, since bytes are counted after their arrival.
    bytes: f64,
    /// True if too many bytes have arrived.
    flooded: bool,
}

impl Rates {
    /// Full buckets.
    #[must_use]
    pub fn new(limits: &Limits) -> Self {
        Rates {
            filled: f64::NEG_INFINITY,
            commands: Command::ALL.map(|command| limits.per_second(command) as f64),
            all: limits.commands_per_second() as f64,
            events: limits.log_events_per_second() as f64,
            bytes: limits.bytes_per_second() as f64,
            flooded: false,
        }
    }

    /// Counts arrived bytes.
    pub fn receive(&mut self, bytes: usize, now: f64, limits: &Limits) {
        let passed = now - self.filled;
        if passed > 0.0 {
            let fill = |left: &mut f64, rate: u64| *left = (*left + passed * rate as f64).min(rate as f64);
            for (left, command) in self.commands.iter_mut().zip(Command::ALL) {
                fill(left, limits.per_second(command));
            }
            fill(&mut self.all, limits.commands_per_second());
            fill(&mut self.events, limits.log_events_per_second());
            fill(&mut self.bytes, limits.bytes_per_second());
        }
        if passed != 0.0 && now.is_finite() {
            self.filled = now;
        }
        self.flooded = self.bytes <= 0.0;
        self.bytes = (self.bytes - bytes as f64).max(-(limits.bytes_per_second() as f64));
    }

    /// Takes tokens away that exceed the limits for one second.
    pub fn cap(&mut self, limits: &Limits) {
        for (left, command) in self.commands.iter_mut().zip(Command::ALL) {
            *left = left.min(limits.per_second(command) as f64);
        }
        self.all = self.all.min(limits.commands_per_second() as f64);
        self.events = self.events.min(limits.log_events_per_second() as f64);
        self.bytes = self.bytes.min(limits.bytes_per_second() as f64);
    }

    /// Takes the tokens of one command; returns the exceeded limit, if any.
    #[inline]
    pub fn take(&mut self, command: Command) -> Option<Limit> {
        let left = &mut self.commands[command as usize];
        if *left < 1.0 {
            return Some(Limit::per_second(command));
        }
        if self.all < 1.0 {
            return Some(Limit::CommandsPerSecond);
        }
        *left -= 1.0;
        self.all -= 1.0;
        self.flooded()
    }

    /// Takes the token of one log event; returns the limit if it is exceeded.
    pub fn take_event(&mut self) -> Option<Limit> {
        if self.events < 1.0 {
            return Some(Limit::LogEventsPerSecond);
        }
        self.events -= 1.0;
        None
    }

    /// The limit on bytes, if too many have arrived.
    #[must_use]
    pub fn flooded(&self) -> Option<Limit> {
        self.flooded.then_some(Limit::BytesPerSecond)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(settings: &[(&str, u64)]) -> Limits {
        let mut limits = Limits::default();
        settings.iter().for_each(|(name, value)| assert!(limits.set(name, *value)));
        limits
    }

    fn taken(rates: &mut Rates, command: Command) -> usize {
        (0..100).take_while(|_| rates.take(command).is_none()).count()
    }

    #[test]
    fn a_second_is_as_much_as_there_may_be() {
        let limits = limits(&[("link_per_second", 10), ("commands_per_second", 15)]);
        let mut rates = Rates::new(&limits);
        rates.receive(0, 1000.0, &limits);
        assert_eq!(taken(&mut rates, Command::Link), 10);
        assert_eq!(rates.take(Command::Link), Some(Limit::LinkPerSecond));
        assert_eq!(taken(&mut rates, Command::Send), 5);
        assert_eq!(rates.take(Command::Send), Some(Limit::CommandsPerSecond));
        rates.receive(0, 1000.5, &limits);
        assert_eq!(taken(&mut rates, Command::Link), 5);
        rates.receive(0, 9000.0, &limits);
        assert_eq!(taken(&mut rates, Command::Link), 10);
    }

    #[test]
    fn time_that_goes_backwards_gives_nothing() {
        let limits = limits(&[("send_per_second", 10)]);
        let mut rates = Rates::new(&limits);
        rates.receive(0, 1000.0, &limits);
        assert_eq!(taken(&mut rates, Command::Send), 10);
        for now in [10.0, f64::NAN, 9.0, f64::NEG_INFINITY] {
            rates.receive(0, now, &limits);
            assert_eq!(taken(&mut rates, Command::Send), 0, "{now}");
        }
        rates.receive(0, 11.0, &limits);
        rates.receive(0, 12.0, &limits);
        assert_eq!(taken(&mut rates, Command::Send), 10);
    }

    #[test]
    fn other_limits_hold_at_once() {
        let (many, few) = (limits(&[("link_per_second", 20)]), limits(&[("link_per_second", 5)]));
        let mut rates = Rates::new(&many);
        rates.receive(0, 1000.0, &many);
        rates.cap(&few);
        assert_eq!(taken(&mut rates, Command::Link), 5);
        rates.cap(&many);
        assert_eq!(taken(&mut rates, Command::Link), 0);
        rates.receive(0, 1001.0, &many);
        assert_eq!(taken(&mut rates, Command::Link), 20);
    }

    #[test]
    fn bytes_are_paid_for_afterwards() {
        let limits = limits(&[("bytes_per_second", 1000)]);
        let mut rates = Rates::new(&limits);
        rates.receive(1500, 0.0, &limits);
        assert_eq!(rates.flooded(), None);
        rates.receive(1, 0.1, &limits);
        assert_eq!(rates.take(Command::Send), Some(Limit::BytesPerSecond));
        rates.receive(1, 1.1, &limits);
        assert_eq!(rates.flooded(), None);
        rates.receive(1 << 40, 1.2, &limits);
        rates.receive(1, 2.1, &limits);
        assert_eq!(rates.flooded(), Some(Limit::BytesPerSecond));
        rates.receive(1, 3.4, &limits);
        assert_eq!(rates.flooded(), None);
    }
}
