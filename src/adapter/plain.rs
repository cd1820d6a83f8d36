//! HTML to plain text.
//!
//! Written here because of what matters in it: a link is shown with the address it leads to, never
//! under a false name; a mention with the whole handle; a page of hostile markup costs no more than
//! its length. (Renderers for terminals wrap lines, draw rules and tables as wide as the page, and
//! do not tell a mention from a link.)

/// The most characters kept of a post.
const LONGEST: usize = 40_000;

/// A link that names somebody.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named<'a> {
    /// Where it leads.
    pub url: &'a str,
    /// The whole handle, without its `@`.
    pub handle: &'a str,
}

/// The text of a page as a person reads it. `mentions`: the links in it that name somebody.
#[must_use]
pub fn plain(html: &str, mentions: &[Named<'_>]) -> String {
    let mut writer = Writer::new(mentions);
    let mut tags = Tags::default();
    let mut rest = html;
    while let Some(at) = rest.find('<') {
        writer.words(&rest[..at]);
        let (tag, after) = tags.read(&rest[at..]);
        match tag {
            Some(tag) => writer.tag(&tag),
            // A lone `<` is a character.
            None => writer.words("<"),
        }
        rest = after;
    }
    writer.words(rest);
    writer.finish()
}

/// Reads tags, one after another.
#[derive(Default)]
struct Tags {
    /// Whether quotes are no longer believed to hide a `>`. One search that ran to the end of the
    /// page is enough: hostile markup could ask for it in every tag.
    blunt: bool,
}

impl Tags {
    /// Reads the tag that `text` begins with; `None` where it is none. Comments are empty tags.
    fn read<'a>(&mut self, text: &'a str) -> (Option<Tag<'a>>, &'a str) {
        let inner = &text[1..];
        if let Some(comment) = inner.strip_prefix("!--") {
            let after = comment.find("-->").map_or("", |at| &comment[at + 3..]);
            return (Some(Tag::nothing()), after);
        }
        let end = inner.starts_with('/');
        let named = inner.trim_start_matches('/');
        if !named.starts_with(|c: char| c.is_ascii_alphabetic() || c == '!' || c == '?') {
            return (None, inner);
        }
        let Some(close) = self.closing(named) else {
            return (Some(Tag::nothing()), "");
        };
        let content = &named[..close];
        let cut = content
            .find(|c: char| c.is_ascii_whitespace() || c == '/')
            .unwrap_or(content.len());
        let tag = Tag {
            name: content[..cut].to_ascii_lowercase(),
            end,
            attributes: &content[cut..],
        };
        (Some(tag), &named[close + 1..])
    }

    /// Where the `>` of a tag is; one inside quotes does not count, as long as another follows.
    fn closing(&mut self, tag: &str) -> Option<usize> {
        if !self.blunt {
            let found = unquoted(tag);
            if found.is_some() {
                return found;
            }
            self.blunt = true;
        }
        tag.find('>')
    }
}

/// Where the first `>` outside of quotes is.
fn unquoted(tag: &str) -> Option<usize> {
    let mut quote = None;
    for (at, c) in tag.char_indices() {
        match (quote, c) {
            (None, '>') => return Some(at),
            (None, '"' | '\'') => quote = Some(c),
            (Some(open), c) if open == c => quote = None,
            (None | Some(_), _) => {}
        }
    }
    None
}

/// A start or end tag.
struct Tag<'a> {
    name: String,
    end: bool,
    attributes: &'a str,
}

impl Tag<'_> {
    fn nothing() -> Self {
        Self {
            name: String::new(),
            end: false,
            attributes: "",
        }
    }

    /// The decoded value of an attribute.
    fn attribute(&self, wanted: &str) -> Option<String> {
        let mut rest = self.attributes;
        loop {
            rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || c == '/');
            if rest.is_empty() {
                return None;
            }
            let cut = rest
                .find(|c: char| c.is_ascii_whitespace() || c == '=')
                .unwrap_or(rest.len());
            let name = &rest[..cut];
            rest = rest[cut..].trim_start();
            let mut value = "";
            if let Some(after) = rest.strip_prefix('=') {
                (value, rest) = attribute_value(after.trim_start());
            } else if cut == 0 {
                return None;
            }
            if name.eq_ignore_ascii_case(wanted) {
                return Some(decoded(value));
            }
        }
    }
}

fn attribute_value(text: &str) -> (&str, &str) {
    let quoted = text.chars().next().filter(|c| matches!(c, '"' | '\''));
    if let Some(quote) = quoted {
        let inner = &text[1..];
        return match inner.find(quote) {
            Some(at) => (&inner[..at], &inner[at + 1..]),
            None => (inner, ""),
        };
    }
    let cut = text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len());
    text.split_at(cut)
}

