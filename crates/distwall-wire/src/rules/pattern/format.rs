//! Formats of `io:format/2` that print no more than they and their arguments hold.
//!
//! A width can be any number (`~1000000000c`), or be taken from the arguments (`~*c`): a few bytes would fill the memory
//! of a node. So this is a closed list: widths, precisions and paddings stand in the format, and all numbers together
//! are bounded.

use crate::error::Bad;
use crate::term::tag;
use crate::term::walk::{self, Integer, Shape, Value};

/// Most that all widths and precisions of a format may add up to.
const MAX_WIDTH: u32 = 4096;
/// Letters that end a control sequence. `K` is not among the modifiers below: its order is a function.
const CONTROLS: &[u8] = b"~cfegswpWPBbXx+#ni";
const MODIFIERS: &[u8] = b"tlk";

#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    Text,
    /// Behind the tilde.
    Start,
    Width,
    Precision,
    Padding,
    Modifiers,
}

struct Format {
    place: Place,
    /// Sum of all widths and precisions before the present one.
    sum: u32,
    number: u32,
}

/// True if a string or a binary is such a format.
pub(super) fn is_format(value: &mut Value<'_>) -> Result<bool, Bad> {
    let mut format = Format { place: Place::Text, sum: 0, number: 0 };
    if value.is_term() && value.reader.peek()? == tag::BINARY {
        value.reader.u8()?;
        let length = value.reader.u32()? as usize;
        let bytes = value.reader.take(length)?;
        return Ok(bytes.iter().all(|byte| format.take(u32::from(*byte))) && format.place == Place::Text);
    }
    loop {
        match value.open()? {
            Shape::Nil => return Ok(value.text()?.is_some() && format.place == Place::Text),
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
        if self.place == Place::Text {
            if code == u32::from(b'~') {
                self.place = Place::Start;
            }
            return true;
        }
        // Control sequences are ASCII only, so bytes and characters are the same.
        let Ok(byte @ b' '..=b'~') = u8::try_from(code) else { return false };
        match (self.place, byte) {
            (Place::Start, b'-') => self.place = Place::Width,
            (Place::Start | Place::Width, b'0'..=b'9') => return self.digit(byte, Place::Width),
            (Place::Precision, b'0'..=b'9') => return self.digit(byte, Place::Precision),
            (Place::Start | Place::Width, b'.') => self.place = Place::Precision,
            (Place::Precision, b'.') => self.place = Place::Padding,
            (Place::Padding, b'*') => return false,
            (Place::Padding, _) => self.place = Place::Modifiers,
            _ if MODIFIERS.contains(&byte) => self.place = Place::Modifiers,
            _ if CONTROLS.contains(&byte) => self.place = Place::Text,
            _ => return false,
        }
        self.sum += self.number;
        self.number = 0;
        self.sum <= MAX_WIDTH
    }

    fn digit(&mut self, byte: u8, place: Place) -> bool {
        self.place = place;
        self.number = self.number * 10 + u32::from(byte - b'0');
        self.number <= MAX_WIDTH
    }
}
