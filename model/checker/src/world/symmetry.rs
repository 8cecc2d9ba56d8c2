//! A world under other names: states that differ only in the names of replicas are one.
//!
//! Nodes are numbered with their names in them, and so each has an image under each permutation.
//! Bundles say nothing of names but which of two ends is the lower; renaming moves them to another
//! link, and flips them if the ends change places.
//!
//! The representative of an orbit is the one whose nodes are sorted by their *class*, the first
//! number among a node's images, which is the same for all of them. Only nodes of one class leave a
//! choice: then the state whose numbers come first is taken. So it is exact.

use super::explore::{Desk, Unnumbered};
use super::{
    Action, EMPTY, LINKS_MAX, Links, NOBODY, NODES_MAX, Numbers, State, World, link, replicas,
};
use crate::node::Stimulus;
use crate::permutation::Permutations;
use crate::protocol::Protocol;
use ringleader_core::ids::ReplicaId;
use std::collections::BTreeSet;

/// What a node's state becomes under other names.
#[derive(Debug)]
pub(super) struct NodeImages {
    /// The first number among the images: the same for all of them.
    pub(super) class: u32,
    /// The numbers of its images under each permutation.
    pub(super) images: Box<[u32]>,
}

/// The representative of a state, without the state.
pub(super) struct Choice {
    pub(super) permutation: usize,
    pub(super) nodes: Numbers,
    pub(super) links: Links,
}

