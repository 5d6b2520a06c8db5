//! The findings of a scan.

use super::{Guarded, Watch};
use crate::limits::budget::{Budget, Claim};
use crate::limits::{Limit, Limits};
use crate::term::atoms::{AtomView, Word};
use crate::term::reader::{Pid, Reference};

/// Most processes and references of the guarded node in one message of a peer: to note more would take too long.
const MENTIONS: u64 = 1 << 16;

/// The counts of a scan that go on while a message is judged.
#[derive(Clone, Copy)]
pub struct Counts {
    inline: u32,
    over: Option<Limit>,
}

/// Findings of a scan.
#[derive(Default)]
pub struct ScanFindings {
    /// True if there is a pid, port or reference of a node that the policy doesn't allow.
    pub third_node: bool,
    /// True if the shadow policy doesn't allow a node.
    pub shadow_third_node: bool,
    /// Funs and exports.
    pub funs: u32,
    /// Atoms that were written out.
    pub(super) inline: u32,
    /// A limit that was exceeded.
    pub over: Option<Limit>,
    /// Atoms and funs that are new to the guarded node.
    pub claim: Claim,
    /// Processes of the sender; only the first ones, if there are more than tracking keeps.
    pub pids: Vec<Pid>,
    /// References of the sender, in the same way.
    pub references: Vec<Reference>,
    /// The guarded node's processes and references in a peer's command.
    pub mentions: Mentions,
}

/// Processes and references of the guarded node that a peer has written; only the first ones, if there are more than it
/// may claim.
#[derive(Default)]
pub struct Mentions {
    /// Processes.
    pub pids: Vec<Pid>,
    /// References.
    pub references: Vec<Reference>,
    /// True if some were left out.
    pub cut: bool,
}

impl Mentions {
    /// True if it has written neither.
    #[must_use]
    #[inline]
    pub fn is_empty(&self) -> bool {
        self.pids.is_empty() && self.references.is_empty()
    }

    /// True if it has written either, though it may have been left out.
    #[inline]
    fn is_notable(&self) -> bool {
        self.cut || !self.is_empty()
    }

    /// Removes them all.
    #[inline]
    pub fn clear(&mut self) {
        if !self.is_empty() {
            self.pids.clear();
            self.references.clear();
        }
        self.cut = false;
    }

    fn has_room(&mut self, watch: &Watch<'_>) -> bool {
        let room = ((self.pids.len() + self.references.len()) as u64) < watch.limits.claims().min(MENTIONS);
        self.cut |= !room;
        room
    }
}

impl ScanFindings {
    /// Number of processes and references.
    #[must_use]
    pub fn listed(&self) -> usize {
        self.pids.len() + self.references.len() + self.mentions.pids.len() + self.mentions.references.len()
    }

    /// The counts so far. The judge adds the atoms of the control message to them.
    #[must_use]
    pub fn counts(&self) -> Counts {
        Counts { inline: self.inline, over: self.over }
    }

    /// Goes back to earlier counts, so that the message can be judged once more.
    pub fn reset(&mut self, counts: Counts) {
        (self.inline, self.over) = (counts.inline, counts.over);
    }

    /// Compares the atoms, funs and nodes with what was spent since they were found.
    pub fn renew(&mut self, budget: &Budget, limits: &Limits) {
        if self.over.is_none() {
            self.over = self.claim.renew(budget, limits).err();
        }
    }

    /// Bytes of memory for processes, references, atoms, funs and nodes.
    #[must_use]
    pub fn kept(&self) -> usize {
        let pids = self.pids.capacity() + self.mentions.pids.capacity();
        let references = self.references.capacity() + self.mentions.references.capacity();
        pids * size_of::<Pid>() + references * size_of::<Reference>() + self.claim.kept()
    }

    /// Removes all findings.
    #[inline(always)]
    pub fn clear(&mut self) {
        self.third_node = false;
        self.shadow_third_node = false;
        self.funs = 0;
        self.inline = 0;
        self.over = None;
        self.claim.clear();
        self.pids.clear();
        self.references.clear();
        self.mentions.clear();
    }

