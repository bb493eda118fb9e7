//! Outside text made safe for GitHub's Markdown: it mentions nobody, closes no issue, makes no link
//! and breaks no table.

/// `text` as it reads, on one line, for a paragraph, a list or a table. What Markdown, HTML or GitHub
/// gives a meaning to is written as a character reference. GitHub looks for mentions, issues and commits
/// only after references are resolved, so there an invisible joint keeps the parts apart.
pub fn escape(text: &str) -> String {
    let line = one_line(text);
    let mut escaped = String::with_capacity(line.len());
    let mut chars = line.char_indices().peekable();
    while let Some((at, c)) = chars.next() {
        let next = chars.peek().map(|(_, c)| *c);
        match c {
            '@' | '#' => escaped.push_str(&format!("{}\u{200b}", reference(c))),
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\\' | '`' | '*' | '_' | '[' | ']' | '|' | '~' | '$' => escaped.push_str(&reference(c)),
            // An address links itself by `://` or by `www.`.
            ':' if next == Some('/') => escaped.push_str("&#58;\u{200b}"),
            '.' if ends_with(&line[..at], "www") => escaped.push_str("&#46;\u{200b}"),
            // GH-12 is an issue.
            '-' if ends_with(&line[..at], "gh") => escaped.push_str("&#45;\u{200b}"),
            // At the start of a line these begin a list, or make a heading of the line before.
            '-' | '+' | '=' if at == 0 => escaped.push_str(&reference(c)),
            '.' | ')' if is_number(&line[..at]) => escaped.push_str(&reference(c)),
            _ => escaped.push(c),
        }
    }
    break_commit_names(&escaped)
}

fn reference(c: char) -> String {
    format!("&#{};", u32::from(c))
}

fn one_line(text: &str) -> String {
    let shown: String =
        text.chars().filter(|c| !is_invisible(*c)).map(|c| if c.is_control() { ' ' } else { c }).collect();
    shown.split_whitespace().collect::<Vec<_>>().join(" ")
}

fn ends_with(text: &str, end: &str) -> bool {
    text.len()
        .checked_sub(end.len())
        .and_then(|at| text.get(at..))
        .is_some_and(|t| t.eq_ignore_ascii_case(end))
}

/// True where a line begins with nothing but these digits: a list would start there.
fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit())
}

/// `text` as code, on one line. Inside a code span nothing is a mention or a link, so all that counts
/// is that the text cannot end it: the fence has more backticks than the longest run inside.
pub fn code(text: &str) -> String {
    let shown: String = text
        .chars()
        .filter(|c| !is_invisible(*c))
        .map(|c| if c.is_whitespace() || c.is_control() { ' ' } else { c })
        .collect();
    if shown.trim().is_empty() {
        return "(empty)".to_owned();
    }
    let longest = shown.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat(longest + 1);
    // Markdown takes one space off each end again, so a backtick at an end stays apart from the fence.
    let pad = if shown.starts_with(['`', ' ']) || shown.ends_with(['`', ' ']) { " " } else { "" };
    format!("{fence}{pad}{shown}{pad}{fence}")
}

/// [`code`] for a cell of a table, where a bar ends the cell even inside a code span.
pub fn code_in_table(text: &str) -> String {
    code(text).replace('|', "\\|")
}

/// `text` as a block of code with its lines, for logs. Inside a block nothing is a mention, a link or
/// markup; all that counts is that the text cannot end it: the fence has more backticks than any run inside.
pub fn block(text: &str) -> String {
    let shown: String = text
        .replace("\r\n", "\n")
        .chars()
        .filter(|c| !is_invisible(*c) && (!c.is_control() || matches!(c, '\n' | '\t')))
        .collect();
    let longest = shown.split(|c| c != '`').map(str::len).max().unwrap_or(0);
    let fence = "`".repeat((longest + 1).max(3));
    format!("{fence}text\n{}\n{fence}\n", shown.trim_matches('\n'))
}

/// Marks that change how a line is read without being seen: joints and directions of writing.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2069}' | '\u{feff}')
}

