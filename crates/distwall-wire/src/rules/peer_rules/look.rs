//! The two ways to look through rules: for the judge, and for `explain`. Both see the same rules in the same order.

use super::{Index, Key, RankedRule};

/// A way to look through the rules about one key: for the one deciding rule, or for all rules.
///
/// `fits` is true if a rule's scope and pattern fit; `star` is true if rules for `*` count.
pub trait Look<'p> {
    /// The result.
    type Rules;

    /// Looks through an index.
    fn look(
        self,
        index: &'p Index,
        key: Option<Key<'_>>,
        star: bool,
        fits: impl FnMut(&RankedRule) -> bool,
    ) -> Self::Rules;
}

/// The rule that decides: the strongest that fits.
#[derive(Clone, Copy)]
pub struct Strongest;

impl<'p> Look<'p> for Strongest {
    type Rules = Option<&'p RankedRule>;

    #[inline]
    fn look(
        self,
        index: &'p Index,
        key: Option<Key<'_>>,
        star: bool,
        fits: impl FnMut(&RankedRule) -> bool,
    ) -> Option<&'p RankedRule> {
        index.decide_from(0, key, star, fits)
    }
}

/// All rules about the key, the strongest first, each with whether it fits.
#[derive(Clone, Copy)]
pub struct Each;

impl<'p> Look<'p> for Each {
    type Rules = Vec<(&'p RankedRule, bool)>;

    fn look(
        self,
        index: &'p Index,
        key: Option<Key<'_>>,
        star: bool,
        mut fits: impl FnMut(&RankedRule) -> bool,
    ) -> Vec<(&'p RankedRule, bool)> {
        let (mut found, mut passed) = (Vec::new(), 0);
        while let Some(rule) = index.decide_from(passed, key, star, |_| true) {
            found.push((rule, fits(rule)));
            passed = rule.rank + 1;
        }
        found
    }
}
