//! Counterexamples as traces: from a path of the explorer to words, and back.

use crate::node::Stimulus;
use crate::protocol::{Kind, Protocol};
use crate::world::{Action, State, World};
use ringleader_trace::{Step, Trace, VERSION};
use stateright::Model;

/// Tells a path of actions as a trace.
///
/// The explorer visits one representative of states that differ only in the names of replicas, and
/// so names change from step to step; the trace keeps the names of the first state throughout.
pub fn narrate<P: Protocol>(
    world: &World<P>,
    model: &str,
    property: &str,
    actions: &[Action],
) -> Trace {
    let mut explored = initial(world);
    let mut told = explored.clone();
    // Renames the explorer's state into the one that is told.
    let mut names = 0;
    let mut steps = Vec::new();
    for action in actions {
        let asked = world.renamed_ask((&explored, &told), action, names);
        let renamed = asked.unwrap_or_else(|| world.renamed_action(action, names));
        steps.push(tell(world, &told, &renamed));
        let next = world.successor(&explored, action).unwrap_or_else(|| explored.clone());
        let (representative, permutation) = world.representative(&next);
        names = world.permutations().after_undoing(names, permutation);
        told = world.renamed(&representative, names);
        explored = representative;
    }
    let (model, property) = (model.to_owned(), property.to_owned());
    Trace { version: VERSION, model, nodes: world.protocol().nodes(), property, steps }
}

fn initial<P: Protocol>(world: &World<P>) -> State {
    world.init_states().into_iter().next().expect("a world has one initial state")
}

/// One action in words, and what follows from it.
fn tell<P: Protocol>(world: &World<P>, state: &State, action: &Action) -> Step {
    let mut step = name(world, state, action);
    let Some((id, stimulus)) = world.stimulus(state, action) else { return step };
    let protocol = world.protocol();
    let before = world.nodes_of(state)[usize::from(id.0)];
    let (after, out) = before.after(protocol, &stimulus, world.fsync_of(state, action));
    let mut sends: Vec<(Vec<u8>, String)> = Vec::new();
    for (to, message) in &out.sends {
        let text = protocol.describe_message(message);
        match sends.iter_mut().find(|(_, known)| *known == text) {
            Some((receivers, _)) if !receivers.contains(&to.0) => receivers.push(to.0),
            Some(_) => {}
            None => sends.push((vec![to.0], text)),
        }
    }
    for (receivers, text) in sends {
        let receivers: Vec<String> = receivers.iter().map(u8::to_string).collect();
        step.notes.push(format!("sends to {}: {text}", receivers.join(", ")));
    }
    step.notes.extend(out.events.iter().filter_map(|event| protocol.describe_event(event)));
    let (was, is) = (protocol.describe_node(before), protocol.describe_node(&after));
    if was != is {
        step.notes.push(format!("= {is}"));
    }
    step
}

/// What an action is called. Among the actions of one state each name is unique.
fn name<P: Protocol>(world: &World<P>, state: &State, action: &Action) -> Step {
    let protocol = world.protocol();
    let step = |node: u8, from: Option<u8>, what: String| Step { node, from, what, notes: vec![] };
    if let Action::Pass(way) = action {
        let clocks = protocol.clocks();
        let advance = |id: u8| clocks.advance(*way, id).0.to_string();
        let advances: Vec<String> = (0..protocol.nodes()).map(advance).collect();
        return step(0, None, format!("clocks + {}", advances.join(", ")));
    }
    let Some((id, stimulus)) = world.stimulus(state, action) else {
        return step(0, None, "every message is lost".to_owned());
    };
    match stimulus {
        Stimulus::Deliver { from, message } => {
            let heard = if matches!(action, Action::Hear { .. }) { "hears: " } else { "" };
            let what = format!("{heard}{}", protocol.describe_message(&message));
            step(id.0, Some(from.0), what)
        }
        Stimulus::Pass(_) => unreachable!("time passes for all nodes at once"),
        Stimulus::Pause => step(id.0, None, "is paused: what happens next happens late".to_owned()),
        Stimulus::Cut(from) => {
            let from: Vec<String> = from.iter().map(|id| id.0.to_string()).collect();
            let from = from.join(", ");
            step(id.0, None, format!("the links from {from} to here are cut"))
        }
        Stimulus::Persist => step(id.0, None, "its oldest write is durable".to_owned()),
        Stimulus::Crash => step(id.0, None, "crashes and restarts".to_owned()),
        Stimulus::Chore(chore) => step(id.0, None, protocol.describe_chore(chore)),
        Stimulus::Fire(timer) => step(id.0, None, protocol.describe_timer(timer)),
        Stimulus::Request { request, .. } => step(id.0, None, protocol.describe_request(&request)),
    }
}

/// Why a trace cannot be replayed.
#[derive(Debug)]
pub struct ReplayError {
    /// The step, counted from 1.
    pub step: usize,
    /// What the trace says happens.
    pub wanted: String,
    /// What could happen instead.
    pub possible: Vec<String>,
}

impl std::fmt::Display for ReplayError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { step, wanted, possible } = self;
        write!(f, "step {step}: {wanted:?} cannot happen here; possible: {}", possible.join("; "))
    }
}

impl std::error::Error for ReplayError {}

/// What a replay led to.
pub struct Replayed {
    /// The same steps, told anew: what follows from each is worked out, not read from the file.
    pub trace: Trace,
    /// The `always` properties that do not hold in the last state.
    pub violated: Vec<&'static str>,
}

/// Takes the steps of a trace, one after another.
///
/// # Errors
///
/// When a step names something that cannot happen there.
pub fn replay<P: Protocol>(world: &World<P>, trace: &Trace) -> Result<Replayed, ReplayError> {
    let mut state = initial(world);
    let mut steps = Vec::new();
    for (number, wanted) in trace.steps.iter().enumerate() {
        let mut actions = Vec::new();
        world.actions(&state, &mut actions);
        actions.push(Action::LoseAll);
        let named = actions.iter().map(|action| (action, name(world, &state, action)));
        let named: Vec<_> = named.collect();
        let is_wanted = |(_, it): &&(&Action, Step)| {
            (it.node, it.from, &it.what) == (wanted.node, wanted.from, &wanted.what)
        };
        let Some((action, _)) = named.iter().find(is_wanted) else {
            let possible = named.iter().map(|(_, it)| show(it)).collect();
            return Err(ReplayError { step: number + 1, wanted: show(wanted), possible });
        };
        steps.push(tell(world, &state, action));
        state = world.successor(&state, action).unwrap_or(state);
    }
    let named = world.property_names().iter().enumerate();
    let broken = |(bit, (_, kind)): &(usize, &(&str, Kind))| {
        *kind == Kind::Always && !world.holds(&state, *bit)
    };
    let violated = named.filter(broken).map(|(_, (name, _))| *name).collect();
    Ok(Replayed { trace: Trace { steps, ..trace.clone() }, violated })
}

fn show(step: &Step) -> String {
    match step.from {
        Some(from) => format!("{from} to {}: {}", step.node, step.what),
        None => format!("node {}: {}", step.node, step.what),
    }
}
