//! Manual pages as plain text: what a person reads of a page, in the man macros that it is written
//! in, without their typography.

/// The text of a page.
///
/// Paragraphs are one line each, so that a page has the same form in every language. Tables and
/// what only a typesetter needs are left out.
pub fn text_of(page: &str) -> String {
    let mut text = Text::default();
    let mut table = false;
    for line in page.lines() {
        let line = line.trim_end();
        match line.strip_prefix(['.', '\'']).map(str::trim_start) {
            Some(request) => {
                let (name, rest) = request.split_once([' ', '\t']).unwrap_or((request, ""));
                table = (table || name == "TS") && name != "TE";
                if !table {
                    text.request(name, rest.trim());
                }
            }
            None if table => {}
            None if text.literal => text.line(&plain(line)),
            None if line.is_empty() => text.paragraph(),
            None => text.words(&plain(line)),
        }
    }
    text.paragraph();
    text.out
}

#[derive(Default)]
struct Text {
    out: String,
    open: String,
    literal: bool,
}

impl Text {
    fn request(&mut self, name: &str, rest: &str) {
        match name {
            "SH" | "SS" => {
                self.paragraph();
                self.line(&plain(&arguments(rest).join(" ")));
            }
            "PP" | "P" | "LP" | "sp" | "TP" | "TQ" | "HP" | "RS" | "RE" | "br" => self.paragraph(),
            "IP" => {
                self.paragraph();
                if let Some(tag) = arguments(rest).first() {
                    self.words(&plain(tag));
                }
            }
            "nf" | "EX" => {
                self.paragraph();
                self.literal = true;
            }
            "fi" | "EE" => self.literal = false,
            "B" | "I" | "SM" | "SB" => self.styled(&arguments(rest).join(" ")),
            "BR" | "RB" | "BI" | "IB" | "IR" | "RI" => self.styled(&arguments(rest).concat()),
            _ => {}
        }
    }

    fn styled(&mut self, text: &str) {
        match self.literal {
            true => self.line(&plain(text)),
            false => self.words(&plain(text)),
        }
    }

    fn line(&mut self, line: &str) {
        self.out.push_str(line);
        self.out.push('\n');
    }

    /// More of the paragraph. Chinese and Japanese have no space where a line of theirs ends.
    fn words(&mut self, words: &str) {
        let words = words.trim();
        let wide = |c: Option<char>| c.is_some_and(|c| ('\u{2e80}'..='\u{ffef}').contains(&c));
        let ends = self.open.chars().next_back();
        if ends.is_some() && !(wide(ends) && wide(words.chars().next())) {
            self.open.push(' ');
        }
        self.open.push_str(words);
    }

    fn paragraph(&mut self) {
        if !self.open.is_empty() {
            let open = std::mem::take(&mut self.open);
            self.line(&open);
        }
    }
}

/// The arguments of a request: words, or what stands in quotes.
fn arguments(text: &str) -> Vec<String> {
    let (mut found, mut word, mut quoted) = (Vec::new(), String::new(), false);
    let mut open = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // A comment ends the line; an escaped space is part of the word.
            '\\' if chars.peek() == Some(&'"') => break,
            '\\' => {
                open = true;
                word.push(c);
                word.extend(chars.next());
            }
            '"' if quoted && chars.peek() == Some(&'"') => word.extend(chars.next()),
            '"' => {
                open = true;
                quoted = !quoted;
            }
            ' ' | '\t' if !quoted => {
                if open {
                    found.push(std::mem::take(&mut word));
                }
                open = false;
            }
            c => {
                open = true;
                word.push(c);
            }
        }
    }
    if open {
        found.push(word);
    }
    found
}

/// Text without escapes.
fn plain(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        out.push_str(before);
        let mut chars = after.chars();
        let name = match chars.next() {
            None | Some('"') => return out,
            Some('f' | '*' | 'n' | 'm') => {
                let (name, left) = name_of(chars.as_str());
                rest = left;
                match name {
                    "lq" => out.push('“'),
                    "rq" => out.push('”'),
                    _ => {}
                }
                continue;
            }
            Some('s') => {
                let left = chars.as_str().trim_start_matches(['+', '-']);
                rest = left.trim_start_matches(|c: char| c.is_ascii_digit());
                continue;
            }
            Some('(' | '[') => {
                let (name, left) = name_of(after);
                rest = left;
                name
            }
            Some(c) => {
                rest = chars.as_str();
                match c {
                    'e' | '\\' => out.push('\\'),
                    '-' => out.push('-'),
                    ' ' | '~' | '0' => out.push(' '),
                    '\'' | '`' | '.' => out.push(c),
                    _ => {}
                }
                continue;
            }
        };
        out.push_str(&character(name));
    }
    out.push_str(rest);
    out
}

/// The name of an escape, `x`, `(xx` or `[…]`, and what follows.
fn name_of(text: &str) -> (&str, &str) {
    let after = |len: usize| {
        let end = text
            .char_indices()
            .nth(len)
            .map_or(text.len(), |(at, _)| at);
        text.split_at(end)
    };
    if let Some(long) = text.strip_prefix('[') {
        return long.split_once(']').unwrap_or((long, ""));
    }
    if text.starts_with('(') {
        let (name, rest) = after(3);
        return (name.get(1..).unwrap_or(""), rest);
    }
    after(1)
}

fn character(name: &str) -> String {
    let known = match name {
        "aq" => "'",
        "dq" => "\"",
        "lq" => "“",
        "rq" => "”",
        "oq" => "‘",
        "cq" => "’",
        "em" => "—",
        "en" => "–",
        "hy" => "-",
        "bu" => "•",
        "co" => "©",
        "ha" => "^",
        "ti" => "~",
        "ga" => "`",
        "rs" => "\\",
        "->" => "→",
        "<-" => "←",
        "<=" => "≤",
        ">=" => "≥",
        "+-" => "±",
        "mu" => "×",
        "mc" => "µ",
        "Fo" => "«",
        "Fc" => "»",
        _ => {
            let code = name
                .strip_prefix('u')
                .and_then(|code| u32::from_str_radix(code, 16).ok());
            return code
                .and_then(char::from_u32)
                .map(String::from)
                .unwrap_or_default();
        }
    };
    known.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_page_becomes_what_is_read() {
        let page = r#"'\" t
.\" A comment
.TH CAT 1 "today"
.SH NAME
cat \- join \fIfiles\fP
.SH "A \(lqlong\(rq HEADING"
Read
.BR cat (1)
and
.B "two words" more ,
or \(aqx\(aq\&.
.PP
.TS
a	b
.TE
.IP \(bu 2
An item\e with \s-1SIZES\s+1\"and a comment
.nf
  a  b
.fi
日本語の
.I 文字
と Latin
です
"#;
        let expected = "NAME\ncat - join files\nA “long” HEADING\n\
             Read cat(1) and two words more , or 'x'.\n\
             • An item\\ with SIZES\n  a  b\n日本語の文字と Latin です\n";
        assert_eq!(text_of(page), expected);
    }

    #[test]
    fn arguments_are_words_and_quotes() {
        assert_eq!(
            arguments(r#"a "b c" d\ e "f ""g"""#),
            ["a", "b c", r"d\ e", "f \"g\""]
        );
        assert_eq!(arguments(r#"a "" \" b"#), ["a", ""]);
    }
}
