//! One word, one meaning (`docs/GLOSSARY.md`), and no word about the machine on which we write.

use crate::checkout::{File, files};
use crate::{assert_none, assert_one};

/// A word, and the one that we use instead.
struct Banned {
    word: &'static str,
    instead: &'static str,
    /// Phrases and files in which the word means something else.
    except: &'static [Except],
}

enum Except {
    /// The word is part of a longer term.
    Phrase(&'static str),
    /// The word has its own meaning there.
    Within(&'static str),
}

use Except::{Phrase, Within};

// This file names the words; the glossary and the table of STYLE say which to avoid.
const GLOSSARY: Except = Within("docs/GLOSSARY.md");
const OURSELVES: Except = Within("impl/server/tests/workspace/words.rs");

const BANNED: [Banned; 6] = [
    Banned {
        word: "shard",
        instead: "replication group, or partition",
        except: &[
            GLOSSARY,
            OURSELVES,
            // The application pattern of that name.
            Phrase("write sharding"),
            Phrase("read sharding"),
            // The words that the API reserves are not ours.
            Within("impl/api/src/expression/reserved.rs"),
        ],
    },
    Banned { word: "raft group", instead: "replication group", except: &[GLOSSARY, OURSELVES] },
    Banned { word: "master", instead: "leader", except: &[GLOSSARY, OURSELVES] },
    Banned { word: "slave", instead: "follower", except: &[GLOSSARY, OURSELVES] },
    Banned {
        word: "witness",
        instead: "log replica",
        except: &[
            GLOSSARY,
            OURSELVES,
            // The order of operations that shows that a history is legal.
            Within("linearizability/"),
            // A later record that shows that an earlier one was durable.
            Within("impl/storage/src/wal/"),
        ],
    },
    Banned { word: "network partition", instead: "cut", except: &[GLOSSARY, OURSELVES] },
];

/// Where we write, in pieces so that this file does not name it.
const MACHINE_PATHS: [&str; 4] =
    [concat!("/wo", "rk/"), concat!("/ro", "ot/"), concat!("/tmp/", "bash"), concat!("/ho", "me/")];

fn complaints(file: &File) -> Vec<String> {
    let mut found = Vec::new();
    for (number, line) in (1..).zip(file.text.lines()) {
        let lower = line.to_lowercase();
        for banned in BANNED.iter().filter(|it| !it.is_excepted(&file.path)) {
            if banned.is_in(&lower) {
                let Banned { word, instead, .. } = banned;
                found.push(format!("{}:{number}: `{word}`: say {instead}", file.path));
            }
        }
        for path in MACHINE_PATHS.iter().filter(|path| names_path(line, path)) {
            found.push(format!("{}:{number}: `{path}` is a path of one machine", file.path));
        }
    }
    found
}

impl Banned {
    fn is_excepted(&self, path: &str) -> bool {
        self.except.iter().any(|it| matches!(it, Within(folder) if path.starts_with(folder)))
    }

    /// Whether a line, in lower case, has a word that begins like this one.
    fn is_in(&self, line: &str) -> bool {
        let mut line = line.to_owned();
        for except in self.except {
            if let Phrase(phrase) = except {
                line = line.replace(phrase, "");
            }
        }
        let starts_word = |at: usize| !line[..at].ends_with(|it: char| it.is_alphanumeric());
        line.match_indices(self.word).any(|(at, _)| starts_word(at))
    }
}

/// Whether the path stands there from its root, not as the tail of a longer one.
fn names_path(line: &str, path: &str) -> bool {
    let from_root = |at: usize| !line[..at].ends_with(|it: char| it.is_alphanumeric() || it == '.');
    line.match_indices(path).any(|(at, _)| from_root(at))
}

#[test]
fn words_mean_one_thing() {
    let ours = |file: &&File| file.path != "Cargo.lock";
    assert_none(&files().iter().filter(ours).flat_map(complaints).collect::<Vec<_>>());
}

#[test]
fn banned_words_are_noticed() {
    let check = |text: &str| complaints(&File::new("docs/page.md", text));
    assert_none(&check("DashMapShard; the pattern of write sharding; a postmaster"));
    assert_one(&check("each Shard has a leader"), "say replication group");
    assert_one(&check("two shards"), "say replication group");
    assert_one(&check("a Raft group of three"), "say replication group");
    assert_one(&check("the master answers"), "say leader");
    assert_one(&check("\n\na slave"), "docs/page.md:3");
    assert_one(&check("a witness node"), "say log replica");
    assert_one(&check("during a network partition"), "say cut");
    let elsewhere = File::new("linearizability/src/search.rs", "the witness of a verdict");
    assert_none(&complaints(&elsewhere));
}

#[test]
fn machine_paths_are_noticed() {
    let check = |text: &str| complaints(&File::new("docs/page.md", text));
    assert_none(&check("framework and homework, ./roots"));
    for path in MACHINE_PATHS {
        assert_one(&check(&format!("see {path}main")), "a path of one machine");
    }
}
