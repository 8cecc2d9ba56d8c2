//! Golden transcripts, told in `stories/*.txt` in the language of [`super::script`].
//!
//! A file holds comments (`#`), commands (`> `) and, below each command, what came of it.
//! `UPDATE_EXPECT=1 cargo test -p ringleader-core` writes the files anew; read the difference.

use super::script::Stage;
use super::std::{env, fs, path::PathBuf};
use alloc::format;
use alloc::string::ToString;
use alloc::vec::Vec;

/// Tells the story again, and compares.
fn tell(name: &str) {
    let path = directory().join(format!("{name}.txt"));
    let expected = fs::read_to_string(&path).expect("a story for every test");
    let mut lines = Vec::new();
    let mut stage = Stage::new();
    for line in expected.lines() {
        let command = line.strip_prefix("> ");
        if command.is_some() || line.starts_with('#') || line.is_empty() {
            lines.push(line.to_string());
        }
        let happened = command.map(|command| stage.command(command)).unwrap_or_default();
        lines.extend(happened.iter().map(|it| format!("  {it}")));
    }
    let told = lines.join("\n") + "\n";
    if env::var_os("UPDATE_EXPECT").is_some() {
        fs::write(&path, told).expect("a writable source tree");
        return;
    }
    let difference = expected.lines().zip(told.lines()).position(|(old, new)| old != new);
    let first = difference.unwrap_or(expected.lines().count().min(told.lines().count())) + 1;
    assert!(
        told == expected,
        "the story {name} differs from line {first} on; \
         UPDATE_EXPECT=1 accepts what is told now:\n{told}"
    );
}

fn directory() -> PathBuf {
    [env!("CARGO_MANIFEST_DIR"), "src/group/tests/stories"].iter().collect()
}

macro_rules! stories {
    ($($name:ident)*) => {
        $(
            #[test]
            fn $name() {
                tell(stringify!($name));
            }
        )*

        #[test]
        fn every_story_is_told() {
            let names = [$(stringify!($name)),*];
            for file in fs::read_dir(directory()).expect("a directory of stories") {
                let path = file.expect("a readable directory").path();
                let name = path.file_stem().expect("a file name").to_string_lossy().into_owned();
                assert!(names.contains(&name.as_str()), "no test tells {name}");
            }
        }
    };
}

stories! {
    first_election
    followers_commit_before_the_leader
    promises_wait_for_the_disk
    deposed_leader_answers_unknown
    conflict_replaced_in_one_io
    figure_7
    figure_8
    read_index_round
    read_waits_for_own_term
    heartbeat_finds_a_lost_append
    released_entries_come_from_disk
    group_of_one
    a_cut_follower_does_not_depose
    evidence_expires
    a_deaf_leader_steps_down
    lease_from_the_time_of_sending
    a_read_after_a_pause_is_confirmed
    a_restart_waits_out_its_promise
    leadership_is_handed_over
    a_transfer_that_fails_gives_the_lease_up
    eventual_reads_on_any_replica
    unacknowledged_entries_are_bounded
    crash_keeps_the_vote
    late_messages_take_nothing_back
    a_replica_joins
    a_change_waits_for_an_own_commit
    a_removed_leader_leaves
    a_removed_replica_is_not_heard
    one_of_two_leaves
    a_newcomer_gets_the_state
    a_candidate_pulls
    a_log_replica_joins
}
