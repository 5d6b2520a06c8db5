//! Positions in a TOML text, for error messages that name line and column.
//!
//! Python's `tomllib` gives the values of a policy file but not where they stand; `toml_edit` keeps that.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::{PyDict, PyTuple};
use toml_edit::{Document, Item, Table, TableLike, Value};

/// One step of a path: a key of a table or an index of an array.
#[derive(Clone, IntoPyObject)]
enum PathStep {
    Key(String),
    Index(usize),
}

/// A part of the document that is still to be walked through.
enum Part<'a> {
    Table(&'a dyn TableLike),
    Item(&'a Item),
    Value(&'a Value),
    Element(&'a Table),
}

/// The start of each key and of its value in a TOML text, in characters.
///
/// Raises ValueError with `(message, offset)` as its args if the text is not TOML.
#[pyfunction]
pub fn toml_spans<'py>(py: Python<'py>, text: &str) -> PyResult<Bound<'py, PyDict>> {
    let chars = CharOffsets::new(text);
    let document = Document::parse(text).map_err(|error| {
        let offset = error.span().map_or(0, |span| span.start);
        PyValueError::new_err((error.message().to_owned(), chars.at(offset)))
    })?;

    let spans = PyDict::new(py);
    let mut todo: Vec<(Vec<PathStep>, Part)> = vec![(Vec::new(), Part::Table(document.as_table()))];
    while let Some((path, part)) = todo.pop() {
        match part {
            Part::Table(table) => {
                for (key, item) in table.iter() {
                    let path = extended(&path, PathStep::Key(key.to_owned()));
                    let value = item.span().map(|span| span.start);
                    let key = table.key(key).and_then(|key| key.span()).map(|span| span.start);
                    if let Some(start) = key.or(value) {
                        let value = value.unwrap_or(start);
                        spans.set_item(PyTuple::new(py, path.clone())?, (chars.at(start), chars.at(value)))?;
                    }
                    todo.push((path, Part::Item(item)));
                }
            }
            Part::Item(Item::Table(table)) => todo.push((path, Part::Table(table))),
            Part::Item(Item::ArrayOfTables(array)) => {
                for (index, table) in array.iter().enumerate() {
                    todo.push((extended(&path, PathStep::Index(index)), Part::Element(table)));
                }
            }
            Part::Item(Item::Value(value)) => todo.push((path, Part::Value(value))),
            Part::Item(Item::None) => {}
            Part::Value(Value::InlineTable(table)) => todo.push((path, Part::Table(table))),
            Part::Value(Value::Array(array)) => {
                for (index, value) in array.iter().enumerate() {
                    let path = extended(&path, PathStep::Index(index));
                    if let Some(span) = value.span() {
                        let start = chars.at(span.start);
                        spans.set_item(PyTuple::new(py, path.clone())?, (start, start))?;
                    }
                    todo.push((path, Part::Value(value)));
                }
            }
            Part::Value(_) => {}
            Part::Element(table) => {
                if let Some(span) = table.span() {
                    let start = chars.at(span.start);
                    spans.set_item(PyTuple::new(py, path.clone())?, (start, start))?;
                }
                todo.push((path, Part::Table(table)));
            }
        }
    }
    Ok(spans)
}

fn extended(path: &[PathStep], step: PathStep) -> Vec<PathStep> {
    let mut longer = path.to_vec();
    longer.push(step);
    longer
}

/// From offsets in bytes to offsets in characters.
struct CharOffsets {
    starts: Vec<usize>,
}

impl CharOffsets {
    fn new(text: &str) -> Self {
        Self { starts: text.char_indices().map(|(offset, _)| offset).collect() }
    }

    /// The character that stands at, or spans, byte `offset`.
    fn at(&self, offset: usize) -> usize {
        self.starts.partition_point(|start| *start < offset)
    }
}
