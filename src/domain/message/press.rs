//! What a button does, and the text form in which it travels through a chat and back.

use crate::domain::{CaseNumber, NO_CASE};
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// What happens when a button is pressed.
///
/// Its text form ([`fmt::Display`], [`FromStr`]) travels in the chat's button and comes back:
/// `do:12:claim`, `ask:12:reply`, `r:12:7.1.ok.SEAL`. At most 60 characters.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Press {
    /// Gives a command without further words.
    Command {
        /// The case it is about.
        case: CaseNumber,
        /// The verb and its arguments.
        line: String,
    },
    /// Opens a form that asks for the words of this verb.
    Ask {
        /// The case it is about.
        case: CaseNumber,
        /// The verb: `reply`, `dm`, `note`, `escalate`, `resolve`.
        verb: String,
    },
    /// Decides about a reply. Only what the button was drawn for: the seal binds it.
    Reply {
        /// The case it is about.
        case: CaseNumber,
        /// The reply's number; not below zero.
        reply: i64,
        /// The version of the reply that was shown; not below zero.
        version: i64,
        /// What is decided.
        verb: ReplyVerb,
        /// Proves that we drew the button for these bytes: 1 to 22 characters of `[A-Za-z0-9_-]`.
        seal: String,
    },
}

/// What a button decides about a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReplyVerb {
    /// The author's second yes to a draft.
    Send,
    /// Another person's yes.
    Approve,
    /// Opens a form with the text, to be changed.
    Edit,
    /// Another person's no; opens a form that asks why.
    Reject,
    /// The author takes the draft back.
    Discard,
    /// It is there: opens a form that asks for the link.
    There,
    /// It is not there.
    NotThere,
    /// Nobody goes on with it.
    GiveUp,
    /// A second person says that it is not there.
    ConfirmNotThere,
}

impl ReplyVerb {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Send,
        Self::Approve,
        Self::Edit,
        Self::Reject,
        Self::Discard,
        Self::There,
        Self::NotThere,
        Self::GiveUp,
        Self::ConfirmNotThere,
    ];

    /// Its word in a button's text form: at most four letters.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Send => "send",
            Self::Approve => "ok",
            Self::Edit => "edit",
            Self::Reject => "no",
            Self::Discard => "drop",
            Self::There => "is",
            Self::NotThere => "isnt",
            Self::GiveUp => "quit",
            Self::ConfirmNotThere => "sure",
        }
    }

    fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|verb| verb.word() == word)
    }
}

/// A press that is not one of ours, or is damaged.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this button is not known to this version of Hearback; use the command instead")]
pub struct UnknownPress;

impl Press {
    /// The case the button is about.
    #[must_use]
    pub fn case(&self) -> CaseNumber {
        match self {
            Self::Command { case, .. } | Self::Ask { case, .. } | Self::Reply { case, .. } => *case,
        }
    }
}

impl fmt::Display for Press {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Command { case, line } => write!(f, "do:{}:{line}", case.0),
            Self::Ask { case, verb } => write!(f, "ask:{}:{verb}", case.0),
            Self::Reply {
                case,
                reply,
                version,
                verb,
                seal,
            } => write!(f, "r:{}:{reply}.{version}.{}.{seal}", case.0, verb.word()),
        }
    }
}

impl FromStr for Press {
    type Err = UnknownPress;

    fn from_str(text: &str) -> Result<Self, UnknownPress> {
        let mut words = text.splitn(3, ':');
        let (Some(what), Some(case), Some(rest)) = (words.next(), words.next(), words.next()) else {
            return Err(UnknownPress);
        };
        let number = case;
        let case = match (what, case) {
            // A button that is about no case.
            ("do", "0") => NO_CASE,
            _ => case.parse().map_err(|_| UnknownPress)?,
        };
        match what {
            "do" => Ok(Self::Command {
                case,
                line: rest.to_owned(),
            }),
            "ask" => Ok(Self::Ask {
                case,
                verb: rest.to_owned(),
            }),
            // There is one way to write it: what was sealed is what is read.
            "r" if number == case.0.to_string() => about_reply(case, rest).ok_or(UnknownPress),
            _ => Err(UnknownPress),
        }
    }
}

