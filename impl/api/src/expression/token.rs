//! The words of expressions.

use winnow::ascii::multispace0;
use winnow::combinator::{alt, preceded, repeat, terminated};
use winnow::error::EmptyError;
use winnow::token::{any, one_of, take_while};
use winnow::{Parser, Result};

/// One word, with where it stands in the text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    pub(crate) kind: TokenKind,
    /// As written, with the `#` or `:`.
    pub(crate) text: &'a str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TokenKind {
    /// A keyword, a function or an attribute's name.
    Word,
    /// `#name`
    NamePlaceholder,
    /// `:value`
    ValuePlaceholder,
    /// Digits, only meaningful between brackets.
    Digits,
    /// A comparison sign, plus, minus, a bracket, a dot, a comma.
    Sign,
    /// What belongs to no expression.
    Unknown,
}

/// All words of a text. Every text has words; what is no word of the language is `Unknown`.
pub(crate) fn tokens(text: &str) -> Vec<Token<'_>> {
    let mut all = preceded(multispace0, repeat(0.., terminated(token, multispace0)));
    all.parse(text).unwrap_or_else(|_: winnow::error::ParseError<_, EmptyError>| Vec::new())
}

fn token<'a>(input: &mut &'a str) -> Result<Token<'a>, EmptyError> {
    let name = || take_while(1.., ('a'..='z', 'A'..='Z', '0'..='9', '_'));
    alt((
        take_while(1.., '0'..='9').map(|text| Token { kind: TokenKind::Digits, text }),
        name().map(|text| Token { kind: TokenKind::Word, text }),
        ('#', name()).take().map(|text| Token { kind: TokenKind::NamePlaceholder, text }),
        (':', name()).take().map(|text| Token { kind: TokenKind::ValuePlaceholder, text }),
        alt(("<>", "<=", ">=")).map(|text| Token { kind: TokenKind::Sign, text }),
        one_of(
            "=<>()[].,+-"
                .as_bytes()
                .iter()
                .map(|byte| char::from(*byte))
                .collect::<Vec<_>>()
                .as_slice(),
        )
        .take()
        .map(|text| Token { kind: TokenKind::Sign, text }),
        any.take().map(|text| Token { kind: TokenKind::Unknown, text }),
    ))
    .parse_next(input)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_cut_into_words() {
        let words = |text| tokens(text).iter().map(|token| token.text).collect::<Vec<_>>();
        assert_eq!(
            words(" a.#b[10]<>:c\tAND(x)"),
            ["a", ".", "#b", "[", "10", "]", "<>", ":c", "AND", "(", "x", ")"]
        );
        assert_eq!(words("a ~ # é"), ["a", "~", "#", "é"]);
        assert_eq!(words("  "), Vec::<&str>::new());
    }
}
