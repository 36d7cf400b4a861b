//! Keys as arguments.

use punctual_core::key::DEFAULT_GROUP;

use super::Request;

/// The key of a job or a trigger.
#[derive(Clone, Debug, clap::Args)]
pub(crate) struct Key {
    /// GROUP.NAME (cut at the first dot), or the name of one in the group DEFAULT.
    key: String,
    /// The group, where that has dots; KEY is then the name alone.
    #[arg(long)]
    group: Option<String>,
}

impl Key {
    /// Group and name.
    pub(crate) fn parts(&self) -> (&str, &str) {
        match (&self.group, self.key.split_once('.')) {
            (Some(group), _) => (group, &self.key),
            (None, Some(parts)) => parts,
            (None, None) => (DEFAULT_GROUP, &self.key),
        }
    }

    /// Fills in `{group}` and `{name}`.
    pub(crate) fn fill(&self, request: Request) -> Request {
        let (group, name) = self.parts();
        request.at("group", group).at("name", name)
    }
}

impl std::fmt::Display for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let (group, name) = self.parts();
        write!(f, "{group}.{name}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_cut_as_the_api_cuts_them() {
        let key =
            |key: &str, group: Option<&str>| Key { key: key.to_owned(), group: group.map(str::to_owned) };
        for (key, shown) in [
            (key("nightly", None), ("DEFAULT", "nightly")),
            (key("reports.daily.eu", None), ("reports", "daily.eu")),
            (key("daily.eu", Some("a.b")), ("a.b", "daily.eu")),
        ] {
            assert_eq!(key.parts(), shown);
        }
    }
}