/// The most characters of a seal: 16 bytes in base64.
const MOST_SEAL: usize = 22;

fn about_reply(case: CaseNumber, text: &str) -> Option<Press> {
    let mut words = text.split('.');
    let reply = plain_number(words.next()?)?;
    let version = plain_number(words.next()?)?;
    let verb = ReplyVerb::of(words.next()?)?;
    let seal = words.next()?;
    let sealed = (1..=MOST_SEAL).contains(&seal.len())
        && seal
            .bytes()
            .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_'));
    (sealed && words.next().is_none()).then(|| Press::Reply {
        case,
        reply,
        version,
        verb,
        seal: seal.to_owned(),
    })
}

/// A number from zero on, without a sign or leading zeros.
fn plain_number(text: &str) -> Option<i64> {
    let number: i64 = text.parse().ok()?;
    (number >= 0 && number.to_string() == text).then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn verb() -> impl Strategy<Value = ReplyVerb> {
        prop::sample::select(ReplyVerb::ALL.to_vec())
    }

    #[test]
    fn the_longest_button_about_a_reply_fits_the_shortest_room() {
        for verb in ReplyVerb::ALL {
            assert!(verb.word().len() <= 4 && ReplyVerb::of(verb.word()) == Some(verb));
            let press = Press::Reply {
                case: CaseNumber(9_999_999_999),
                reply: 9_999_999_999,
                version: 99_999_999,
                verb,
                seal: "s".repeat(MOST_SEAL),
            };
            assert!(press.to_string().len() <= 60, "{press}");
        }
    }

    #[test]
    fn a_button_may_be_about_no_case() {
        let press = Press::Command {
            case: NO_CASE,
            line: "let-in fedi".to_owned(),
        };
        assert_eq!(press.to_string(), "do:0:let-in fedi");
        assert_eq!("do:0:let-in fedi".parse(), Ok(press));
    }

    #[rstest]
    #[case("")]
    #[case("r")]
    #[case("r:12")]
    #[case("r:12:")]
    #[case("r:0:7.1.ok.seal")]
    #[case("r:#12:7.1.ok.seal")]
    #[case("r:012:7.1.ok.seal")]
    #[case("r:12:7.1.ok")]
    #[case("r:12:7.1.ok.")]
    #[case("r:12:7.1.ok.seal.more")]
    #[case("r:12:7.1.ok.sea:l")]
    #[case("r:12:7.1.ok.seal ")]
    #[case("r:12:7.1.OK.seal")]
    #[case("r:12:7.1.undo.seal")]
    #[case("r:12:+7.1.ok.seal")]
    #[case("r:12:-7.1.ok.seal")]
    #[case("r:12:07.1.ok.seal")]
    #[case("r:12:7.-0.ok.seal")]
    #[case("r:12:99999999999999999999.1.ok.seal")]
    #[case("r:12:7.1.ok.12345678901234567890123")]
    #[case("r:12:7.1.ok.se\u{e4}l")]
    #[case("R:12:7.1.ok.seal")]
    fn a_damaged_button_is_unknown(#[case] text: &str) {
        assert_eq!(text.parse::<Press>(), Err(UnknownPress));
    }

    proptest! {
        #[test]
        fn a_button_about_a_reply_comes_back(
            case in 1i64.., reply in 0i64.., version in 0i64.., verb in verb(), seal in "[A-Za-z0-9_-]{1,22}"
        ) {
            let press = Press::Reply { case: CaseNumber(case), reply, version, verb, seal };
            prop_assert_eq!(press.to_string().parse::<Press>(), Ok(press));
        }

        /// What is read writes itself as it was: no two texts mean one button about a reply.
        #[test]
        fn there_is_one_way_to_write_it(text in "r:[0-9#+-]{1,4}:[0-9+-]{1,3}\\.[0-9]{1,2}\\.(ok|no|is|isnt|x)\\.[a-z.]{0,4}") {
            if let Ok(press) = text.parse::<Press>() {
                prop_assert_eq!(press.to_string(), text);
            }
        }

        #[test]
        fn anything_may_come(text in "\\PC{0,70}|(r|do|ask|sent|again):[0-9]{0,3}:\\PC{0,40}") {
            let _ = text.parse::<Press>();
        }
    }
}
