//! How the square looks.

use super::LABEL;
use super::samples::{BRAND, BRAND_HANDLE, SAMPLES};
use super::square::{Item, MOST_NAME, MOST_TEXT, Square, Voice};
use crate::adapter::html::{avatar, time};
use maud::{Markup, html};

/// The most conversations shown.
const MOST_SHOWN: usize = 60;
/// The name a visitor writes under until they choose another.
const VISITOR: &str = "Sam Okafor";

/// The part of the page that stays; the feed is fetched into it.
pub(super) fn frame() -> Markup {
    html! {
        section.pane.square #square aria-labelledby="square-title" {
            header.pane-head {
                div.pane-name {
                    span.pane-mark.mark-square aria-hidden="true" { (icon_people()) }
                    div {
                        h2 #square-title { (LABEL) }
                        p.pane-sub { "The public side. Customers of " (BRAND) " talk here; you play them." }
                    }
                }
            }
            div.pane-scroll tabindex="-1" {
                form.composer #write-post method="post" action="/playground/write" autocomplete="off" {
                    label.field-name {
                        span { "Posting as" }
                        input name="name" value=(VISITOR) maxlength=(MOST_NAME) required list="customers" aria-label="Posting as";
                    }
                    textarea name="text" rows="2" required maxlength=(MOST_TEXT * 4) data-most=(MOST_TEXT)
                        placeholder={ "Complain to @" (BRAND_HANDLE) " in public…" } aria-label="Your post" {}
                    div.composer-foot {
                        span.form-say role="status" {}
                        span.count aria-live="off" data-count {}
                        button.primary type="submit" { "Post" }
                    }
                }
                div #feed data-live="/playground/feed" data-events="/playground/events" aria-live="polite" aria-busy="true" {
                    div.ghosts aria-hidden="true" { div.ghost {} div.ghost {} div.ghost {} }
                }
            }
        }
    }
}

/// The conversations.
pub(super) fn feed(square: &Square, arrived: Option<usize>) -> Markup {
    let conversations = square.conversations(MOST_SHOWN);
    html! {
        datalist #customers {
            @for name in square.customers().keys() { option value=(name) {} }
        }
        @if let Some(arrived) = arrived {
            div.arriving #arriving role="status" {
                span { "Sample customers are arriving" }
                progress max=(SAMPLES.len()) value=(arrived) aria-label="Samples arrived" {}
                span.arriving-count { (arrived) " of " (SAMPLES.len()) }
            }
        }
        @if conversations.is_empty() && arrived.is_none() {
            div.empty #square-empty {
                span.empty-mark aria-hidden="true" { (icon_people()) }
                h3 { "Nobody has written yet" }
                p { "Write the first post above. It appears here, and as a case in the team's chat." }
            }
        }
        @for (root, answers) in conversations {
            article.talk id={ "talk-" (root.id) } {
                (item(square, root))
                @if !answers.is_empty() {
                    div.answers {
                        @for answer in answers { (item(square, answer)) }
                    }
                }
            }
        }
    }
}

fn item(square: &Square, item: &Item) -> Markup {
    let official = item.voice == Voice::Brand;
    html! {
        div.post.official[official].private[item.private].gone[item.deleted] id=(item.id) tabindex="-1" {
            @match &item.voice {
                Voice::Customer(customer) => { (avatar(&customer.name)) }
                Voice::Brand => { span.avatar.brand aria-hidden="true" { "L" } }
            }
            div.post-body {
                div.post-head {
                    (who(item))
                    @if item.private { span.tag.tag-private { "Private" } }
                    @if item.edited_at.is_some() && !item.deleted { span.post-note { "edited" } }
                    a.post-time href={ "#" (item.id) } { (time(item.at)) }
                }
                @if item.deleted {
                    p.post-text.deleted { "This post was deleted by its author." }
                } @else {
                    p.post-text dir="auto" lang=[item.lang.as_deref()] { (crate::domain::message::inert(&item.text)) }
                    (actions(item, partner(square, item)))
                }
            }
        }
    }
}

fn who(item: &Item) -> Markup {
    html! {
        @match &item.voice {
            Voice::Customer(customer) => {
                bdi.post-name { (customer.name) }
                bdi.post-handle { "@" (customer.handle) }
            }
            Voice::Brand => {
                bdi.post-name { (BRAND) }
                span.tag.tag-official { (icon_check()) "Official" }
            }
        }
    }
}

/// The customer who would go on from here: who wrote it, or whom the brand answered.
fn partner<'a>(square: &'a Square, item: &'a Item) -> &'a str {
    match &item.voice {
        Voice::Customer(customer) => &customer.name,
        Voice::Brand => {
            let answered = item.to.as_ref().and_then(|to| square.item(to));
            answered.map_or("", |parent| partner(square, parent))
        }
    }
}

/// What a visitor may do with a post. The forms keep what is typed while the feed around them changes.
fn actions(item: &Item, name: &str) -> Markup {
    let own = item.voice != Voice::Brand;
    let id = item.id.as_str();
    html! {
        div.post-actions id={ "act-" (id) } data-keep=(item.text) {
            (opens(id, "reply", "Reply"))
            @if own {
                (opens(id, "edit", "Edit"))
                form.delete-box method="post" action="/playground/delete" data-sure="Really delete?" {
                    input type="hidden" name="id" value=(id);
                    button.quiet type="submit" { "Delete" }
                    span.form-say role="status" {}
                }
            }
            form.box hidden id={ "reply-" (id) } method="post" action="/playground/write" autocomplete="off" {
                input type="hidden" name="to" value=(id);
                label.field-name {
                    span { "Replying as" }
                    input name="name" value=(name) maxlength=(MOST_NAME) required list="customers" aria-label="Replying as";
                }
                textarea name="text" rows="2" required data-most=(MOST_TEXT) aria-label="Your reply" placeholder="Write a reply…" {}
                div.composer-foot { span.form-say role="status" {} button.primary type="submit" { "Reply" } }
            }
            @if own {
                form.box hidden id={ "edit-" (id) } method="post" action="/playground/edit" autocomplete="off" {
                    input type="hidden" name="id" value=(id);
                    textarea name="text" rows="3" required data-most=(MOST_TEXT) aria-label="Edit the post" { (item.text) }
                    div.composer-foot { span.form-say role="status" {} button.primary type="submit" { "Save" } }
                }
            }
        }
    }
}

/// A button that opens and closes one of a post's forms.
fn opens(id: &str, form: &str, label: &str) -> Markup {
    html! {
        button.quiet type="button" data-opens=(form) aria-controls={ (form) "-" (id) } aria-expanded="false" { (label) }
    }
}

fn icon_people() -> Markup {
    html! {
        svg viewBox="0 0 20 20" width="18" height="18" fill="none" stroke="currentColor" stroke-width="1.6" stroke-linecap="round" stroke-linejoin="round" {
            circle cx="7.2" cy="7" r="2.7" {}
            path d="M2.2 16c.5-2.9 2.4-4.4 5-4.4s4.5 1.5 5 4.4M13 4.6a2.6 2.6 0 0 1 0 4.9M14.6 12c1.8.5 2.9 1.8 3.2 4" {}
        }
    }
}

fn icon_check() -> Markup {
    html! {
        svg viewBox="0 0 12 12" width="11" height="11" fill="none" stroke="currentColor" stroke-width="1.8" stroke-linecap="round" stroke-linejoin="round" aria-hidden="true" {
            path d="M2.5 6.3 5 8.8l4.6-5.2" {}
        }
    }
}
