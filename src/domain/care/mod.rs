//! Tone and care: what is looked at before a reply leaves, so that nothing goes out in anger, promises
//! too much, or tells what is private. Rules and words only; no model.
//!
//! [`examine`] is a pure function of a [`Draft`] and the rules ([`Care`]). Each rule is at a [`Level`]
//! and speaks at most once, with the first words that it minds. The words of the rules are files in
//! `words/`: English first, and the most common ones in German, French and Spanish.
//!
//! Who reads counts: in private to the customer, an e-mail address, a telephone number, an order number
//! or a competitor's name weighs one level less than in public, and what the customer wrote is no news
//! to them. What an agent quotes from the customer, in quotation marks or in a line that begins with
//! `>`, is not held against the agent.

mod personal;
mod phrase;
mod profanity;
mod promise;
mod reference;
mod slip;
mod text;
mod tone;

#[cfg(test)]
mod tests;

use super::{Audience, Kind};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use text::{Scene, Span, shortened};

pub(super) use text::prose;

/// What is examined: the words as they would be published, and what is known around them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Draft<'a> {
    /// The words as they would be published.
    pub text: &'a str,
    /// Who would read them.
    pub audience: Audience,
    /// The text of the post that is answered.
    pub post: &'a str,
    /// Its language as the network tells it, a BCP 47 tag. Networks are often wrong about it.
    pub post_lang: Option<&'a str>,
    /// What the case is about.
    pub kind: Kind,
    /// The texts of the customer's other posts in the case.
    pub conversation: &'a [&'a str],
    /// The customer's handle, with or without `@`: it is a name, whatever it says.
    pub author_handle: &'a str,
    /// Our own handles: never a competitor's.
    pub brand_handles: &'a [&'a str],
    /// Whether we have not answered in this case yet.
    pub first_reply: bool,
}

/// What a finding asks for. Later ones ask for more.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Level {
    /// The rule is not looked at.
    Off,
    /// The agent is told; nothing waits.
    Hint,
    /// The agent has to say that it is meant.
    Confirm,
    /// Somebody else has to approve.
    Approve,
}

impl Level {
    /// All, from the least on.
    pub const ALL: [Self; 4] = [Self::Off, Self::Hint, Self::Confirm, Self::Approve];

