//! Term tags: the first byte of a term is its type.
#![allow(missing_docs)]

pub const RECORD: u8 = 67;
pub const FLOAT: u8 = 70;
pub const BIT_BINARY: u8 = 77;
pub const ATOM_REF: u8 = 82;
pub const PID: u8 = 88;
pub const PORT: u8 = 89;
pub const REFERENCE: u8 = 90;
pub const SMALL_INTEGER: u8 = 97;
pub const INTEGER: u8 = 98;
pub const SMALL_TUPLE: u8 = 104;
pub const LARGE_TUPLE: u8 = 105;
pub const NIL: u8 = 106;
pub const STRING: u8 = 107;
pub const LIST: u8 = 108;
pub const BINARY: u8 = 109;
pub const SMALL_BIG: u8 = 110;
pub const LARGE_BIG: u8 = 111;
pub const FUN: u8 = 112;
pub const EXPORT: u8 = 113;
pub const MAP: u8 = 116;
pub const ATOM: u8 = 118;
pub const SMALL_ATOM: u8 = 119;
pub const V4_PORT: u8 = 120;

/// The version of the format, before whole terms.
pub const VERSION: u8 = 131;