struct Anchor {
    href: String,
    mention: bool,
    text: String,
}

struct Writer<'a> {
    mentions: &'a [Named<'a>],
    out: String,
    /// Line breaks due before the next word.
    breaks: usize,
    /// A blank due before the next word.
    blank: bool,
    quotes: usize,
    preformatted: usize,
    /// Inside an element whose text nobody reads.
    hidden: Option<String>,
    anchor: Option<Anchor>,
}

impl<'a> Writer<'a> {
    fn new(mentions: &'a [Named<'a>]) -> Self {
        Self {
            mentions,
            out: String::new(),
            breaks: 0,
            blank: false,
            quotes: 0,
            preformatted: 0,
            hidden: None,
            anchor: None,
        }
    }

    fn words(&mut self, html: &str) {
        if self.hidden.is_some() || html.is_empty() {
            return;
        }
        let text = decoded(html);
        match &mut self.anchor {
            Some(anchor) => anchor.text.push_str(&text),
            None => self.text(&text),
        }
    }

    fn text(&mut self, text: &str) {
        for c in text.chars() {
            if c == '\n' && self.preformatted > 0 {
                self.breaks += 1;
            } else if c.is_ascii_whitespace() && self.preformatted == 0 {
                self.blank = true;
            } else {
                self.open_line();
                self.out.push(c);
            }
        }
    }

    /// Writes the breaks and the blank that are due.
    fn open_line(&mut self) {
        let starts = self.out.is_empty();
        if self.breaks > 0 || starts {
            if !starts {
                self.out.extend(std::iter::repeat_n('\n', self.breaks.min(2)));
            }
            self.out.extend(std::iter::repeat_n("> ", self.quotes.min(5)));
        } else if self.blank {
            self.out.push(' ');
        }
        self.breaks = 0;
        self.blank = false;
    }

    fn at_least(&mut self, breaks: usize) {
        self.breaks = self.breaks.max(breaks);
        self.blank = false;
    }

    fn tag(&mut self, tag: &Tag<'_>) {
        if let Some(hidden) = &self.hidden {
            if tag.end && *hidden == tag.name {
                self.hidden = None;
            }
            return;
        }
        match tag.name.as_str() {
            "a" => {
                self.close_anchor();
                if !tag.end {
                    self.open_anchor(tag);
                }
            }
            "br" => {
                self.close_line_in_anchor();
                self.breaks += 1;
                self.blank = false;
            }
            "p" | "h1" | "h2" | "h3" | "h4" | "h5" | "h6" | "ul" | "ol" | "table" | "hr" => self.at_least(2),
            "div" | "tr" | "dt" | "dd" | "section" | "article" => self.at_least(1),
            "li" => {
                self.at_least(1);
                if !tag.end {
                    self.open_line();
                    self.out.push_str("- ");
                }
            }
            "td" | "th" => self.blank = true,
            "blockquote" => {
                self.at_least(2);
                self.quotes = step(self.quotes, tag.end);
            }
            "pre" => {
                self.at_least(2);
                self.preformatted = step(self.preformatted, tag.end);
            }
            "img" => {
                if let Some(alt) = tag.attribute("alt") {
                    match &mut self.anchor {
                        Some(anchor) => anchor.text.push_str(&alt),
                        None => self.text(&alt),
                    }
                }
            }
            "script" | "style" | "template" | "noscript" | "iframe" | "svg" if !tag.end => {
                self.hidden = Some(tag.name.clone());
            }
            _ => {}
        }
    }

    fn open_anchor(&mut self, tag: &Tag<'_>) {
        let class = tag.attribute("class").unwrap_or_default();
        let mention = class
            .split_ascii_whitespace()
            .any(|class| matches!(class, "mention" | "hashtag"));
        self.anchor = Some(Anchor {
            href: tag.attribute("href").unwrap_or_default().trim().to_owned(),
            mention,
            text: String::new(),
        });
    }

    fn close_line_in_anchor(&mut self) {
        if let Some(anchor) = &mut self.anchor {
            anchor.text.push(' ');
        }
    }

    fn close_anchor(&mut self) {
        if let Some(anchor) = self.anchor.take() {
            let lead = anchor.text.starts_with(|c: char| c.is_ascii_whitespace());
            let trail = anchor.text.ends_with(|c: char| c.is_ascii_whitespace());
            self.blank |= lead;
            let shown = anchor.shown(self.mentions);
            self.text(&shown);
            self.blank |= trail;
        }
    }

    fn finish(mut self) -> String {
        self.close_anchor();
        match self.out.char_indices().nth(LONGEST) {
            Some((at, _)) => format!("{}…", &self.out[..at]),
            None => self.out,
        }
    }
}