    /// The level as the configuration writes it.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Hint => "hint",
            Self::Confirm => "confirm",
            Self::Approve => "approve",
        }
    }

    /// One level less.
    fn less(self) -> Self {
        match self {
            Self::Off | Self::Hint => Self::Off,
            Self::Confirm => Self::Hint,
            Self::Approve => Self::Confirm,
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Anger and contempt.
    Anger,
    /// The fault put on the customer.
    Blame,
    /// Capitals and exclamation marks.
    Shouting,
    /// Words that no brand says.
    Profanity,
    /// Markers of sarcasm and mockery.
    Sarcasm,
    /// "We are not responsible."
    NotResponsible,
    /// Guarantees, admissions and threats that bind.
    LegalPromise,
    /// Money promised, beyond the limit or of no named amount.
    Refund,
    /// The number of a payment card.
    CardNumber,
    /// An e-mail address that is not ours.
    EmailAddress,
    /// A telephone number that is not ours.
    PhoneNumber,
    /// An order, booking or tracking number that this customer did not write.
    OrderNumber,
    /// A link to a host that is not allowed.
    Link,
    /// A competitor's name or handle.
    Competitor,
    /// A placeholder that nobody filled in.
    Placeholder,
    /// A reply in another language than the post's.
    Language,
    /// The first reply to a complaint, without a word of regret.
    Apology,
}

impl Rule {
    /// All, in the order in which findings of one level are told.
    pub const ALL: [Self; 17] = [
        Self::Anger,
        Self::Blame,
        Self::Shouting,
        Self::Profanity,
        Self::Sarcasm,
        Self::NotResponsible,
        Self::LegalPromise,
        Self::Refund,
        Self::CardNumber,
        Self::EmailAddress,
        Self::PhoneNumber,
        Self::OrderNumber,
        Self::Link,
        Self::Competitor,
        Self::Placeholder,
        Self::Language,
        Self::Apology,
    ];

    /// The rule's key in the configuration.
    #[must_use]
    pub fn word(self) -> &'static str {
        match self {
            Self::Anger => "anger",
            Self::Blame => "blame",
            Self::Shouting => "shouting",
            Self::Profanity => "profanity",
            Self::Sarcasm => "sarcasm",
            Self::NotResponsible => "not_responsible",
            Self::LegalPromise => "legal_promise",
            Self::Refund => "refund",
            Self::CardNumber => "card_number",
            Self::EmailAddress => "email_address",
            Self::PhoneNumber => "phone_number",
            Self::OrderNumber => "order_number",
            Self::Link => "link",
            Self::Competitor => "competitor",
            Self::Placeholder => "placeholder",
            Self::Language => "language",
            Self::Apology => "apology",
        }
    }

    /// The level when nothing else is configured.
    #[must_use]
    pub fn default_level(self) -> Level {
        match self {
            Self::Profanity | Self::LegalPromise | Self::Refund | Self::CardNumber => Level::Approve,
            Self::Anger
            | Self::Blame
            | Self::Shouting
            | Self::Sarcasm
            | Self::NotResponsible
            | Self::EmailAddress
            | Self::PhoneNumber
            | Self::OrderNumber
            | Self::Link
            | Self::Competitor
            | Self::Placeholder
            | Self::Language => Level::Confirm,
            Self::Apology => Level::Hint,
        }
    }

    /// Whether the rule is one of words, to which a team can add its own.
    #[must_use]
    pub fn takes_words(self) -> bool {
        match self {
            Self::Anger
            | Self::Blame
            | Self::Profanity
            | Self::Sarcasm
            | Self::NotResponsible
            | Self::LegalPromise
            | Self::Refund
            | Self::Placeholder
            | Self::Apology => true,
            Self::Shouting
            | Self::CardNumber
            | Self::EmailAddress
            | Self::PhoneNumber
            | Self::OrderNumber
            | Self::Link
            | Self::Competitor
            | Self::Language => false,
        }
    }

    /// Whether it weighs less when only the customer reads.
    fn is_about_publicity(self) -> bool {
        match self {
            Self::EmailAddress | Self::PhoneNumber | Self::OrderNumber | Self::Competitor => true,
            Self::Anger
            | Self::Blame
            | Self::Shouting
            | Self::Profanity
            | Self::Sarcasm
            | Self::NotResponsible
            | Self::LegalPromise
            | Self::Refund
            | Self::CardNumber
            | Self::Link
            | Self::Placeholder
            | Self::Language
            | Self::Apology => false,
        }
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// What a rule minds in a draft.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// The rule.
    pub rule: Rule,
    /// What it asks for.
    pub level: Level,
    /// The words that it minds, as they stand in the draft, cut after 80 characters. Of a card number
    /// only the last four digits. Empty where something is missing or the whole is meant.
    pub found: String,
    /// A sentence or two for the agent.
    pub why: String,
    /// A better wording, where there is one.
    pub better: Option<String>,
}

/// The level of every rule.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Levels(BTreeMap<Rule, Level>);

impl Levels {
    /// The level of a rule.
    #[must_use]
    pub fn of(&self, rule: Rule) -> Level {
        self.0.get(&rule).copied().unwrap_or_else(|| rule.default_level())
    }

    /// Sets the level of a rule.
    pub fn set(&mut self, rule: Rule, level: Level) {
        self.0.insert(rule, level);
    }
}

impl Default for Levels {
    fn default() -> Self {
        Self(Rule::ALL.map(|rule| (rule, rule.default_level())).into())
    }
}

/// What a team is careful about.
///
/// In the lists of words a word ending in `*` stands for all that begin so; case, accents and the
/// form of the apostrophe do not count.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Care {
    /// The level of every rule.
    pub levels: Levels,
    /// What may be promised without [`Rule::Refund`], in whole units of whichever currency is named.
    pub refund_limit: u64,
    /// Hosts that may be linked, each with all below it. With none, every link is a hint at most.
    pub links: Vec<String>,
    /// Names and handles of competitors.
    pub competitors: Vec<String>,
    /// Our own e-mail addresses, telephone numbers, and e-mail domains as `@example.com`.
    pub contacts: Vec<String>,
    /// Words and phrases that no rule of words minds: names of products, for example.
    pub allowed: Vec<String>,
    /// More words for the rules that take some ([`Rule::takes_words`]); for [`Rule::Apology`] words
    /// that count as one.
    pub words: BTreeMap<Rule, Vec<String>>,
}

