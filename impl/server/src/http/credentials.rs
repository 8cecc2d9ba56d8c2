//! The keys with which clients may sign: a file of the form that AWS's own tools read.
//!
//! ```text
//! [default]
//! aws_access_key_id = AKIDEXAMPLE
//! aws_secret_access_key = wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY
//! aws_session_token = optional; a request must then carry it
//! ```
//!
//! Every section with a key and its secret is somebody who may sign. Settings that do not belong to
//! credentials (`region`, say) are passed over, as those tools do.

use std::collections::BTreeMap;
use std::fmt;

/// Who may sign: access keys with their secrets.
#[derive(Clone, Default, PartialEq, Eq)]
pub(crate) struct Credentials {
    keys: BTreeMap<String, Secret>,
}

/// What belongs to an access key. Never printed.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret {
    pub(crate) secret_key: String,
    pub(crate) session_token: Option<String>,
}

/// Names the keys, not their secrets.
impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.keys.keys()).finish()
    }
}

#[derive(Default)]
struct Section {
    name: String,
    key: Option<String>,
    secret: Option<String>,
    token: Option<String>,
}

impl Credentials {
    /// Reads the text of a credentials file.
    ///
    /// # Errors
    /// In words, with the line or section: not a setting, half of a pair, a key twice, no key at all.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let mut credentials = Self::default();
        let mut section: Option<Section> = None;
        for (number, line) in (1..).zip(text.lines()) {
            let line = line.trim();
            if line.is_empty() || line.starts_with(['#', ';']) {
                continue;
            }
            if let Some(name) = line.strip_prefix('[').and_then(|it| it.strip_suffix(']')) {
                credentials.add(section.take())?;
                section = Some(Section { name: name.trim().to_owned(), ..Section::default() });
                continue;
            }
            let (name, value) = line
                .split_once('=')
                .ok_or_else(|| format!("line {number} is neither a [section] nor name = value"))?;
            let Some(section) = &mut section else {
                return Err(format!("line {number} stands before the first [section]"));
            };
            let value = value.trim().to_owned();
            match name.trim() {
                "aws_access_key_id" => section.key = Some(value),
                "aws_secret_access_key" => section.secret = Some(value),
                "aws_session_token" => section.token = Some(value),
                _other => {}
            }
        }
        credentials.add(section)?;
        if credentials.keys.is_empty() {
            return Err("no section has aws_access_key_id and aws_secret_access_key".to_owned());
        }
        Ok(credentials)
    }

    fn add(&mut self, section: Option<Section>) -> Result<(), String> {
        let Some(Section { name, key, secret, token }) = section else { return Ok(()) };
        let (key, secret_key) = match (key, secret) {
            (None, None) => return Ok(()),
            (Some(key), Some(secret)) if !key.is_empty() && !secret.is_empty() => (key, secret),
            _ => {
                return Err(format!(
                    "section {name:?} has one of key and secret without the other"
                ));
            }
        };
        let secret = Secret { secret_key, session_token: token };
        match self.keys.insert(key.clone(), secret) {
            None => Ok(()),
            Some(_) => Err(format!("section {name:?} has the access key {key} a second time")),
        }
    }

    /// What belongs to an access key.
    pub(crate) fn find(&self, access_key: &str) -> Option<&Secret> {
        self.keys.get(access_key)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_section_with_a_pair_may_sign() {
        let text = "# ours\n[default]\naws_access_key_id=A\naws_secret_access_key = s=1\n\
                    region = local\n\n[empty]\n[ other ]\naws_access_key_id = B\n\
                    aws_secret_access_key = t\naws_session_token = u\n";
        let credentials = Credentials::parse(text).unwrap();
        let a = Secret { secret_key: "s=1".into(), session_token: None };
        let b = Secret { secret_key: "t".into(), session_token: Some("u".into()) };
        assert!(credentials.find("A") == Some(&a));
        assert!(credentials.find("B") == Some(&b));
        assert!(credentials.find("C").is_none());
        assert_eq!(format!("{credentials:?}"), r#"{"A", "B"}"#);
    }

    #[test]
    fn what_is_wrong_with_a_file_is_named() {
        let pair = "aws_access_key_id = A\naws_secret_access_key = s\n";
        for (text, expected) in [
            ("", "no section has aws_access_key_id and aws_secret_access_key"),
            ("[x]\n", "no section has aws_access_key_id and aws_secret_access_key"),
            ("a = b", "line 1 stands before the first [section]"),
            ("[x]\n\nhello", "line 3 is neither a [section] nor name = value"),
            (
                "[x]\naws_access_key_id = A\n",
                "section \"x\" has one of key and secret without the other",
            ),
            (
                &format!("[x]\n{pair}[y]\n{pair}"),
                "section \"y\" has the access key A a second time",
            ),
        ] {
            assert_eq!(Credentials::parse(text), Err(expected.to_owned()), "{text}");
        }
    }
}