fn step(depth: usize, end: bool) -> usize {
    if end { depth.saturating_sub(1) } else { depth + 1 }
}

impl Anchor {
    /// What a person reads: a mention's handle, an address, or words with their address behind.
    fn shown(&self, mentions: &[Named<'_>]) -> String {
        let text = self.text.split_whitespace().collect::<Vec<_>>().join(" ");
        if let Some(mention) = mentions.iter().find(|mention| mention.url == self.href)
            && !mention.handle.is_empty()
            && text.starts_with('@')
        {
            return format!("@{}", mention.handle);
        }
        let leads_somewhere = ["http://", "https://", "mailto:", "gemini://", "xmpp:"]
            .iter()
            .any(|scheme| self.href.starts_with(scheme));
        if self.mention || !leads_somewhere {
            return text;
        }
        if text.is_empty() || self.is_own_name(&text) {
            return self.href.clone();
        }
        format!("{text} ({})", self.href)
    }

    /// Whether the words are the address itself, perhaps without its scheme or cut short.
    fn is_own_name(&self, text: &str) -> bool {
        let bare = |url: &str| {
            let url = url.split_once("://").map_or(url, |(_, rest)| rest);
            let url = url.strip_prefix("mailto:").unwrap_or(url);
            url.trim_end_matches('/').to_owned()
        };
        let (href, text) = (bare(&self.href), bare(text));
        match text.strip_suffix('…').or_else(|| text.strip_suffix("...")) {
            Some(start) => start.contains('/') && href.starts_with(start),
            None => href == text,
        }
    }
}

/// Text with its character references decoded. A NUL becomes the replacement character.
fn decoded(html: &str) -> String {
    let mut out = String::with_capacity(html.len());
    let mut rest = html;
    while let Some(at) = rest.find('&') {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        match reference(rest) {
            Some((text, length)) => {
                out.push(text);
                rest = &rest[length..];
            }
            None => {
                out.push('&');
                rest = &rest[1..];
            }
        }
    }
    out.push_str(rest);
    if out.contains('\0') {
        out = out.replace('\0', "\u{FFFD}");
    }
    out
}

/// The character a reference stands for, and how long the reference is.
fn reference(text: &str) -> Option<(char, usize)> {
    let end = text.bytes().take(12).position(|byte| byte == b';')?;
    let name = &text[1..end];
    let char = match name.strip_prefix('#') {
        Some(number) => {
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok()?,
                None => number.parse().ok()?,
            };
            char::from_u32(code).unwrap_or('\u{FFFD}')
        }
        None => named(name)?,
    };
    Some((char, end + 1))
}

