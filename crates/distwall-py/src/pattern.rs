//! Patterns matched against single terms, for `explain` and tests.

use distwall_wire as wire;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use wire::rules::pattern::Work;
use wire::term::atoms::{NodeNames, Word, Words};
use wire::term::reader::{Reader, Terms};
use wire::term::scan::{Scanner, Watch};
use wire::Limits;

#[pyclass(frozen)]
pub struct Pattern(wire::Pattern);

#[pymethods]
impl Pattern {
    #[new]
    fn new(code: &[u8]) -> PyResult<Self> {
        wire::Pattern::parse(code).map(Self).map_err(PyValueError::new_err)
    }

    #[pyo3(signature = (etf, *, peer, guard, outbound=false))]
    fn matches(&self, etf: &[u8], peer: &str, guard: &str, outbound: bool) -> PyResult<bool> {
        let names = NodeNames { peer: peer.as_bytes().into(), guard: guard.as_bytes().into(), words: Words::NONE };
        let terms = Terms::plain(&names);
        let watch = Watch { terms: &terms, records: true, limits: &Limits::default(), guarded: None, discloses: false };
        let bad = |why: String| PyValueError::new_err(why);
        let end = Scanner::default().whole(etf, 0, &watch).map_err(|error| bad(error.to_string()))?;
        if end != etf.len() {
            return Err(bad("bytes follow the end of the term".to_owned()));
        }
        let sender = if outbound { Word::Guard } else { Word::Peer };
        let work = Work::default();
        let matches = self.0.matches(Reader::new(etf, &terms), sender, &work, &Limits::default());
        if work.is_spent() {
            return Err(bad("comparing them takes more steps than a message may cause".to_owned()));
        }
        Ok(matches)
    }
}
