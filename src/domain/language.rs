//! Languages: of a text as it reads, and of a tag as networks write it.

use whatlang::Lang;

/// The fewest letters by which a language is told.
const LEAST_LETTERS: usize = 20;

/// Whether a tag such as `de` or `pt-BR` is of a language that texts are told by.
#[must_use]
pub fn is_known(tag: &str) -> bool {
    tagged(tag).is_some()
}

/// The language of a text, if it is long and clear enough.
pub(super) fn detected(text: &str) -> Option<Lang> {
    let letters = text.chars().filter(|c| c.is_alphabetic()).count();
    if letters < LEAST_LETTERS {
        return None;
    }
    let info = whatlang::detect(text)?;
    info.is_reliable().then(|| info.lang())
}

/// Whether two languages are the same, or so near that short texts do not tell them apart.
pub(super) fn akin(one: Lang, other: Lang) -> bool {
    let families: [&[Lang]; 6] = [
        &[Lang::Nob, Lang::Dan, Lang::Swe],
        &[Lang::Hrv, Lang::Srp, Lang::Slv],
        &[Lang::Ces, Lang::Slk],
        &[Lang::Ind, Lang::Jav],
        &[Lang::Hin, Lang::Mar, Lang::Nep],
        &[Lang::Spa, Lang::Cat],
    ];
    let together = |family: &&[Lang]| family.contains(&one) && family.contains(&other);
    one == other || families.iter().any(together)
}

/// The language of a tag such as `de` or `pt-BR`.
pub(super) fn tagged(tag: &str) -> Option<Lang> {
    let primary = tag.split(['-', '_']).next()?.to_ascii_lowercase();
    let code = match primary.as_str() {
        "en" => "eng",
        "de" => "deu",
        "fr" => "fra",
        "es" => "spa",
        "it" => "ita",
        "pt" => "por",
        "nl" => "nld",
        "sv" => "swe",
        "da" => "dan",
        "no" | "nb" | "nn" => "nob",
        "fi" => "fin",
        "pl" => "pol",
        "cs" => "ces",
        "sk" => "slk",
        "sl" => "slv",
        "hr" | "bs" => "hrv",
        "sr" => "srp",
        "hu" => "hun",
        "ro" => "ron",
        "bg" => "bul",
        "el" => "ell",
        "ru" => "rus",
        "uk" => "ukr",
        "be" => "bel",
        "lt" => "lit",
        "lv" => "lav",
        "et" => "est",
        "tr" => "tur",
        "ar" => "ara",
        "fa" => "pes",
        "he" => "heb",
        "hi" => "hin",
        "ja" => "jpn",
        "ko" => "kor",
        "zh" => "cmn",
        "id" => "ind",
        "vi" => "vie",
        "th" => "tha",
        "ca" => "cat",
        other => other,
    };
    Lang::from_code(code)
}
