//! The first bytes of a frame.

use crate::term::tag::VERSION;

/// The form of a frame, by its first two bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameTag {
    /// No header: terms follow, each with its version.
    PassThrough,
    /// A header, then a whole message.
    Header,
    /// A header, then the first fragment of a message.
    FirstFragment,
    /// A further fragment of a message.
    NextFragment,
}

impl FrameTag {
    /// All forms.
    pub const ALL: [FrameTag; 4] =
        [FrameTag::PassThrough, FrameTag::Header, FrameTag::FirstFragment, FrameTag::NextFragment];

    /// The two bytes of the form.
    #[must_use]
    #[inline]
    pub const fn bytes(self) -> [u8; 2] {
        match self {
            FrameTag::PassThrough => [112, VERSION],
            FrameTag::Header => [VERSION, 68],
            FrameTag::FirstFragment => [VERSION, 69],
            FrameTag::NextFragment => [VERSION, 70],
        }
    }

    /// The form of a frame; None if no node sends a frame that begins like this.
    #[must_use]
    #[inline]
    pub fn of(frame: &[u8]) -> Option<Self> {
        match frame.first_chunk()? {
            [112, VERSION] => Some(FrameTag::PassThrough),
            [VERSION, 68] => Some(FrameTag::Header),
            [VERSION, 69] => Some(FrameTag::FirstFragment),
            [VERSION, 70] => Some(FrameTag::NextFragment),
            _ => None,
        }
    }
}

/// Offset of the header in a frame: behind its tag.
pub const HEADER_AT: usize = 2;

/// Offset of the header of a first fragment, or of the rest of a next one: behind sequence and fragment number.
pub const FRAGMENT_AT: usize = 18;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bytes_of_a_form_are_read_as_that_form() {
        for form in FrameTag::ALL {
            assert_eq!(FrameTag::of(&form.bytes()), Some(form));
        }
    }
}