impl Default for Care {
    fn default() -> Self {
        Self {
            levels: Levels::default(),
            refund_limit: 100,
            links: Vec::new(),
            competitors: Vec::new(),
            contacts: Vec::new(),
            allowed: Vec::new(),
            words: BTreeMap::new(),
        }
    }
}

impl Care {
    /// A team's own words for a rule.
    fn own(&self, rule: Rule) -> &[String] {
        self.words.get(&rule).map_or(&[], Vec::as_slice)
    }
}

/// What a rule found.
struct Hit {
    found: String,
    why: String,
    better: Option<String>,
    /// The most it asks for, whatever is configured.
    most: Level,
}

impl Hit {
    fn new(found: &str, why: impl Into<String>) -> Self {
        Self {
            found: shortened(found),
            why: why.into(),
            better: None,
            most: Level::Approve,
        }
    }

    fn better(mut self, better: Option<impl Into<String>>) -> Self {
        self.better = better.map(Into::into);
        self
    }

    fn at_most(mut self, level: Level) -> Self {
        self.most = level;
        self
    }
}

/// What the rules mind in a draft: the most severe first, at most one finding a rule.
///
/// Never fails, whatever the text.
#[must_use]
pub fn examine(draft: &Draft<'_>, care: &Care) -> Vec<Finding> {
    let scene = Scene::new(draft, care);
    let mut findings: Vec<Finding> = Rule::ALL
        .into_iter()
        .filter_map(|rule| find(rule, &scene, care))
        .collect();
    // A stable sort: rules of one level stay in their order.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    findings
}

fn find(rule: Rule, scene: &Scene<'_>, care: &Care) -> Option<Finding> {
    let level = care.levels.of(rule);
    let private = scene.draft.audience == Audience::Private;
    let level = if private && rule.is_about_publicity() {
        level.less()
    } else {
        level
    };
    if level == Level::Off {
        return None;
    }
    let hit = look(rule, scene, care)?;
    Some(Finding {
        rule,
        level: level.min(hit.most),
        found: hit.found,
        why: hit.why,
        better: hit.better,
    })
}

fn look(rule: Rule, scene: &Scene<'_>, care: &Care) -> Option<Hit> {
    match rule {
        Rule::Anger => tone::anger(scene, care),
        Rule::Blame => tone::blame(scene, care),
        Rule::Shouting => tone::shouting(scene),
        Rule::Profanity => profanity::profanity(scene, care),
        Rule::Sarcasm => tone::sarcasm(scene, care),
        Rule::NotResponsible => tone::not_responsible(scene, care),
        Rule::LegalPromise => promise::legal(scene, care),
        Rule::Refund => promise::refund(scene, care),
        Rule::CardNumber => personal::card(scene),
        Rule::EmailAddress => personal::email(scene, care),
        Rule::PhoneNumber => personal::phone(scene, care),
        Rule::OrderNumber => personal::order(scene),
        Rule::Link => reference::link(scene, care),
        Rule::Competitor => reference::competitor(scene, care),
        Rule::Placeholder => slip::placeholder(scene, care),
        Rule::Language => slip::language(scene),
        Rule::Apology => tone::apology(scene, care),
    }
}

/// The first words of a book, or of a team's own, that are not spared, with a better wording.
fn first<'b>(
    book: &'b phrase::Book,
    rule: Rule,
    scene: &Scene<'_>,
    care: &Care,
) -> Option<(Span, Option<&'b str>)> {
    let own = phrase::Index::of(care.own(rule)).all(&scene.words);
    let own = own.into_iter().map(|found| (found.span, None));
    let known = book.all(&scene.words);
    let known = known.into_iter().map(|found| {
        let better = book.better(&found);
        (found.span, better)
    });
    known
        .chain(own)
        .filter(|(span, _)| !scene.is_spared(span))
        .min_by_key(|(span, _)| span.start)
}