/// GitHub links a bare word of 7 to 40 hexadecimal digits that names a commit: a joint keeps it a word.
fn break_commit_names(text: &str) -> String {
    let mut broken = String::with_capacity(text.len());
    let mut word = String::new();
    for c in text.chars().chain([' ']) {
        if c.is_ascii_alphanumeric() {
            word.push(c);
            continue;
        }
        if (7..=40).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_hexdigit()) {
            broken.push_str(&word[..4]);
            broken.push('\u{200b}');
            broken.push_str(&word[4..]);
        } else {
            broken.push_str(&word);
        }
        word.clear();
        broken.push(c);
    }
    broken.pop();
    broken
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn outside_text_mentions_nobody_and_closes_nothing() {
        let escaped = escape("Thanks @torvalds, fixes #12, GH-12 and owner/repo#3");
        for harmful in ["@torvalds", "@", "#1", "#3", "GH-12"] {
            let seen = escaped.replace("&#", "");
            assert!(!seen.contains(harmful), "{harmful} in {escaped}");
        }
    }

    #[test]
    fn outside_text_makes_no_markup() {
        insta::assert_snapshot!(
            escape("[a](https://evil.example) | <img src=x> **b** `c` \\d\n\n# e").replace('\u{200b}', "^"),
            @"&#91;a&#93;(https&#58;^//evil.example) &#124; &lt;img src=x&gt; &#42;&#42;b&#42;&#42; &#96;c&#96; &#92;d &#35;^ e"
        );
    }

    #[test]
    fn an_ordinary_sentence_stays_as_it_is() {
        for text in ["Promote cli 3.6.5 to staging", "R (>= 4.5), non-standard: yes", "déjà vu – ok"] {
            assert_eq!(escape(text).replace("&gt;", ">"), text);
        }
    }

    #[test]
    fn addresses_lists_and_headings_do_not_happen() {
        let seen = |text| escape(text).replace('\u{200b}', "^");
        assert_eq!(seen("WWW.evil.example"), "WWW&#46;^evil.example");
        assert_eq!(seen("- item"), "&#45; item");
        assert_eq!(seen("1. item"), "1&#46; item");
        assert_eq!(seen("==="), "&#61;==");
    }

    #[test]
    fn a_bare_commit_name_links_to_nothing() {
        assert_eq!(escape("see deadbeef1").replace('\u{200b}', "^"), "see dead^beef1");
        assert_eq!(escape("see feed"), "see feed");
    }

    #[test]
    fn code_cannot_leave_its_span() {
        assert_eq!(code("1.0"), "`1.0`");
        assert_eq!(code("a`b"), "``a`b``");
        assert_eq!(code("`` x"), "``` `` x ```");
        assert_eq!(code("a\nb"), "`a b`");
        assert_eq!(code(""), "(empty)");
        assert_eq!(code_in_table("a|b"), "`a\\|b`");
    }

    proptest! {
        #[test]
        fn nothing_with_a_meaning_is_left(text in "\\PC*") {
            let escaped = escape(&text);
            let mut rest = escaped.as_str();
            while let Some(at) = rest.find('&') {
                prop_assert!(!rest[..at].contains(['@', '<', '>', '`', '*', '|', '[', '#', '\n']));
                let end = rest[at..].find(';').expect("a reference ends");
                rest = &rest[at + end + 1..];
            }
            prop_assert!(!rest.contains(['@', '<', '>', '`', '*', '|', '[', '#', '\n']));
        }

        #[test]
        fn a_block_is_ended_by_its_last_line_alone(text in "[a`<> \n\r]{0,40}") {
            let block = block(&text);
            let fence: String = block.chars().take_while(|c| *c == '`').collect();
            let lines: Vec<&str> = block.lines().collect();
            prop_assert!(fence.len() >= 3 && lines[lines.len() - 1] == fence);
            prop_assert!(lines[1..lines.len() - 1].iter().all(|line| !line.contains(&fence)));
        }

        #[test]
        fn a_code_span_holds_no_run_as_long_as_its_fence(text in "[a`| \n]{0,30}") {
            let span = code(&text);
            if span != "(empty)" {
                let fence = span.chars().take_while(|c| *c == '`').count();
                let inside = &span[fence..span.len() - fence];
                prop_assert!(inside.split(|c| c != '`').all(|run| run.len() < fence));
                prop_assert!(!inside.contains('\n'));
            }
        }
    }
}
