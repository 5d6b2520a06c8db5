//! Names, printed.

use distwall_wire as wire;
use pyo3::prelude::*;

#[pyfunction]
pub fn print_atom(text: &str) -> String {
    wire::term::print::printed(text.as_bytes())
}
