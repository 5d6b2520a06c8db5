//! Many patterns for node names at once.
//!
//! # Theory of operation
//!
//! A message may name a node every twenty bytes, and an entry may allow a thousand of them. So a name is not compared with one
//! glob after the other. Names without `*` are looked up. Globs are grouped by the lengths of the texts before their first
//! `*` and behind their last one. In each group, one look-up of these ends of the name finds the globs that have them. Only
//! globs with the same ends, which differ in the middle, are tried one by one.

use rustc_hash::{FxHashMap, FxHashSet};

/// The globs with the same beginning, by their ends.
type ByEnd = FxHashMap<Box<[u8]>, Vec<Glob>>;

/// Patterns for node names, in which `*` matches any characters.
#[derive(Default)]
pub struct Globs {
    names: FxHashSet<Box<[u8]>>,
    groups: Vec<Group>,
}

/// The globs whose ends have these lengths.
struct Group {
    first: usize,
    last: usize,
    /// By the beginning, and then by the end.
    globs: FxHashMap<Box<[u8]>, ByEnd>,
}

impl Globs {
    /// Parses globs; all characters except `*` are literal.
    #[must_use]
    pub fn new(texts: &[String]) -> Self {
        let mut globs = Globs::default();
        for text in texts {
            match (text.split_once('*'), text.rsplit_once('*')) {
                (Some((first, _)), Some((_, last))) => globs.add(first.as_bytes(), last.as_bytes(), Glob::new(text)),
                _ => {
                    globs.names.insert(text.as_bytes().into());
                }
            }
        }
        globs
    }

    fn add(&mut self, first: &[u8], last: &[u8], glob: Glob) {
        let same = |group: &Group| (group.first, group.last) == (first.len(), last.len());
        let place = self.groups.iter().position(same).unwrap_or_else(|| {
            self.groups.push(Group { first: first.len(), last: last.len(), globs: FxHashMap::default() });
            self.groups.len() - 1
        });
        self.groups[place].globs.entry(first.into()).or_default().entry(last.into()).or_default().push(glob);
    }

    /// True if one of them matches the whole name.
    #[must_use]
    pub fn match_name(&self, name: &[u8]) -> bool {
        self.names.contains(name) || self.groups.iter().any(|group| group.has(name))
    }
}

impl Group {
    fn has(&self, name: &[u8]) -> bool {
        let (Some(first), Some(last)) = (name.get(..self.first), name.len().checked_sub(self.last)) else {
            return false;
        };
        let globs = self.globs.get(first).and_then(|globs| globs.get(&name[last..]));
        globs.is_some_and(|globs| globs.iter().any(|glob| glob.matches(name)))
    }
}

/// A pattern with at least one `*`: the texts between.
struct Glob(Vec<Box<[u8]>>);

impl Glob {
    fn new(text: &str) -> Self {
        Glob(text.split('*').map(|part| part.as_bytes().into()).collect())
    }

    fn matches(&self, name: &[u8]) -> bool {
        let (Some(first), Some(last)) = (self.0.first(), self.0.last()) else {
            return false;
        };
        let Some(mut rest) = name.strip_prefix(&**first) else {
            return false;
        };
        for part in &self.0[1..self.0.len() - 1] {
            // The leftmost place leaves the most for what follows.
            let Some(at) = find(rest, part) else {
                return false;
            };
            rest = &rest[at + part.len()..];
        }
        rest.ends_with(last)
    }
}

fn find(text: &[u8], part: &[u8]) -> Option<usize> {
    if part.is_empty() {
        return Some(0);
    }
    text.windows(part.len()).position(|window| window == part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn globs_match_whole_names() {
        for (glob, text, expected) in [
            ("foo@*", "foo@host", true),
            ("foo@*", "xfoo@host", false),
            ("*", "anything", true),
            ("*", "", true),
            ("a*b*c", "a-b-b-c", true),
            ("a*b*c", "a-c", false),
            ("ab*ba", "aba", false),
            ("foo", "foo", true),
            ("foo", "foobar", false),
            ("*@host", "foo@host", true),
            ("*@host", "host", false),
        ] {
            assert_eq!(Globs::new(&[glob.to_owned()]).match_name(text.as_bytes()), expected, "{glob} {text}");
        }
    }

    #[test]
    fn each_of_many_globs_is_found() {
        let texts = ["foo@host", "a*@host", "a*@home", "b*@host", "b*x*@host", "long-*", "*-long"].map(str::to_owned);
        let globs = Globs::new(&texts);
        for name in ["foo@host", "a1@host", "a2@home", "b@host", "bx@host", "long-1", "1-long"] {
            assert!(globs.match_name(name.as_bytes()), "{name}");
        }
        for name in ["foo@home", "b1@home", "c@host", "long", "a", ""] {
            assert!(!globs.match_name(name.as_bytes()), "{name}");
        }
        assert!(!Globs::new(&[]).match_name(b"foo@host"));
    }
}
