//! Texts as the rules read them: in lower case, without accents, whatever the script; and where a word
//! ends in it. (A draft of ours is read otherwise, word by word and with contractions written out: see
//! `care`. Here as many texts come by as there are on a network.)

use unicode_normalization::char::{compose, decompose_compatible, is_combining_mark};

/// Puts the folded text into `out`, in place of what is there.
pub(super) fn fold(text: &str, out: &mut String) {
    out.clear();
    out.reserve(text.len());
    for c in text.chars() {
        if c.is_ascii() {
            plain(c, out);
        } else if !is_dropped(c, out) {
            decompose_compatible(c, |part| letter(part, out));
        }
    }
}

/// The same as a text of its own.
pub(super) fn folded(text: &str) -> String {
    let mut out = String::new();
    fold(text, &mut out);
    out
}

/// A character of ASCII. White space of any length counts as one space.
fn plain(c: char, out: &mut String) {
    match c {
        ' ' | '\t' | '\n' | '\r' | '\u{b}' | '\u{c}' => space(out),
        '`' => out.push('\''),
        _ => out.push(c.to_ascii_lowercase()),
    }
}

fn space(out: &mut String) {
    if !out.ends_with(' ') {
        out.push(' ');
    }
}

/// A part of a character that was taken apart.
fn letter(c: char, out: &mut String) {
    if c.is_ascii() {
        return plain(c, out);
    }
    if c.is_whitespace() {
        return space(out);
    }
    if is_dropped(c, out) {
        return;
    }
    // What belongs to the letter before it and stays: a nukta, a dakuten, the rest of a syllable of Hangul.
    if is_combining_mark(c) || matches!(c, '\u{1160}'..='\u{11ff}') {
        let whole = out.chars().next_back().and_then(|last| compose(last, c));
        if let Some(whole) = whole {
            out.pop();
            out.push(whole);
            return;
        }
    }
    for c in c.to_lowercase() {
        match c {
            'ß' => out.push_str("ss"),
            'œ' => out.push_str("oe"),
            'æ' => out.push_str("ae"),
            'ø' => out.push('o'),
            'ł' => out.push('l'),
            'đ' => out.push('d'),
            'ı' => out.push('i'),
            'ς' => out.push('σ'),
            'ٱ' => out.push('ا'),
            'ى' => out.push('ي'),
            'ة' => out.push('ه'),
            '\u{2018}' | '\u{2019}' | '\u{02bc}' | '\u{00b4}' => out.push('\''),
            _ if is_mark(c) => {}
            _ => out.push(c),
        }
    }
}

/// Whether nothing is kept of this: an accent, or what nobody sees. The breve of й is a letter's, not an
/// accent.
fn is_dropped(c: char, out: &mut String) -> bool {
    if c == '\u{306}' && out.ends_with('и') {
        out.pop();
        out.push('й');
        return true;
    }
    is_mark(c) || is_invisible(c)
}

/// Marks that people write or leave out: accents of Latin, Greek and Cyrillic, the points of Hebrew, the
/// vowels of Arabic. The vowel signs of other scripts make another word, and stay.
fn is_mark(c: char) -> bool {
    matches!(
        c,
        '\u{300}'..='\u{36f}'
            | '\u{483}'..='\u{487}'
            | '\u{591}'..='\u{5bd}'
            | '\u{5bf}'
            | '\u{5c1}'..='\u{5c2}'
            | '\u{5c4}'..='\u{5c5}'
            | '\u{5c7}'
            | '\u{610}'..='\u{61a}'
            | '\u{640}'
            | '\u{64b}'..='\u{65f}'
            | '\u{670}'
            | '\u{1ab0}'..='\u{1aff}'
            | '\u{1dc0}'..='\u{1dff}'
            | '\u{20d0}'..='\u{20ff}'
    )
}

/// What stands between letters without being seen.
fn is_invisible(c: char) -> bool {
    matches!(
        c,
        '\u{ad}'
            | '\u{200b}'..='\u{200f}'
            | '\u{202a}'..='\u{202e}'
            | '\u{2060}'..='\u{2069}'
            | '\u{fe00}'..='\u{fe0f}'
            | '\u{feff}'
    )
}

/// Whether two characters that stand side by side belong to one word. Scripts that are written without
/// spaces, or that hang their particles on, have no such edge: a word is found anywhere in them.
pub(super) fn are_joined(before: char, after: char) -> bool {
    let inside = |c: char| c == '_' || c.is_alphanumeric() || is_combining_mark(c);
    inside(before) && inside(after) && !is_unspaced(before) && !is_unspaced(after)
}

/// Thai, Lao, Myanmar, Khmer, Hangul, kana, bopomofo and Han.
fn is_unspaced(c: char) -> bool {
    matches!(
        c,
        '\u{e00}'..='\u{eff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1100}'..='\u{11ff}'
            | '\u{1780}'..='\u{17ff}'
            | '\u{3005}'..='\u{3007}'
            | '\u{3040}'..='\u{318f}'
            | '\u{31a0}'..='\u{31ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{ac00}'..='\u{d7ff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{20000}'..='\u{3ffff}'
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use rstest::rstest;
    use unicode_normalization::UnicodeNormalization as _;

    #[rstest]
    #[case::case_and_accents("CRÈME Brûlée", "creme brulee")]
    #[case::german("Größe STRASSE", "grosse strasse")]
    #[case::spaces("a \n\t b\u{a0}c", "a b c")]
    #[case::apostrophe("Don’t", "don't")]
    #[case::full_width("ＡＢＣ　１２", "abc 12")]
    #[case::half_width("ｶﾞｽ", "ガス")]
    #[case::kana_keeps_its_dakuten("か\u{3099}す", "がす")]
    #[case::turkish("İADE ıade", "iade iade")]
    #[case::greek("ΟΔΟΣ Άλφα", "οδοσ αλφα")]
    #[case::cyrillic("ЁЛКА мой", "елка мой")]
    #[case::hebrew("שָׁלוֹם", "שלום")]
    #[case::arabic("إعَادَة", "اعاده")]
    #[case::hindi_keeps_its_vowels("की का", "की का")]
    #[case::hangul("한글", "한글")]
    #[case::invisible("re\u{ad}fund 😡\u{fe0f}", "refund 😡")]
    fn texts_are_folded(#[case] text: &str, #[case] wanted: &str) {
        assert_eq!(folded(text), wanted);
        let apart: String = text.nfd().collect();
        assert_eq!(folded(&apart), wanted, "written with marks of their own");
        assert_eq!(folded(wanted), wanted, "once is enough");
    }

    /// A regex that minds no capitals finds what the folded literal finds. (Old forms of a letter, which
    /// have its capital and are never written, are not that letter here.)
    #[test]
    fn small_and_capital_letters_fold_alike() {
        for c in '\0'..=char::MAX {
            let small = c.to_lowercase().to_string();
            if small.to_uppercase() == c.to_string() && small.chars().count() == 1 && !is_mark(c) {
                assert_eq!(folded(&small), folded(&c.to_string()), "{c:?} {small:?}");
            }
        }
    }

    #[rstest]
    #[case('a', 'b', true)]
    #[case('a', '-', false)]
    #[case('é', '9', true)]
    #[case('क', 'ा', true)]
    #[case('n', '荷', false)]
    #[case('荷', '物', false)]
    #[case('송', '이', false)]
    fn words_have_edges_where_their_script_has(
        #[case] before: char,
        #[case] after: char,
        #[case] joined: bool,
    ) {
        assert_eq!(are_joined(before, after), joined);
    }
}
