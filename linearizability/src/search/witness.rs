//! The evidence for *legal*: which operation took effect when, as a tree that all configurations
//! share, and the linearization read out of it.

use super::schedule::{Event, Schedule};
use crate::model::Nature;

/// The trace of a configuration that has done nothing.
pub(crate) const ROOT: u32 = u32::MAX;

/// What happened at a step of a witness.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Deed {
    /// The operation took effect.
    Used,
    /// The operation fits here without effect. A later [`Deed::Used`] overrides it.
    Met,
}

/// One step of a witness.
#[derive(Clone, Copy, Debug)]
struct Step {
    parent: u32,
    operation: u32,
    event: u32,
    deed: Deed,
}

/// All steps of all witnesses.
#[derive(Debug, Default)]
pub(crate) struct Witnesses {
    steps: Vec<Step>,
}

impl Witnesses {
    /// Adds a step after `parent`, taken at the event of that number.
    pub(crate) fn push(&mut self, parent: u32, operation: u32, event: usize, deed: Deed) -> u32 {
        let place = u32::try_from(self.steps.len()).expect("the search stops at far fewer");
        let event = u32::try_from(event).expect("no more than two events an operation");
        self.steps.push(Step { parent, operation, event, deed });
        place
    }

    /// Bytes held.
    pub(crate) fn bytes(&self) -> usize {
        self.steps.capacity() * size_of::<Step>()
    }

    pub(crate) fn len(&self) -> usize {
        self.steps.len()
    }

    /// Forgets all steps that none of `tips` needs, and renumbers the tips.
    ///
    /// A parent stands before its child, so one walk from the end marks and one from the start
    /// moves.
    pub(crate) fn forget_unneeded<'a>(&mut self, tips: impl Iterator<Item = &'a mut u32>) {
        let mut tips: Vec<&mut u32> = tips.filter(|tip| **tip != ROOT).collect();
        let mut needed = vec![false; self.steps.len()];
        for tip in &tips {
            needed[**tip as usize] = true;
        }
        for place in (0..self.steps.len()).rev() {
            let parent = self.steps[place].parent;
            if needed[place] && parent != ROOT {
                needed[parent as usize] = true;
            }
        }
        let mut moved = vec![ROOT; self.steps.len()];
        let mut kept = 0_u32;
        for place in 0..self.steps.len() {
            if needed[place] {
                let mut step = self.steps[place];
                if step.parent != ROOT {
                    step.parent = moved[step.parent as usize];
                }
                moved[place] = kept;
                self.steps[kept as usize] = step;
                kept += 1;
            }
        }
        self.steps.truncate(kept as usize);
        for tip in &mut tips {
            **tip = moved[**tip as usize];
        }
    }

    /// The order of the operations in the witness that ends at `tip`: pairs of an operation and
    /// the event at which it took effect.
    ///
    /// An operation with neither deed was hidden: it is total, and a constant write took effect
    /// while it was pending. It goes just before the first such write.
    pub(crate) fn order(
        &self,
        tip: u32,
        schedule: &Schedule,
        nature: impl Fn(u32) -> Nature,
    ) -> Vec<(u32, u32)> {
        let mut path: Vec<Step> = Vec::new();
        let mut at = tip;
        while at != ROOT {
            let step = self.steps[at as usize];
            path.push(step);
            at = step.parent;
        }
        path.reverse();
        let mut deeds: Vec<Option<Deed>> = vec![None; schedule.actions.len()];
        for step in &path {
            deeds[step.operation as usize] = Some(step.deed);
        }
        path.retain(|step| deeds[step.operation as usize] == Some(step.deed));

        let mut order = Vec::with_capacity(schedule.actions.len());
        let mut hidden: Vec<u32> = Vec::new(); // pending operations without a deed
        let mut path = path.into_iter().peekable();
        for (number, event) in schedule.events.iter().enumerate() {
            if let Event::Call { operation } = event
                && deeds[*operation as usize].is_none()
            {
                hidden.push(*operation);
            }
            while let Some(step) = path.next_if(|step| step.event as usize == number) {
                let nature = nature(schedule.actions[step.operation as usize]);
                if step.deed == Deed::Used && nature == Nature::Constant {
                    order.extend(hidden.drain(..).map(|operation| (operation, step.event)));
                }
                order.push((step.operation, step.event));
            }
        }
        assert!(hidden.is_empty(), "a witness misses operations: {hidden:?}");
        order
    }
}
