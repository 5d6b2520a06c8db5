//! Atoms as text: the one spelling of names in events, explanations and rules.

use std::fmt::Write;

/// The reserved words of Erlang in OTP 25 to 29, `maybe` and `else` included: quoted, they are right in all of them.
pub const RESERVED_WORDS: [&str; 29] = [
    "after", "and", "andalso", "band", "begin", "bnot", "bor", "bsl", "bsr", "bxor", "case", "catch", "cond", "div",
    "else", "end", "fun", "if", "let", "maybe", "not", "of", "or", "orelse", "receive", "rem", "try", "when", "xor",
];

/// Prints an atom, quoted where Erlang quotes it, so that a rule can name it. Control characters for terminals are
/// escaped.
pub fn atom(out: &mut String, text: &[u8]) {
    let text = String::from_utf8_lossy(text);
    let plain = text.starts_with(|c: char| c.is_ascii_lowercase())
        && text.chars().all(|c| c.is_ascii_alphanumeric() || c == '_' || c == '@')
        && !RESERVED_WORDS.contains(&&*text);
    if plain {
        out.push_str(&text);
        return;
    }
    out.push('\'');
    text.chars().for_each(|c| character(out, c));
    out.push('\'');
}

fn character(out: &mut String, c: char) {
    match c {
        '\'' | '\\' => out.extend(['\\', c]),
        '\u{8}' => out.push_str("\\b"),
        '\t' => out.push_str("\\t"),
        '\n' => out.push_str("\\n"),
        '\u{b}' => out.push_str("\\v"),
        '\u{c}' => out.push_str("\\f"),
        '\r' => out.push_str("\\r"),
        c if is_shown(c) => out.push(c),
        c => {
            let _ = write!(out, "\\x{{{:X}}}", u32::from(c));
        }
    }
}

/// True if a character is safe to print: not a control or format character (which could turn the direction of text), not a
/// special space, not for private use.
fn is_shown(c: char) -> bool {
    let invisible = matches!(
        c,
        '\u{ad}'
            | '\u{600}'..='\u{605}'
            | '\u{61c}'
            | '\u{6dd}'
            | '\u{70f}'
            | '\u{890}'..='\u{891}'
            | '\u{8e2}'
            | '\u{180e}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}'
            | '\u{e000}'..='\u{f8ff}'
            | '\u{feff}'
            | '\u{fff0}'..='\u{fffb}'
            | '\u{110bd}'
            | '\u{110cd}'
            | '\u{13430}'..='\u{1343f}'
            | '\u{1bca0}'..='\u{1bca3}'
            | '\u{1d173}'..='\u{1d17a}'
            | '\u{e0000}'..='\u{10ffff}'
    );
    c == ' ' || !(c.is_control() || c.is_whitespace() || invisible)
}

/// An atom, printed.
#[must_use]
pub fn printed(text: &[u8]) -> String {
    let mut out = String::new();
    atom(&mut out, text);
    out
}

#[cfg(test)]
mod tests {
    use super::printed;

    #[test]
    fn atoms_are_quoted_as_erlang_does() {
        let cases = [
            ("gate", "gate"),
            ("a_B@1", "a_B@1"),
            ("end", "'end'"),
            ("xor", "'xor'"),
            ("", "''"),
            ("Elixir.A", "'Elixir.A'"),
            ("ключ – 😀", "'ключ – 😀'"),
            ("a'b\\c", "'a\\'b\\\\c'"),
            ("\u{8}\t\n\u{b}\u{c}\r", "'\\b\\t\\n\\v\\f\\r'"),
            ("\u{1b}[1m\u{202e}\u{7f}", "'\\x{1B}[1m\\x{202E}\\x{7F}'"),
        ];
        for (text, expected) in cases {
            assert_eq!(printed(text.as_bytes()), expected);
        }
    }
}
