//! Secrets stay out of what is written down.

use serde_json::Value;

/// What stands where a secret was.
pub const REDACTED: &str = "(redacted)";

/// A member whose name holds one of these is a secret, whatever its case and whether `-` or `_` is in between.
const NAMES: [&str; 14] = [
    "password",
    "passwd",
    "passphrase",
    "pwd",
    "secret",
    "token",
    "authorization",
    "apikey",
    "accesskey",
    "privatekey",
    "credential",
    "cookie",
    "hash",
    "sessionid",
];

/// The value without what looks like a secret: members by their names, and within texts the password of a URL and what
/// follows `Bearer` or `Basic`.
#[must_use]
pub fn redacted(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .map(|(name, value)| {
                    let value = if is_secret(&name) { hidden(value) } else { redacted(value) };
                    (name, value)
                })
                .collect(),
        ),
        Value::Array(values) => Value::Array(values.into_iter().map(redacted).collect()),
        Value::String(text) => Value::String(redacted_text(&text)),
        other => other,
    }
}

fn is_secret(name: &str) -> bool {
    let plain: String =
        name.chars().filter(|letter| letter.is_alphanumeric()).flat_map(char::to_lowercase).collect();
    NAMES.iter().any(|secret| plain.contains(secret))
}

/// A secret's place. Whether there is one may be told, and so may a plain yes or no.
fn hidden(value: Value) -> Value {
    match value {
        Value::Null | Value::Bool(_) => value,
        _ => Value::String(REDACTED.to_owned()),
    }
}

fn redacted_text(text: &str) -> String {
    let mut text = without_url_passwords(text);
    for scheme in ["bearer ", "basic "] {
        text = without_word_after(&text, scheme);
    }
    text
}

/// `scheme://user:password@host` without the password.
fn without_url_passwords(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at + "://".len());
        out.push_str(before);
        let end = after.find(|letter: char| letter == '/' || letter == '?' || letter.is_whitespace());
        let authority = &after[..end.unwrap_or(after.len())];
        match authority
            .rsplit_once('@')
            .and_then(|(login, _)| login.split_once(':').map(|(user, _)| (user, login)))
        {
            Some((user, login)) => {
                out.push_str(user);
                out.push(':');
                out.push_str(REDACTED);
                rest = &after[login.len()..];
            }
            None => rest = after,
        }
    }
    out.push_str(rest);
    out
}

fn without_word_after(text: &str, scheme: &str) -> String {
    // ASCII alone changes, so that places stay the same.
    let lower = text.to_ascii_lowercase();
    let mut out = String::with_capacity(text.len());
    let mut done = 0;
    while let Some(found) = lower[done..].find(scheme) {
        let start = done + found + scheme.len();
        let length = text[start..].find(|letter: char| letter.is_whitespace() || "'\",;".contains(letter));
        let end = length.map_or(text.len(), |length| start + length);
        out.push_str(&text[done..start]);
        // Shorter words are prose.
        out.push_str(if end - start >= 8 { REDACTED } else { &text[start..end] });
        done = end;
    }
    out.push_str(&text[done..]);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::redacted;

    #[test]
    fn secrets_are_found_by_their_names_however_deep() {
        let value = json!({
            "user": "ann", "Password": "x", "must_change_password": true,
            "headers": [{"X-Api-Key": 7, "accept": "text/plain"}],
            "env": {"DB_PASSWORD": "x", "AWS_SECRET_ACCESS_KEY": "x", "PATH": "/bin", "token": null},
        });
        let expected = json!({
            "user": "ann", "Password": "(redacted)", "must_change_password": true,
            "headers": [{"X-Api-Key": "(redacted)", "accept": "text/plain"}],
            "env": {"DB_PASSWORD": "(redacted)", "AWS_SECRET_ACCESS_KEY": "(redacted)", "PATH": "/bin", "token": null},
        });
        assert_eq!(redacted(value), expected);
    }

    #[test]
    fn secrets_within_texts_are_found_by_what_is_around_them() {
        for (text, expected) in [
            ("postgresql://me:hunter2@db/jobs", "postgresql://me:(redacted)@db/jobs"),
            ("get http://a:b:c@h/x and http://d@h/", "get http://a:(redacted)@h/x and http://d@h/"),
            ("http://host:80/a@b:c", "http://host:80/a@b:c"),
            ("curl -H 'Authorization: Bearer abcdef123'", "curl -H 'Authorization: Bearer (redacted)'"),
            ("basic facts, Basic dXNlcjpwYXNz", "basic facts, Basic (redacted)"),
            ("nothing secret, ärgerlich", "nothing secret, ärgerlich"),
        ] {
            assert_eq!(redacted(json!(text)), json!(expected));
        }
    }
}
