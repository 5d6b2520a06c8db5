//! Keys of rules, as they are given from outside.

use crate::rules::peer_rules::{Part, PROCESS};

/// Makes a key of its parts, each a kind and a text; or tells the first kind that is unknown. A `pid` or a `ref` is as it is
/// printed.
pub fn read(parts: Vec<(String, String)>) -> Result<Vec<Part>, String> {
    let names_process = parts.iter().any(|(kind, _)| matches!(kind.as_str(), "pid" | "ref"));
    let front = names_process.then(|| Part::Exact(PROCESS[0].into()));
    front.into_iter().map(Ok).chain(parts.into_iter().map(part)).collect()
}

fn part((kind, text): (String, String)) -> Result<Part, String> {
    match kind.as_str() {
        "exact" | "pid" | "ref" => Ok(Part::Exact(text.into_bytes().into())),
        "prefix" => Ok(Part::Prefix(text.into_bytes().into())),
        "any" => Ok(Part::Any),
        _ => Err(kind),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_told_from_a_name() {
        let key = |kind: &str| read(vec![(kind.into(), "<0.1.0>".into())]);
        let printed = Part::Exact(b"<0.1.0>".as_slice().into());
        assert_eq!(key("exact"), Ok(vec![printed.clone()]));
        assert_eq!(key("pid"), Ok(vec![Part::Exact(PROCESS[0].into()), printed]));
        assert_eq!(key("port"), Err("port".into()));
    }
}