    /// Notes a process of the guarded node that the peer has written. A VM takes a creation of 0 for its own.
    #[inline]
    pub fn mention(&mut self, node: Word, pid: Pid, watch: &Watch<'_>) {
        let Some(Guarded { creations: [_, guard], .. }) = watch.guarded else { return };
        if node == Word::Guard && (pid.creation == 0 || pid.creation == guard) && self.mentions.has_room(watch) {
            self.mentions.pids.push(Pid { creation: guard, ..pid });
        }
    }

    /// True if anything but processes and references of the sender was found.
    #[inline(always)]
    #[must_use]
    pub fn is_notable(&self) -> bool {
        let other = self.third_node | self.shadow_third_node | (self.funs > 0) | self.over.is_some();
        other | self.mentions.is_notable()
    }

    /// Notes an atom's text.
    pub fn atom(&mut self, text: &[u8], watch: &Watch<'_>) {
        if let (Some(Guarded { allowance, .. }), None) = (watch.guarded, self.over) {
            self.over = self.claim.atom(allowance.budget(), text, watch.limits).err();
        }
    }

    pub(super) fn fun(&mut self, parts: &[&[u8]], watch: &Watch<'_>) {
        self.funs = self.funs.saturating_add(1);
        if let (Some(Guarded { allowance, .. }), None) = (watch.guarded, self.over) {
            self.over = self.claim.fun(allowance.budget(), parts, watch.limits).err();
        }
    }

    /// Notes a pid. The first pids of the sender are kept.
    #[inline]
    pub(super) fn process(&mut self, node: AtomView<'_>, pid: Pid, watch: &Watch<'_>) {
        self.node(node, pid.creation, watch);
        self.disclosed_process(node.word, pid, watch);
    }

    #[inline(always)]
    pub(super) fn disclosed_process(&mut self, node: Word, pid: Pid, watch: &Watch<'_>) {
        if watch.discloses && node == watch.sender() && (self.pids.len() as u64) < watch.limits.tracked() {
            self.pids.push(pid);
        }
        self.mention(node, pid, watch);
    }

    /// Notes a reference. The first references of the sender are kept.
    #[inline]
    pub(super) fn reference(&mut self, node: AtomView<'_>, reference: Reference, watch: &Watch<'_>) {
        self.node(node, reference.creation, watch);
        self.disclosed_reference(node.word, reference, watch);
    }

    #[inline(always)]
    pub(super) fn disclosed_reference(&mut self, node: Word, reference: Reference, watch: &Watch<'_>) {
        if watch.discloses && node == watch.sender() && (self.references.len() as u64) < watch.limits.tracked() {
            self.references.push(reference);
        }
        let Some(Guarded { creations: [_, guard], .. }) = watch.guarded else { return };
        let own = node == Word::Guard && (reference.creation == 0 || reference.creation == guard);
        if own && self.mentions.has_room(watch) {
            self.mentions.references.push(Reference { creation: guard, ..reference });
        }
    }

    #[inline]
    pub(super) fn node(&mut self, node: AtomView<'_>, creation: u32, watch: &Watch<'_>) {
        if let Some(Guarded { allowance, .. }) = watch.guarded {
            if node.word != Word::Peer && node.word != Word::Guard {
                self.third_node |= !allowance.allows_node(node.text);
                self.shadow_third_node |= !allowance.shadow_allows_node(node.text);
            }
        }
        self.incarnation(node, creation, watch);
        self.inline(node, watch);
    }

    /// Notes a node and its incarnation, unless it is one of the two ends as they are now.
    #[inline]
    pub fn incarnation(&mut self, node: AtomView<'_>, creation: u32, watch: &Watch<'_>) {
        if let Some(guarded) = watch.guarded {
            if !guarded.is_end(node.word, creation) && self.over.is_none() {
                self.over = self.claim.node(guarded.allowance.budget(), (node.text, creation), watch.limits).err();
            }
        }
    }

    /// Notes an atom if it is written out (atoms in the header are noted with the header).
    pub fn inline(&mut self, atom: AtomView<'_>, watch: &Watch<'_>) {
        if atom.inline {
            self.written(atom.text, watch);
        }
    }

    /// Notes an atom that is written out.
    pub(super) fn written(&mut self, text: &[u8], watch: &Watch<'_>) {
        self.inline = self.inline.saturating_add(1);
        if u64::from(self.inline) > watch.limits.inline_atoms() && watch.guarded.is_some() {
            self.over.get_or_insert(Limit::InlineAtoms);
        }
        self.atom(text, watch);
    }
}
