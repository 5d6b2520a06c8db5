//! Formats of `io:format/2` that print no more than they and their arguments hold.
//!
//! A width can be any number (`~1000000000c`), or be taken from the arguments (`~*c`): a few bytes would fill the memory
//! of a node. So this is a closed list: widths, precisions and paddings stand in the format, and all numbers together
//! are bounded.

use super::take;
use crate::error::Bad;
use crate::term::tag;
use crate::term::walk::{self, Integer, Shape, Value};

/// Most that all widths and precisions of a format may add up to.
const MAX_WIDTH: u32 = 4096;
/// Letters that end a control sequence. `K` is not among the modifiers below: its order is a function.
const CONTROLS: &[u8] = b"~cfegswpWPBbXx+#ni";
const MODIFIERS: &[u8] = b"tlk";

#[derive(Clone, Copy, PartialEq, Eq)]
enum FieldPlace {
    Text,
    /// Behind the tilde.
    Start,
    Width,
    Precision,
    Padding,
    Modifiers,
}

struct Format {
    place: FieldPlace,
    /// Sum of all widths and precisions before the present one.
    sum: u32,
    number: u32,
}

/// True if a string or a binary is such a format.
pub(super) fn is_format(value: &mut Value<'_>, steps: &mut u64) -> Result<bool, Bad> {
    let mut format = Format { place: FieldPlace::Text, sum: 0, number: 0 };
    if value.is_term() && value.reader.peek()? == tag::BINARY {
        value.reader.u8()?;
        let length = value.reader.u32()? as usize;
        let bytes = value.reader.take(length)?;
        take(steps, bytes.len() as u64)?;
        return Ok(bytes.iter().all(|byte| format.take(u32::from(*byte))) && format.place == FieldPlace::Text);
    }
    loop {
        take(steps, 1)?;
        match value.open()? {
            Shape::Nil => return Ok(value.text()?.is_some() && format.place == FieldPlace::Text),
            Shape::Other => return Ok(false),
            Shape::Cons => {
                let taken = value.element(|value| {
                    let character = walk::integer(&mut value.reader)?;
                    Ok(match character {
                        Some(Integer::Small(code @ 0..=0x10_ffff)) => format.take(code as u32),
                        _ => false,
                    })
                })?;
                if !taken {
                    return Ok(false);
                }
            }
        }
    }
}

impl Format {
    /// Takes one character; false if no such format goes on so.
    fn take(&mut self, code: u32) -> bool {
        if self.place == FieldPlace::Text {
            if code == u32::from(b'~') {
                self.place = FieldPlace::Start;
            }
            return true;
        }
        // Control sequences are ASCII only, so bytes and characters are the same.
        let Ok(byte @ b' '..=b'~') = u8::try_from(code) else { return false };
        match (self.place, byte) {
            (FieldPlace::Start, b'-') => self.place = FieldPlace::Width,
            (FieldPlace::Start | FieldPlace::Width, b'0'..=b'9') => return self.digit(byte, FieldPlace::Width),
            (FieldPlace::Precision, b'0'..=b'9') => return self.digit(byte, FieldPlace::Precision),
            (FieldPlace::Start | FieldPlace::Width, b'.') => self.place = FieldPlace::Precision,
            (FieldPlace::Precision, b'.') => self.place = FieldPlace::Padding,
            (FieldPlace::Padding, b'*') => return false,
            (FieldPlace::Padding, _) => self.place = FieldPlace::Modifiers,
            _ if MODIFIERS.contains(&byte) => self.place = FieldPlace::Modifiers,
            _ if CONTROLS.contains(&byte) => self.place = FieldPlace::Text,
            _ => return false,
        }
        self.sum += self.number;
        self.number = 0;
        self.sum <= MAX_WIDTH
    }

    fn digit(&mut self, byte: u8, place: FieldPlace) -> bool {
        self.place = place;
        self.number = self.number * 10 + u32::from(byte - b'0');
        self.number <= MAX_WIDTH
    }
}
