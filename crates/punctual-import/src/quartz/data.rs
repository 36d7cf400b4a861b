//! `JOB_DATA`: a serialised `JobDataMap`, or text of `java.util.Properties` where `useProperties` is set.

use serde_json::{Map, Value as Json};

use crate::java::{self, Value};

/// The members, and what of them cannot be read.
pub(super) fn read(bytes: &[u8]) -> (Map<String, Json>, Vec<String>) {
    if bytes.is_empty() {
        return (Map::new(), Vec::new());
    }
    if !bytes.starts_with(&[0xac, 0xed]) {
        return (properties(bytes), Vec::new());
    }
    let value = match java::read(bytes) {
        Ok(value) => value,
        Err(error) => return (Map::new(), vec![format!("its data cannot be read: {error}")]),
    };
    if value == Value::Null {
        return (Map::new(), Vec::new());
    }
    let (json, unreadable) = value.plain();
    let mut problems: Vec<String> =
        unreadable.iter().map(|part| format!("its data {:?} is {}", part.path, part.what)).collect();
    match json {
        Some(Json::Object(map)) => (map, problems),
        Some(_) => {
            problems.push("its data is no map".to_owned());
            (Map::new(), problems)
        }
        None => (Map::new(), problems),
    }
}

/// The text form of `java.util.Properties`, in ISO 8859-1.
fn properties(bytes: &[u8]) -> Map<String, Json> {
    let text: String = bytes.iter().map(|byte| char::from(*byte)).collect();
    let mut map = Map::new();
    let mut lines = text.split(['\n', '\r']);
    while let Some(line) = lines.next() {
        let mut line = line.trim_start_matches([' ', '\t', '\u{c}']).to_owned();
        if line.is_empty() || line.starts_with(['#', '!']) {
            continue;
        }
        // An odd number of backslashes at the end joins the next line.
        while line.bytes().rev().take_while(|byte| *byte == b'\\').count() % 2 == 1 {
            line.pop();
            line.push_str(lines.next().unwrap_or_default().trim_start_matches([' ', '\t', '\u{c}']));
        }
        let (key, value) = split(&line);
        map.insert(unescape(key), Json::String(unescape(value)));
    }
    map
}

fn split(line: &str) -> (&str, &str) {
    let mut escaped = false;
    let end = line.find(|c| {
        let ends = !escaped && matches!(c, '=' | ':' | ' ' | '\t' | '\u{c}');
        escaped = !escaped && c == '\\';
        ends
    });
    let (key, rest) = line.split_at(end.unwrap_or(line.len()));
    let blank = [' ', '\t', '\u{c}'];
    let rest = rest.trim_start_matches(blank);
    (key, rest.strip_prefix(['=', ':']).unwrap_or(rest).trim_start_matches(blank))
}

fn unescape(text: &str) -> String {
    let mut units: Vec<u16> = Vec::new();
    let mut chars = text.chars();
    while let Some(c) = chars.next() {
        let plain = match (c, if c == '\\' { chars.next() } else { None }) {
            (_, Some('u')) => {
                let code: String = chars.by_ref().take(4).collect();
                units.push(u16::from_str_radix(&code, 16).unwrap_or(0xfffd));
                continue;
            }
            (_, Some('t')) => '\t',
            (_, Some('n')) => '\n',
            (_, Some('r')) => '\r',
            (_, Some('f')) => '\u{c}',
            (_, Some(other)) => other,
            (c, None) => c,
        };
        units.extend_from_slice(plain.encode_utf16(&mut [0; 2]));
    }
    String::from_utf16_lossy(&units)
}
