//! The people who write by themselves on an empty square, so that there is something to answer.

use super::journal::Customer;
use crate::domain::NativeId;
use std::time::Duration;

/// The brand that the square talks about. Invented.
pub(super) const BRAND: &str = "Larkspur Coffee";
/// How it is addressed.
pub(super) const BRAND_HANDLE: &str = "larkspur";

/// A post that arrives by itself.
pub(super) struct Sample {
    /// How long after the one before.
    pub after: Duration,
    pub name: &'static str,
    pub handle: &'static str,
    pub followers: i64,
    pub lang: &'static str,
    pub text: &'static str,
}

/// The samples, in order. One is in another language; one tries what hostile people try.
pub(super) const SAMPLES: [Sample; 5] = [
    Sample {
        after: Duration::from_secs(1),
        name: "Maya Lindqvist",
        handle: "mayalind",
        followers: 1_840,
        lang: "en",
        text: "@larkspur my subscription box is nine days late and your tracking page has said “label created” \
               since the 12th. I drink this stuff for a living. Where is my coffee?",
    },
    Sample {
        after: Duration::from_secs(3),
        name: "Tobias Ferreira",
        handle: "tobiasf",
        followers: 212,
        lang: "en",
        text: "Paid for oat milk at the Harbour Street @larkspur, got dairy, found out the hard way. Third time this \
               month. I'm lactose intolerant, not picky.",
    },
    Sample {
        after: Duration::from_secs(4),
        name: "Clara Weidmann",
        handle: "claraweid",
        followers: 96,
        lang: "de",
        text: "Hallo @larkspur, die neue Mahlgrad-Einstellung der App stürzt bei mir jedes Mal ab, wenn ich „Filter“ \
               wähle. Pixel 8, Android 16. Kommt da noch ein Update?",
    },
    Sample {
        after: Duration::from_secs(5),
        name: "Best Deals 4U",
        handle: "deals4u",
        followers: 3,
        lang: "en",
        text: "@everyone <!channel> URGENT refund waiting!! [free money](https://evil.example) \
               <script>alert('hi')</script> \u{202E}ytefas ruoy rof",
    },
    Sample {
        after: Duration::from_secs(6),
        name: "Priya Raman",
        handle: "priyabrews",
        followers: 23_900,
        lang: "en",
        text: "Credit where it's due: @larkspur replaced my cracked grinder without a single question. The new lid \
               rattles, though. Is that a known thing or did I draw the short straw?",
    },
];

impl Sample {
    /// Who writes it.
    pub(super) fn customer(&self) -> Customer {
        Customer {
            id: NativeId::new(format!("u-{}", self.handle)),
            handle: self.handle.to_owned(),
            name: self.name.to_owned(),
            followers: Some(self.followers),
        }
    }
}
