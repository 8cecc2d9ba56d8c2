//! Linearizations from blocks.

use std::collections::BTreeMap;

use crate::model::Model;

use super::{Decided, Finding, KeyState, NONE};

/// Operations in their order: the moment of each, and its position.
pub(crate) type Placed = Vec<(u64, u32)>;

impl<M: Model> Decided<'_, M> {
    /// Linearizes all legal keys, and those eased ones where that fits. Keys where it does not
    /// become unsuitable.
    ///
    /// Within a key the operations stand in their order; their moments lie in their intervals and
    /// never decrease.
    pub(crate) fn linearize(&mut self) -> Placed {
        let history = self.zones.history;
        let mut reads = std::mem::take(&mut self.zones.reads);
        reads.sort_unstable_by_key(|(cluster, at)| (*cluster, history[*at as usize].invoked, *at));
        let mut emission = Emission {
            decided: self,
            reads: &reads,
            now: vec![0; self.zones.states.len()],
            placed: Vec::with_capacity(history.len()),
            eased: BTreeMap::new(),
        };
        let first_writes = reads.partition_point(|(cluster, _)| *cluster != NONE);
        for (_, at) in &reads[first_writes..] {
            let key = self.zones.keys[&self.zones.model.key(&history[*at as usize].action)];
            emission.place(key, *at);
        }
        for (state, key) in self.zones.states.iter().zip(0..) {
            emission.follow(key, state.next);
        }
        for block in &self.blocks.sorted {
            let number = block.cluster();
            let key = self.zones.clusters[number as usize].key;
            let now = &mut emission.now[key as usize];
            *now = block.place.max(*now);
            emission.follow(key, number);
        }
        let Emission { mut placed, eased, .. } = emission;
        self.fit_eased(eased, &mut placed);
        placed
    }

    /// Puts what was left out into the order of the rest, where it can.
    fn fit_eased(&mut self, mut eased: BTreeMap<u32, Placed>, placed: &mut Placed) {
        let mut left_out: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for (key, at) in &self.zones.left_out {
            left_out.entry(*key).or_default().push(*at);
        }
        for key in (0..).take(self.zones.states.len()) {
            if self.zones.states[key as usize].finding == Finding::Eased {
                let rest = eased.remove(&key).unwrap_or_default();
                let left_out = left_out.remove(&key).unwrap_or_default();
                match self.fit(&rest, left_out) {
                    Some(whole) => placed.extend(whole),
                    None => self.zones.states[key as usize].finding = Finding::Unsuitable,
                }
            }
        }
    }

    /// Puts operations that change nothing into an order, each as early as it can be; and checks
    /// every condition on the way.
    fn fit(&self, rest: &[(u64, u32)], mut left_out: Vec<u32>) -> Option<Placed> {
        let (history, model) = (self.zones.history, self.zones.model);
        left_out.sort_unstable_by_key(|at| history[*at as usize].invoked);
        let mut left_out = left_out.into_iter().peekable();
        let mut waiting: Vec<u32> = Vec::new();
        let mut whole = Vec::with_capacity(rest.len());
        let mut state = model.initial();
        let mut since = 0;
        let end = (u64::MAX, NONE);
        for (moment, at) in rest.iter().copied().chain([end]) {
            // From `since` to `moment` the object is in `state`.
            while let Some(next) =
                left_out.next_if(|next| history[*next as usize].invoked <= moment)
            {
                waiting.push(next);
            }
            let mut fits = true;
            waiting.retain(|one| {
                let operation = &history[*one as usize];
                let point = operation.invoked.max(since);
                if model.step(&state, &operation.action).as_ref() == Some(&state) {
                    whole.push((point, *one));
                    return false;
                }
                fits &= operation.returned.is_none_or(|returned| returned >= moment);
                true
            });
            if !fits {
                return None;
            }
            if at != NONE {
                whole.push((moment, at));
                state = model.step(&state, &history[at as usize].action)?;
                since = moment;
            }
        }
        if !waiting.is_empty() {
            return None;
        }
        // Within a gap they were put in no order.
        whole.sort_by_key(|(point, _)| *point);
        Some(whole)
    }
}

/// Operations put in order so far.
struct Emission<'a, 'b, M: Model> {
    decided: &'a Decided<'b, M>,
    /// By cluster, and by invocation within a cluster.
    reads: &'a [(u32, u32)],
    /// For each key, the moment of its last operation.
    now: Vec<u64>,
    placed: Placed,
    eased: BTreeMap<u32, Placed>,
}

impl<M: Model> Emission<'_, '_, M> {
    fn place(&mut self, key: u32, at: u32) {
        let operation = &self.decided.zones.history[at as usize];
        let now = &mut self.now[key as usize];
        *now = operation.invoked.max(*now);
        let one = (*now, at);
        match self.decided.zones.states[key as usize] {
            KeyState { finding: Finding::Legal, .. } => self.placed.push(one),
            KeyState { finding: Finding::Eased, .. } => {
                self.eased.entry(key).or_default().push(one);
            }
            KeyState { finding: Finding::Illegal | Finding::Unsuitable, .. } => return,
        }
        debug_assert!(
            operation.returned.is_none_or(|returned| returned >= one.0),
            "operation {at} is placed after its return"
        );
    }

    /// Places a cluster and the compare-and-sets that follow it, with their reads.
    fn follow(&mut self, key: u32, mut cluster: u32) {
        while cluster != NONE {
            let found = &self.decided.zones.clusters[cluster as usize];
            self.place(key, found.write);
            let from = self.reads.partition_point(|(other, _)| *other < cluster);
            for (_, at) in self.reads[from..].iter().take_while(|(other, _)| *other == cluster) {
                self.place(key, *at);
            }
            cluster = found.next;
        }
    }
}
