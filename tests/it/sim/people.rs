//! The people of a simulated day: customers, agents, an approver, a lead and one who may only look.

use super::Day;
use super::network::{Stand, address};
use hearback::app::*;
use hearback::domain::message::ReplyVerb;
use hearback::domain::*;
use std::collections::{BTreeSet, HashMap};

/// Who works here, and as what.
const TEAM: [(&str, Role); 5] = [
    ("Ada", Role::Agent),
    ("Ben", Role::Agent),
    ("Cleo", Role::Approver),
    ("Lee", Role::Lead),
    ("Vi", Role::Viewer),
];
const CUSTOMERS: [&str; 6] = ["ann", "bob", "cy", "dee", "eve", "fay"];
/// What agents say; some of it is minded.
const WORDS: [&str; 7] = [
    "We are sorry for the trouble, and look into it today",
    "Thank you for telling us, we are sorry",
    "Sorry! Please tell us more, and we will help",
    "We are sorry. It is fixed now",
    "YOU SHOULD HAVE READ THE MANUAL, THIS IS YOUR OWN FAULT!!!",
    "We are sorry and will refund you 900 EUR",
    "Sorry, {name}, we help you with {order}",
];

/// What agents meant, by the mark in their words.
#[derive(Default)]
pub struct Intents {
    /// Which case the words were for.
    pub cases: HashMap<String, CaseNumber>,
    /// Which of them were taken.
    pub taken: BTreeSet<String>,
    /// What customers wrote and was taken in.
    pub posts: Vec<(SourceName, NativeId)>,
    keys: u64,
}

/// The mark in a text: `m` and a number.
pub fn mark(text: &str) -> Option<&str> {
    text.split_whitespace().find(|word| {
        word.strip_prefix('m')
            .is_some_and(|rest| !rest.is_empty() && rest.bytes().all(|b| b.is_ascii_digit()))
    })
}

pub fn directory() -> Directory {
    let members = TEAM.map(|(name, role)| Member {
        agent: Agent {
            key: name.to_owned(),
            name: name.to_owned(),
        },
        role,
        identities: vec![Identity {
            chat: "chat".into(),
            user: name.to_owned(),
            workspace: None,
        }],
    });
    let home = |channel: &str| Home {
        chat: "chat".into(),
        channel: channel.into(),
    };
    Directory {
        alerts: Vec::new(),
        members: members.to_vec(),
        teams: vec![TeamEntry {
            name: "managers".into(),
            homes: vec![home("managers")],
            members: Vec::new(),
        }],
        homes: vec![home("home")],
        groups: Vec::new(),
    }
}

/// One of the networks needs a yes for everything.
pub fn approvals() -> Approvals {
    Approvals {
        sources: [(SourceName::new("id"), Approval::Always)].into(),
        ..Approvals::default()
    }
}

fn person(name: &str) -> Person {
    Person {
        chat: "chat".into(),
        user: name.to_owned(),
        workspace: String::new(),
        name: name.to_owned(),
        groups: Vec::new(),
    }
}

impl Day {
    /// One of the things of which a day is made.
    pub async fn something_happens(&mut self) {
        match self.dice.below(100) {
            0..14 => self.customer_writes().await,
            14..22 => self.customer_changes().await,
            22..48 => self.agent_answers().await,
            48..70 => self.somebody_presses().await,
            70..75 => self.agent_says("cancel").await,
            75..78 => self.agent_says("release").await,
            78..80 => self.agent_says("escalate").await,
            80..82 => self.agent_says("resolve").await,
            82..84 => self.agent_says("snooze").await,
            84..86 => self.lead_says("pause").await,
            86..89 => self.lead_says("resume").await,
            89..92 => self.a_network_goes_away(),
            92..95 => self.echoes_come().await,
            95..97 => self.a_native_answer(),
            _ => {
                if self.dice.happens(300) {
                    self.resume_all().await;
                }
            }
        }
    }

    fn any_network(&self) -> std::sync::Arc<super::Network> {
        std::sync::Arc::clone(self.dice.pick(&self.networks).unwrap())
    }

    fn a_network_goes_away(&self) {
        self.any_network().goes_away(self.dice.up_to(3_600));
    }

    async fn customer_writes(&mut self) {
        let network = self.any_network();
        let author = *self.dice.pick(&CUSTOMERS).unwrap();
        let mine: Vec<_> = network
            .written()
            .into_values()
            .filter(|written| written.author.as_str() == author)
            .map(|written| written.conversation)
            .collect();
        let known = self.dice.pick(&mine).cloned().filter(|_| self.dice.happens(500));
        let text = format!("It does not work, no. {}.", self.dice.below(1_000));
        let id = network.write(author, known, text);
        self.sees(&network, &id).await;
    }

    async fn sees(&mut self, network: &super::Network, id: &NativeId) {
        self.seen(&network.source, network.sighting(id)).await;
        self.intents.posts.push((network.source.clone(), id.clone()));
    }

    /// An edit, a deletion or a lock; the source may not be told of it.
    async fn customer_changes(&mut self) {
        let network = self.any_network();
        let ids: Vec<_> = network.written().into_keys().collect();
        let Some(id) = self.dice.pick(&ids).cloned() else {
            return;
        };
        let now = self.clock.now();
        match self.dice.below(10) {
            0..6 => network.change(&id, |written| {
                written.text += " Still not!";
                written.edited_at = Some(now);
            }),
            6..9 => network.change(&id, |written| written.deleted = true),
            _ => network.change(&id, |written| written.locked = true),
        }
        if self.dice.happens(600) {
            self.seen(&network.source, network.sighting(&id)).await;
        }
    }

