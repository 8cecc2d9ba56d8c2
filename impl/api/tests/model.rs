//! Every constraint of the service model is enforced, in the words of the service: for each there is
//! a request that violates it, made from the model by `model/violations.py`.

use ringleader_api::{ErrorKind, parse};

/// A body with its repetitions written out: `<<N*TEXT>>` is N times TEXT, `#` in it the copy's number.
fn expanded(body: &str) -> String {
    let Some((before, rest)) = body.split_once("<<") else { return body.to_owned() };
    let (count, rest) = rest.split_once('*').expect("a count ends with *");
    let (text, after) = rest.split_once(">>").expect("a repetition ends with >>");
    let count: usize = count.parse().expect("a count is a number");
    let copies = (0..count).map(|number| text.replace('#', &number.to_string()));
    before.to_owned() + &copies.collect::<String>() + &expanded(after)
}

/// Whether a message tells the violation that a line of the table describes.
fn tells(message: &str, rule: &str) -> bool {
    let all: Vec<&str> = message
        .split_once(" detected: ")
        .map(|(_, violations)| violations.split("; ").collect())
        .unwrap_or_default();
    all.iter().any(|violation| {
        let Some((at, rule)) = rule.split_once('=') else {
            // A rule of elements, keys or values is one of a list.
            let mut parts = rule.split(" [ ").map(|part| part.trim_end_matches('['));
            return parts.all(|part| violation.contains(part));
        };
        let Some((_, words)) = violation.rsplit_once('[') else { return false };
        let mut words: Vec<&str> = words.trim_end_matches(']').split(", ").collect();
        words.sort_unstable();
        violation.contains(at)
            && violation.contains("Member must satisfy enum value set")
            && words.join(",") == rule
    })
}

#[test]
fn every_constraint_of_the_model_is_enforced() {
    let (mut violated, mut kept) = (0, 0);
    for line in include_str!("model/violations.tsv").lines().filter(|line| !line.starts_with('#')) {
        let parts: Vec<&str> = line.split('\t').collect();
        let [operation, body, rule] = parts[..] else { panic!("{line} has not three parts") };
        let target = format!("DynamoDB_20120810.{operation}");
        let answer = parse(&target, expanded(body).as_bytes());
        if rule == "-" {
            let message = answer.err().map(|error| error.message().to_owned()).unwrap_or_default();
            assert!(!message.contains(" detected: "), "{operation} {body}: {message}");
            kept += 1;
            continue;
        }
        let error = answer.expect_err(body);
        assert_eq!(error.kind(), ErrorKind::Validation, "{operation} {body}: {error}");
        assert!(tells(error.message(), rule), "{operation} {body}\nwants {rule}\nsays {error}");
        violated += 1;
    }
    assert_eq!((kept, violated), (20, 403), "operations, constraints");
}
