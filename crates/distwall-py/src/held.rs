//! Memory that peers hold in distwall, summed over channels.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

use pyo3::prelude::*;

/// Bytes held by the channels of an entry; or of all entries together, which the sums of entries are `within`.
#[pyclass(frozen)]
pub struct Held {
    used: AtomicU64,
    most: AtomicU64,
    within: Option<Py<Held>>,
    crowded: Py<PyAny>,
    /// Bytes of memory for tables of tracking.
    tables: AtomicU64,
    most_tables: AtomicU64,
    /// The same for tables that are not forgotten for want of memory.
    lasting: AtomicU64,
    most_lasting: AtomicU64,
}

#[pymethods]
impl Held {
    #[new]
    #[pyo3(signature = (most, crowded, within=None, *, most_tables=u64::MAX, most_lasting=u64::MAX))]
    fn new(most: u64, crowded: Py<PyAny>, within: Option<Py<Held>>, most_tables: u64, most_lasting: u64) -> Self {
        let [most, most_tables, most_lasting] = [most, most_tables, most_lasting].map(AtomicU64::new);
        let [used, tables, lasting] = [0; 3].map(AtomicU64::new);
        Self { used, most, within, crowded, tables, most_tables, lasting, most_lasting }
    }

    fn tables(&self) -> u64 {
        self.tables.load(Relaxed)
    }

    fn lasting(&self) -> u64 {
        self.lasting.load(Relaxed)
    }

    fn used(&self) -> u64 {
        self.used.load(Relaxed)
    }

    #[pyo3(signature = (most, *, most_tables=u64::MAX, most_lasting=u64::MAX))]
    fn set_most(&self, most: u64, most_tables: u64, most_lasting: u64) {
        self.most.store(most, Relaxed);
        self.most_tables.store(most_tables, Relaxed);
        self.most_lasting.store(most_lasting, Relaxed);
    }

    fn is_overfull(&self) -> bool {
        self.lasting() > self.most_lasting.load(Relaxed)
    }

    fn is_crowded(&self) -> bool {
        self.used() > self.most.load(Relaxed)
    }
}

impl Held {
    /// Counts a channel that held `before` bytes and holds `now` bytes. Tells if that is too much.
    pub fn change(&self, py: Python<'_>, before: u64, now: u64) -> PyResult<()> {
        self.count(before, now);
        let over = |held: &Held| held.is_crowded();
        if now > before && (over(self) || self.within.as_ref().is_some_and(|within| over(within.get()))) {
            self.crowded.call0(py)?;
        }
        Ok(())
    }

    /// Counts a channel whose tables took `before` bytes and take `now` bytes. Returns true if tables get no more.
    pub fn change_tables(&self, before: u64, now: u64) -> bool {
        self.tables.fetch_add(now, Relaxed);
        self.tables.fetch_sub(before, Relaxed);
        self.tables() > self.most_tables.load(Relaxed)
    }

    /// Counts a channel whose lasting tables took `before` bytes and take `now` bytes. Tells if that is too much.
    pub fn change_lasting(&self, py: Python<'_>, before: u64, now: u64) -> PyResult<()> {
        self.lasting.fetch_add(now, Relaxed);
        self.lasting.fetch_sub(before, Relaxed);
        if now > before && self.is_overfull() {
            self.crowded.call0(py)?;
        }
        Ok(())
    }

    /// The same for a channel that is gone.
    pub fn forget(&self, before: u64, tables: u64, lasting: u64) {
        self.count(before, 0);
        self.change_tables(tables, 0);
        self.lasting.fetch_sub(lasting, Relaxed);
    }

    fn count(&self, before: u64, now: u64) {
        self.used.fetch_add(now, Relaxed);
        self.used.fetch_sub(before, Relaxed);
        if let Some(within) = &self.within {
            within.get().count(before, now);
        }
    }
}