    fn a_native_answer(&self) {
        let network = self.any_network();
        let ids: Vec<_> = network.written().into_keys().collect();
        if let Some(id) = self.dice.pick(&ids) {
            network.answer_natively(id);
        }
    }

    /// The network shows us what stands there of our replies. (Adapters keep back what else our account
    /// wrote.)
    async fn echoes_come(&mut self) {
        let network = self.any_network();
        for stand in network.stands() {
            let ours = stand.reply.is_some() && !stand.misplaced && !stand.hidden;
            if ours
                && self.dice.happens(300)
                && let Some(echo) = network.echo(&stand)
            {
                self.seen(&network.source, echo).await;
            }
        }
    }

    async fn any_case(&self) -> Option<CaseNumber> {
        let cases = self.store().latest_cases(30).await.unwrap();
        self.dice.pick(&cases).map(|case| case.number)
    }

    pub async fn says(&mut self, who: &str, input: Input) -> Response {
        self.intents.keys += 1;
        let given = Given {
            key: format!("chat:{}", self.intents.keys),
            by: person(who),
            place: Place {
                channel: None,
                thread: None,
            },
            input,
        };
        self.given(given).await
    }

    fn somebody(&self) -> &'static str {
        self.dice.pick(&TEAM).unwrap().0
    }

    /// Words for a case, with a mark by which they are known wherever they appear.
    fn words(&mut self, case: CaseNumber) -> (String, String) {
        let mark = format!("m{}", self.intents.cases.len());
        self.intents.cases.insert(mark.clone(), case);
        let words = self.dice.pick(&WORDS).unwrap();
        (format!("{words} {mark}"), mark)
    }

    async fn agent_answers(&mut self) {
        let Some(case) = self.any_case().await else {
            return;
        };
        let (text, mark) = self.words(case);
        let verb = if self.dice.happens(150) { "dm" } else { "reply" };
        let who = self.somebody();
        let line = Input::Text(format!("{verb} {} {text}", case.0));
        if let Response::Done(_) = self.says(who, line).await {
            self.intents.taken.insert(mark);
            self.tally.given += 1;
        }
    }

    async fn agent_says(&mut self, verb: &str) {
        let Some(case) = self.any_case().await else {
            return;
        };
        let line = match verb {
            "snooze" => format!("snooze {} 2h", case.0),
            "escalate" => format!("escalate {} managers please look", case.0),
            _ => format!("{verb} {}", case.0),
        };
        let who = self.somebody();
        self.says(who, Input::Text(line)).await;
    }

    async fn lead_says(&mut self, verb: &str) {
        // Sometimes somebody tries who may not.
        let who = if self.dice.happens(800) {
            "Lee"
        } else {
            self.somebody()
        };
        self.says(
            who,
            Input::Text(format!("{verb} lunch").replace("resume lunch", "resume")),
        )
        .await;
    }

    async fn somebody_presses(&mut self) {
        let buttons: Vec<_> = self
            .chat
            .buttons(40)
            .into_iter()
            .filter(|press| matches!(press, Press::Reply { .. }) || self.dice.happens(100))
            .collect();
        if let Some(press) = self.dice.pick(&buttons).cloned() {
            let who = self.somebody();
            self.presses(who, press).await;
        }
    }

    /// Presses a button as somebody who looks before saying what is there, and fills in its form.
    pub async fn presses(&mut self, who: &str, press: Press) -> Option<Response> {
        let mut found = None;
        if let Press::Reply { reply, verb, .. } = &press {
            let shown = self.shown(ReplyId(*reply)).await;
            match verb {
                ReplyVerb::There if shown.is_empty() => return None,
                ReplyVerb::NotThere | ReplyVerb::ConfirmNotThere if !shown.is_empty() => return None,
                ReplyVerb::There
                | ReplyVerb::NotThere
                | ReplyVerb::ConfirmNotThere
                | ReplyVerb::Send
                | ReplyVerb::Approve
                | ReplyVerb::Edit
                | ReplyVerb::Reject
                | ReplyVerb::Discard
                | ReplyVerb::GiveUp => {}
            }
            found = shown.into_iter().next();
        }
        let response = self.says(who, Input::Press(press.to_string())).await;
        let Response::Ask(form) = response else {
            return Some(response);
        };
        let mut marked = None;
        let text = match (found, form.verb.split('.').nth(1)) {
            (Some(stand), Some("is")) => address(&stand.id),
            (_, _) => {
                let (text, mark) = self.words(form.case);
                marked = Some(mark).filter(|_| matches!(form.verb.as_str(), "reply" | "dm"));
                text
            }
        };
        let filled = Input::Form {
            case: form.case,
            verb: form.verb,
            text,
            reply: form.reply,
        };
        let response = self.says(who, filled).await;
        if let (Response::Done(_), Some(mark)) = (&response, marked) {
            self.intents.taken.insert(mark);
        }
        Some(response)
    }

    /// What a person sees of a reply who looks at the network; also what was put elsewhere.
    pub async fn shown(&self, reply: ReplyId) -> Vec<Stand> {
        let stored = self.store().replies(&[reply]).await.unwrap();
        let Some(source) = stored.first().map(|reply| reply.source.clone()) else {
            return Vec::new();
        };
        let stands = self.network(&source).stands();
        let seen = |stand: &Stand| stand.reply == Some(reply) && !stand.hidden;
        stands.into_iter().filter(seen).collect()
    }
}