fn named(name: &str) -> Option<char> {
    Some(match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{A0}',
        "hellip" => '…',
        "ndash" => '–',
        "mdash" => '—',
        "lsquo" => '‘',
        "rsquo" => '’',
        "ldquo" => '“',
        "rdquo" => '”',
        "laquo" => '«',
        "raquo" => '»',
        "bull" => '•',
        "middot" => '·',
        "times" => '×',
        "deg" => '°',
        "euro" => '€',
        "pound" => '£',
        "copy" => '©',
        "reg" => '®',
        "trade" => '™',
        "auml" => 'ä',
        "ouml" => 'ö',
        "uuml" => 'ü',
        "Auml" => 'Ä',
        "Ouml" => 'Ö',
        "Uuml" => 'Ü',
        "szlig" => 'ß',
        "eacute" => 'é',
        "egrave" => 'è',
        "agrave" => 'à',
        "ccedil" => 'ç',
        "ntilde" => 'ñ',
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use rstest::rstest;

    fn ann() -> [Named<'static>; 1] {
        [Named {
            url: "https://remote.example/@ann",
            handle: "ann@remote.example",
        }]
    }

    #[rstest]
    #[case::paragraphs(
        "<p>The parcel is late.</p><p>Where is it?<br>Order 12</p>",
        "The parcel is late.\n\nWhere is it?\nOrder 12"
    )]
    #[case::references(
        "<p>a &lt;b&gt; &amp;amp; &quot;c&quot; &#39;d&#39; &#x1F600; &unknown; &</p>",
        "a <b> &amp; \"c\" 'd' 😀 &unknown; &"
    )]
    #[case::mention(
        r#"<p><span class="h-card" translate="no"><a href="https://remote.example/@ann" class="u-url mention">@<span>ann</span></a></span> hello</p>"#,
        "@ann@remote.example hello"
    )]
    #[case::unknown_mention(
        r#"<p><a href="https://x.example/@bob" class="u-url mention">@<span>bob</span></a> hi</p>"#,
        "@bob hi"
    )]
    #[case::hashtag(r#"<p>so <a href="https://a.example/tags/late" class="mention hashtag" rel="tag">#<span>late</span></a></p>"#, "so #late")]
    #[case::long_link(
        r#"<p>See <a href="https://shop.example/orders/2026/11/21/123456" target="_blank" rel="nofollow noopener"><span class="invisible">https://</span><span class="ellipsis">shop.example/orders/2026/11/21</span><span class="invisible">/123456</span></a>.</p>"#,
        "See https://shop.example/orders/2026/11/21/123456."
    )]
    #[case::short_link_of_others(
        r#"<a href="https://shop.example/orders/2026">shop.example/orders…</a>"#,
        "https://shop.example/orders/2026"
    )]
    #[case::false_name(
        r#"<a href="https://evil.example/login">bank.example</a>"#,
        "bank.example (https://evil.example/login)"
    )]
    #[case::script_link(r#"<a href="javascript:alert(1)">click</a>"#, "click")]
    #[case::custom_emoji("<p>nice :blobcat:</p>", "nice :blobcat:")]
    #[case::picture_emoji(r#"<p>nice <img src="x" alt=":blobcat:"></p>"#, "nice :blobcat:")]
    #[case::quote(
        "<blockquote><p>You promised.</p></blockquote><p>Well?</p>",
        "> You promised.\n\nWell?"
    )]
    #[case::list(
        "<p>Broken:</p><ul><li>lid</li><li>hinge</li></ul><p>Help</p>",
        "Broken:\n\n- lid\n- hinge\n\nHelp"
    )]
    #[case::preformatted("<pre><code>a  b\nc</code></pre>", "a  b\nc")]
    #[case::blanks("<p>one\n two   <b> three</b></p>", "one two three")]
    #[case::hidden(
        "<p>a</p><script>alert('<p>b</p>')</script><style>p{}</style><p>c</p>",
        "a\n\nc"
    )]
    #[case::comment("a<!-- <p>b</p> -->c", "ac")]
    #[case::unclosed("<p>a <a href=\"https://b.example", "a")]
    #[case::lone("1 < 2 and 3 > 2", "1 < 2 and 3 > 2")]
    #[case::rule("a<hr>b", "a\n\nb")]
    #[case::nul("a&#0;b", "a\u{FFFD}b")]
    #[case::no_markup("It broke.", "It broke.")]
    #[case::empty("", "")]
    fn a_post_reads_as_its_author_meant_it(#[case] html: &str, #[case] text: &str) {
        assert_eq!(plain(html, &ann()), text);
    }

    #[test]
    fn a_very_long_post_is_cut() {
        let text = plain(&"ä".repeat(50_000), &[]);
        assert_eq!(text.chars().count(), LONGEST + 1);
        assert!(text.ends_with('…'));
    }

    /// Each of these tags would be searched to the end of the page, which is a day's work.
    #[test]
    fn quotes_that_hide_every_end_are_searched_once() {
        let mut tags = Tags::default();
        let hostile = "<a\">\"".repeat(3);
        let (_, rest) = tags.read(&hostile);
        assert_eq!((rest, tags.blunt), ("\"<a\">\"<a\">\"", true));
        let (tag, rest) = tags.read("<a title=\"1 > 0\">b</a>");
        assert_eq!((tag.unwrap().attributes, rest), (" title=\"1 ", " 0\">b</a>"));

        let page = "<a\">\"".repeat(200_000);
        assert_eq!(plain(&page, &[]), format!("{}…", "\"".repeat(LONGEST)));
    }

    #[test]
    fn a_quoted_end_does_not_end_a_tag() {
        assert_eq!(plain("<p title=\"1 > 0\">b</p>", &[]), "b");
    }

    proptest! {
        #[test]
        fn no_markup_makes_it_panic(html in "([<>/a-z\"'= &#;!-]|p|br|blockquote|pre|\\PC){0,80}") {
            let _ = plain(&html, &ann());
        }

        #[test]
        fn escaped_words_come_back(words in proptest::collection::vec("[^\\s\\x00]{1,10}", 1..10)) {
            let text = words.join(" ");
            let html = text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;");
            prop_assert_eq!(plain(&format!("<p>{html}</p>"), &[]), text);
        }
    }
}
