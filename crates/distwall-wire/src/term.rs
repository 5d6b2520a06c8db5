//! Terms, in place: read, walked over, scanned and written, but never built.

pub mod atoms;
pub mod digest;
pub mod print;
pub mod reader;
pub mod scan;
pub mod tag;
pub mod walk;
pub mod write;
