//! How much of what a run reports is kept. One error of a hundred thousand lines must not fill the history.

use serde_json::Value;

/// The longest text inside details, in characters.
pub const MAX_TEXT: usize = 250;
/// The longest list inside details.
pub const MAX_LIST: usize = 50;
/// How deep details may be nested.
pub const MAX_DEPTH: usize = 16;
/// How large details may be in all, in bytes of JSON (about).
pub const MAX_DETAILS: usize = 64 * 1_024;
/// The longest message of a failure, in characters.
pub const MAX_FAILURE_MESSAGE: usize = 4_000;
/// The longest output that a run reports as such, in bytes.
pub const MAX_OUTPUT: usize = 1_024 * 1_024;

const ELLIPSIS: &str = "...";

/// Cuts a text to a number of characters, the dots at its end included.
pub fn shorten(mut text: String, most: usize) -> String {
    // Most texts are short, and counting characters is not free.
    if text.len() <= most || text.char_indices().nth(most).is_none() {
        return text;
    }
    let keep = most.saturating_sub(ELLIPSIS.len());
    let at = text.char_indices().nth(keep).map_or(text.len(), |(at, _)| at);
    text.truncate(at);
    text.push_str(ELLIPSIS);
    text
}

/// The end of a long text, at most [`MAX_OUTPUT`] bytes: what went wrong mostly stands there.
pub fn tail(text: String) -> String {
    let Some(mut at) = text.len().checked_sub(MAX_OUTPUT).filter(|at| *at > 0) else { return text };
    at += ELLIPSIS.len();
    while !text.is_char_boundary(at) {
        at += 1;
    }
    format!("{ELLIPSIS}{}", &text[at..])
}

/// The first lines, each cut.
pub fn lines(lines: Vec<String>, most: usize, each: usize) -> Vec<String> {
    lines.into_iter().take(most).map(|line| shorten(line, each)).collect()
}

/// Cuts details to the limits: texts to [`MAX_TEXT`], lists to [`MAX_LIST`], what is nested deeper than
/// [`MAX_DEPTH`] or lies beyond [`MAX_DETAILS`] in all to `"..."` or left out.
pub fn bounded(details: Value) -> Value {
    let mut room = MAX_DETAILS;
    cut(details, 0, &mut room)
}

fn cut(value: Value, depth: usize, room: &mut usize) -> Value {
    *room = room.saturating_sub(8);
    match value {
        Value::Array(_) | Value::Object(_) if depth >= MAX_DEPTH => Value::String(ELLIPSIS.to_owned()),
        Value::String(text) => {
            let text = shorten(text, MAX_TEXT);
            *room = room.saturating_sub(text.len());
            Value::String(text)
        }
        Value::Array(items) => {
            let mut kept = Vec::with_capacity(items.len().min(MAX_LIST));
            for item in items.into_iter().take(MAX_LIST) {
                if *room == 0 {
                    break;
                }
                kept.push(cut(item, depth + 1, room));
            }
            Value::Array(kept)
        }
        Value::Object(members) => {
            let mut kept = serde_json::Map::new();
            for (name, member) in members {
                if *room == 0 {
                    break;
                }
                let name = shorten(name, MAX_TEXT);
                *room = room.saturating_sub(name.len());
                kept.insert(name, cut(member, depth + 1, room));
            }
            Value::Object(kept)
        }
        plain => plain,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn texts_and_lists_are_cut() {
        let list: Vec<u32> = (0..100_000).collect();
        let cut =
            bounded(json!({"text": "ü".repeat(251), "exact": "x".repeat(250), "in": {"list": list}, "n": 1}));
        let text = cut["text"].as_str().unwrap();
        assert_eq!((text.chars().count(), text.ends_with("ü...")), (250, true));
        assert_eq!(cut["exact"].as_str().unwrap().len(), 250);
        assert_eq!(cut["in"]["list"].as_array().unwrap().len(), 50);
        assert_eq!(cut["n"], 1);
    }

    #[test]
    fn of_outputs_the_end_is_kept() {
        let long = format!("{}the end", "é".repeat(600_000));
        let kept = tail(long);
        assert!(kept.len() <= MAX_OUTPUT && kept.len() > MAX_OUTPUT - 4, "{}", kept.len());
        assert!(kept.starts_with("...é") && kept.ends_with("the end"));
        assert_eq!(tail("short".to_owned()), "short");
        assert_eq!(tail("x".repeat(MAX_OUTPUT)).len(), MAX_OUTPUT);
    }

    #[test]
    fn depth_and_size_have_an_end() {
        let mut deep = json!("bottom");
        for _ in 0..200 {
            deep = json!([deep]);
        }
        let cut = bounded(deep).to_string();
        assert!(cut.len() < 100 && cut.contains("..."), "{cut}");
        let wide: serde_json::Map<String, Value> =
            (0..10_000).map(|n| (format!("member {n:05}"), json!("x".repeat(100)))).collect();
        let size = bounded(Value::Object(wide)).to_string().len();
        assert!(size > MAX_DETAILS / 2 && size < MAX_DETAILS * 2, "{size}");
        let small = json!({"a": [1, null, true, {"b": "c"}]});
        assert_eq!(bounded(small.clone()), small);
    }
}
