//! One file as an HTTP answer: whole, a range of it, or "you have it already".

use std::fs::File;
use std::io::{Read, Result, Seek, SeekFrom};
use std::ops::Range;
use std::path::Path;
use std::time::UNIX_EPOCH;

/// The request's fields that matter here.
pub struct Asked {
    pub range: Option<String>,
    pub if_none_match: Option<String>,
}

pub struct Answer {
    pub status: u16,
    pub headers: Vec<(&'static str, String)>,
    pub length: usize,
    pub body: Box<dyn Read + Send>,
}

pub fn answer(path: &Path, asked: &Asked) -> Result<Answer> {
    let mut file = File::open(path)?;
    let data = file.metadata()?;
    let size = data.len();
    let time = data
        .modified()?
        .duration_since(UNIX_EPOCH)
        .map_or(0, |time| time.as_millis());
    let tag = format!("\"{size:x}-{time:x}\"");
    let mut headers = vec![
        ("Content-Type", media_type(path).to_owned()),
        ("Accept-Ranges", "bytes".to_owned()),
        ("Cache-Control", "no-cache".to_owned()),
        ("ETag", tag.clone()),
    ];
    if asked.if_none_match.as_deref() == Some(tag.as_str()) {
        return Ok(empty(304, headers));
    }
    match asked.range.as_deref().map(|range| parse_range(range, size)) {
        None | Some(Asks::Everything) => Ok(Answer {
            status: 200,
            headers,
            length: size as usize,
            body: Box::new(file.take(size)),
        }),
        Some(Asks::Part(part)) => {
            let length = part.end - part.start;
            headers.push((
                "Content-Range",
                format!("bytes {}-{}/{size}", part.start, part.end - 1),
            ));
            file.seek(SeekFrom::Start(part.start))?;
            Ok(Answer {
                status: 206,
                headers,
                length: length as usize,
                body: Box::new(file.take(length)),
            })
        }
        Some(Asks::Impossible) => {
            headers.push(("Content-Range", format!("bytes */{size}")));
            Ok(empty(416, headers))
        }
    }
}

fn empty(status: u16, headers: Vec<(&'static str, String)>) -> Answer {
    Answer {
        status,
        headers,
        length: 0,
        body: Box::new(std::io::empty()),
    }
}

#[derive(Debug, PartialEq)]
enum Asks {
    Part(Range<u64>),
    /// Not a single range of bytes: the standard lets a server ignore it.
    Everything,
    Impossible,
}

fn parse_range(text: &str, size: u64) -> Asks {
    let Some((first, last)) = text
        .trim()
        .strip_prefix("bytes=")
        .and_then(|range| range.split_once('-'))
    else {
        return Asks::Everything;
    };
    let part = match (first.parse::<u64>(), last.parse::<u64>()) {
        (Ok(first), Ok(last)) if last >= first => first..last.saturating_add(1).min(size),
        (Ok(first), Err(_)) if last.is_empty() => first..size,
        (Err(_), Ok(count)) if first.is_empty() => size.saturating_sub(count)..size,
        _ => return Asks::Everything,
    };
    if part.start < part.end {
        Asks::Part(part)
    } else {
        Asks::Impossible
    }
}

fn media_type(path: &Path) -> &'static str {
    match path.extension().and_then(|end| end.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("js" | "mjs") => "text/javascript; charset=utf-8",
        Some("css") => "text/css; charset=utf-8",
        Some("json" | "map" | "webmanifest") => "application/json",
        // Only with this type does the browser compile while the module arrives.
        Some("wasm") => "application/wasm",
        Some("svg") => "image/svg+xml",
        Some("png") => "image/png",
        Some("jpg" | "jpeg") => "image/jpeg",
        Some("webp") => "image/webp",
        Some("ico") => "image/x-icon",
        Some("woff2") => "font/woff2",
        Some("txt" | "md") => "text/plain; charset=utf-8",
        _ => "application/octet-stream",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_ranges() {
        let cases = [
            ("bytes=0-3", Asks::Part(0..4)),
            ("bytes=4-", Asks::Part(4..10)),
            ("bytes=-3", Asks::Part(7..10)),
            ("bytes=-99", Asks::Part(0..10)),
            ("bytes=8-99", Asks::Part(8..10)),
            ("bytes=10-", Asks::Impossible),
            ("bytes=-0", Asks::Impossible),
            ("bytes=5-2", Asks::Everything),
            ("bytes=0-1,4-5", Asks::Everything),
            ("items=0-3", Asks::Everything),
            ("bytes=0-18446744073709551615", Asks::Part(0..10)),
        ];
        for (text, wanted) in cases {
            assert_eq!(parse_range(text, 10), wanted, "{text}");
        }
    }
}