impl<P: Protocol> World<P> {
    /// A node's images under each permutation of the names.
    fn node_images<'w>(
        &'w self,
        desk: &mut Desk<'w, P>,
        node: u32,
    ) -> Result<&'w NodeImages, Unnumbered> {
        if let Some(Some(known)) = desk.images.get(node as usize) {
            return Ok(known);
        }
        let images = self.shared_images(desk, node)?;
        if !desk.is_bare() {
            let length = desk.images.len().max(node as usize + 1);
            desk.images.resize(length, None);
            desk.images[node as usize] = Some(images);
        }
        Ok(images)
    }

    #[cold]
    fn shared_images(&self, desk: &Desk<'_, P>, node: u32) -> Result<&NodeImages, Unnumbered> {
        if let Some(known) = self.known.node_images.get(node as usize) {
            return Ok(known);
        }
        desk.may_number()?;
        let original = self.nodes.get(node);
        let image = |names: &[u8]| {
            let name = |id: ReplicaId| ReplicaId(names[usize::from(id.0)]);
            self.nodes.number(self.protocol.rename(original, &name))
        };
        // The identity is the first: it takes no renaming, and exists without symmetry too.
        let renamed = self.permutations.iter().skip(1).map(image);
        let images: Box<[u32]> = std::iter::once(node).chain(renamed).collect();
        let class = *images.iter().min().expect("there is the identity");
        Ok(self.known.node_images.get_or_fill(node as usize, || NodeImages { class, images }))
    }

    /// The state under other names. Verdicts do not depend on names.
    pub(crate) fn renamed(&self, state: &State, permutation: usize) -> State {
        self.numbering(|desk| {
            let nodes = self.renamed_nodes(desk, &state.nodes, permutation)?;
            let links = self.renamed_links(desk, &state.links, permutation)?;
            Ok(State { nodes, links, ..state.clone() })
        })
    }

    fn renamed_links(
        &self,
        desk: &mut Desk<'_, P>,
        links: &Links,
        permutation: usize,
    ) -> Result<Links, Unnumbered> {
        if permutation == 0 {
            return Ok(*links);
        }
        let mut renamed = [EMPTY; LINKS_MAX];
        let names = self.permutations.get(permutation);
        let mut bundles = links.iter();
        for (place, &high) in names.iter().enumerate() {
            for (&low, &bundle) in names[..place].iter().zip(&mut bundles) {
                let exchanged = low > high && bundle != EMPTY;
                let bundle = if exchanged { self.flipped(desk, bundle)? } else { bundle };
                renamed[link(low, high)] = bundle;
            }
        }
        Ok(renamed)
    }

    fn renamed_nodes<'w>(
        &'w self,
        desk: &mut Desk<'w, P>,
        nodes: &Numbers,
        permutation: usize,
    ) -> Result<Numbers, Unnumbered> {
        if permutation == 0 {
            return Ok(*nodes);
        }
        let mut renamed = [NOBODY; NODES_MAX];
        let names = self.permutations.get(permutation);
        for (&name, &node) in names.iter().zip(nodes) {
            renamed[usize::from(name)] = self.node_images(desk, node)?.images[permutation];
        }
        Ok(renamed)
    }

    /// The representative of a state among those that differ only in names, and the permutation
    /// that leads there. Without symmetry every state represents itself.
    pub(crate) fn representative(&self, state: &State) -> (State, usize) {
        let permutation = self.numbering(|desk| Ok(self.choice(desk, state)?.permutation));
        (self.renamed(state, permutation), permutation)
    }

    /// How many different states this one stands for.
    pub fn orbit_size(&self, state: &State) -> usize {
        let images = (0..self.permutations.len()).map(|it| {
            let renamed = self.renamed(state, it);
            (renamed.nodes, renamed.links)
        });
        images.collect::<BTreeSet<_>>().len()
    }

    /// The permutations of the replicas' names.
    pub(crate) fn permutations(&self) -> &Permutations {
        &self.permutations
    }

    /// The action of the state `renamed` that asks what `action` asks in `state`. Requests may
    /// mention replicas, and so stand in another order under other names.
    pub(crate) fn renamed_ask(
        &self,
        (state, renamed): (&State, &State),
        action: &Action,
        permutation: usize,
    ) -> Option<Action> {
        let (id, Stimulus::Request { id: name, request }) = self.stimulus(state, action)? else {
            return None;
        };
        let names = self.permutations.get(permutation);
        let new_name = |id: ReplicaId| ReplicaId(names[usize::from(id.0)]);
        let wanted = (name, self.protocol.rename_request(&request, &new_name));
        let id = new_name(id).0;
        let node = self.nodes.get(renamed.nodes[usize::from(id)]);
        let requests = self.protocol.requests(self.ghosts.get(renamed.ghost), node);
        let nth = requests.iter().position(|request| *request == wanted)?;
        Some(Action::Ask(id, u8::try_from(nth).ok()?))
    }

    /// The same action under other names.
    pub(crate) fn renamed_action(&self, action: &Action, permutation: usize) -> Action {
        let name = |id: u8| self.permutations.get(permutation)[usize::from(id)];
        match *action {
            Action::Deliver { from, to, message } => {
                Action::Deliver { from: name(from), to: name(to), message }
            }
            Action::Hear { from, to } => Action::Hear { from: name(from), to: name(to) },
            Action::Persist(id) => Action::Persist(name(id)),
            Action::Crash(id) => Action::Crash(name(id)),
            Action::Fire(id, nth) => Action::Fire(name(id), nth),
            Action::Ask(id, nth) => Action::Ask(name(id), nth),
            Action::Chore(id, nth) => Action::Chore(name(id), nth),
            Action::LoseAll => Action::LoseAll,
            Action::Pass(way) => Action::Pass(renamed_mask(way, name)),
            Action::Pause(id) => Action::Pause(name(id)),
            Action::Cut(id, from) => Action::Cut(name(id), renamed_mask(from, name)),
        }
    }

    /// Which permutation leads to the representative: one that sorts the nodes by a key without
    /// names; of several, the one whose nodes come first, and then whose links do.
    pub(super) fn choice<'w>(
        &'w self,
        desk: &mut Desk<'w, P>,
        state: &State,
    ) -> Result<Choice, Unnumbered> {
        let mut classes = [0; NODES_MAX];
        if self.permutations.len() > 1 {
            for (class, node) in classes.iter_mut().zip(self.numbers(&state.nodes)) {
                *class = self.node_images(desk, node)?.class;
            }
        }
        let mut renamed = |permutation: usize| {
            let nodes = self.renamed_nodes(desk, &state.nodes, permutation)?;
            let links = self.renamed_links(desk, &state.links, permutation)?;
            Ok(Choice { permutation, nodes, links })
        };
        let mut candidates = self.permutations.sorting(&classes);
        let mut first = renamed(candidates.next().expect("some permutation sorts"))?;
        for permutation in candidates {
            let other = renamed(permutation)?;
            if (other.nodes, other.links) < (first.nodes, first.links) {
                first = other;
            }
        }
        Ok(first)
    }
}

fn renamed_mask(mask: u8, name: impl Fn(u8) -> u8) -> u8 {
    replicas(mask).iter().map(|id| 1 << name(id.0)).sum()
}
