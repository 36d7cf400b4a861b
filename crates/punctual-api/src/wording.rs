//! What serde says about a value that does not fit, in the words of JSON and of whoever sent it.

/// What is wrong with a member.
#[derive(Debug, PartialEq)]
pub(crate) struct Said {
    /// The member, where the message names it.
    pub(crate) member: Option<String>,
    /// What goes on after its name.
    pub(crate) text: String,
}

/// Reads a message of serde; any other one stays as it is.
pub(crate) fn said(message: &str) -> Said {
    // The member is named, which says more than its place.
    let message = message.rsplit_once(" at line ").map_or(message, |(message, _)| message);
    let about = |start: &str| {
        let rest = message.strip_prefix(start)?;
        rest.split_once('`').map(|(name, rest)| (name.to_owned(), rest))
    };
    if let Some((member, _)) = about("missing field `") {
        return Said { member: Some(member), text: "is required".to_owned() };
    }
    if let Some((member, _)) = about("duplicate field `") {
        return Said { member: Some(member), text: "is given twice".to_owned() };
    }
    if let Some((member, rest)) = about("unknown field `") {
        let text = match rest.strip_prefix(", expected ") {
            Some(known) => format!("is unknown: there is {}", known.trim_start_matches("one of ")),
            None => "is unknown".to_owned(),
        };
        return Said { member: Some(member), text };
    }
    let text = if let Some((word, rest)) = about("unknown variant `") {
        let known = rest.strip_prefix(", expected ").unwrap_or("another word");
        format!("must be {known}, not `{word}`")
    } else if let Some(text) = mismatch(message) {
        text
    } else if message.starts_with("data did not match any variant") {
        "has none of the forms that it may have".to_owned()
    } else {
        message.to_owned()
    };
    Said { member: None, text }
}

/// A value of another type, or out of the range of its type.
fn mismatch(message: &str) -> Option<String> {
    let value = ["invalid type: ", "invalid value: "].iter().find_map(|start| message.strip_prefix(start));
    if let Some((given, expected)) = value.and_then(|value| value.rsplit_once(", expected ")) {
        let given = match given {
            "map" => "an object",
            "sequence" => "an array",
            "unit value" => "null",
            other => other,
        };
        return Some(format!("must be {}, not {given}", named(expected)));
    }
    let (_, expected) = message.strip_prefix("invalid length ")?.split_once(", expected ")?;
    Some(format!("must be {}", named(expected)))
}

/// What a type of Rust is in JSON.
fn named(expected: &str) -> &str {
    const OBJECTS: [&str; 6] =
        ["struct ", "tuple struct ", "struct variant ", "internally tagged enum ", "a map", "map"];
    if OBJECTS.iter().any(|start| expected.starts_with(start)) {
        return "an object";
    }
    match expected {
        "a sequence" => "an array",
        "u8" => "a whole number from 0 to 255",
        "u16" => "a whole number from 0 to 65535",
        "u32" => "a whole number from 0 to 4294967295",
        "u64" | "usize" => "a whole number, 0 or more",
        "i8" | "i16" | "i64" | "isize" => "a whole number",
        "i32" => "a whole number from -2147483648 to 2147483647",
        "f32" | "f64" => "a number",
        "unit" => "null",
        "string or map" => "a text, or an object with one member",
        "variant identifier" | "field identifier" => "a text",
        other if other.starts_with("enum ") => "a text, or an object with one member",
        other => other,
    }
}

/// A message without the name of the member that it is about, if it begins with it: the name stands before it already.
pub(crate) fn without_name(member: &str, message: String) -> String {
    let last = member.rsplit('.').next().unwrap_or(member);
    match message.strip_prefix(last).and_then(|rest| rest.strip_prefix(' ')) {
        Some(rest) => rest.to_owned(),
        None => message,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_speak_of_json() {
        for (message, member, text) in [
            ("missing field `kind` at line 1 column 2", Some("kind"), "is required"),
            ("duplicate field `a`", Some("a"), "is given twice"),
            ("unknown field `b`, expected `a` at line 1 column 4", Some("b"), "is unknown: there is `a`"),
            ("unknown field `b`, expected one of `a`, `c`", Some("b"), "is unknown: there is `a`, `c`"),
            ("unknown field `b`, there are no fields", Some("b"), "is unknown"),
            ("unknown variant `x`, expected `a` or `b`", None, "must be `a` or `b`, not `x`"),
            ("invalid type: integer `7`, expected a string", None, "must be a string, not integer `7`"),
            ("invalid type: sequence, expected struct RunBody", None, "must be an object, not an array"),
            ("invalid type: map, expected a sequence", None, "must be an array, not an object"),
            (
                "invalid value: integer `-1`, expected u64",
                None,
                "must be a whole number, 0 or more, not integer `-1`",
            ),
            ("invalid length 0, expected struct X with 7 elements", None, "must be an object"),
            (
                "data did not match any variant of untagged enum X",
                None,
                "has none of the forms that it may have",
            ),
            ("the zone is unknown", None, "the zone is unknown"),
        ] {
            let expected = Said { member: member.map(str::to_owned), text: text.to_owned() };
            assert_eq!(said(message), expected, "{message}");
        }
    }

    #[test]
    fn a_name_is_not_said_twice() {
        assert_eq!(without_name("against.end", "end 1 is before 2".to_owned()), "1 is before 2");
        assert_eq!(without_name("end", "ends".to_owned()), "ends");
    }
}
