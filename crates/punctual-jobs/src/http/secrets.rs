//! Secrets that calls send: each is in a file of its own, is read at each call, and goes to one origin only.
//!
//! A job names them, so that neither the store nor the API hold them. Whoever may change a job could send them to an
//! address of theirs if it were not for the origin.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use reqwest::Url;
use reqwest::header::HeaderValue;

/// A secret.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Secret {
    file: PathBuf,
    origin: Url,
    prefix: String,
}

impl Secret {
    /// What the file holds, without a line end at its end, behind a prefix such as `Bearer `, for `https://HOST[:PORT]`.
    ///
    /// # Errors
    ///
    /// `origin: ..` when that is none.
    pub fn new(file: &Path, origin: &str, prefix: &str) -> Result<Self, String> {
        let wrong =
            || format!("origin is {origin:?}: give a scheme and a host such as https://api.example.org");
        let url = Url::parse(origin).map_err(|_| wrong())?;
        let bare = matches!(url.scheme(), "http" | "https") && url.path() == "/" && url.username().is_empty();
        if !bare || url.password().is_some() || url.query().is_some() || url.fragment().is_some() {
            return Err(wrong());
        }
        Ok(Self { file: file.to_owned(), origin: url, prefix: prefix.to_owned() })
    }
}

/// The secrets of a program by name.
#[derive(Clone, Debug, Default)]
pub struct Secrets(BTreeMap<String, Secret>);

impl Secrets {
    /// These.
    pub fn new(secrets: BTreeMap<String, Secret>) -> Self {
        Self(secrets)
    }

    /// A secret for a call of this address.
    pub(super) fn find(&self, name: &str, url: &Url) -> Result<&Secret, String> {
        let secret = self.0.get(name).ok_or_else(|| {
            format!(
                "there is no secret {name:?} on this node: its configuration file names them under [secrets]"
            )
        })?;
        if secret.origin.origin() != url.origin() {
            let (own, other) = (secret.origin.origin(), url.origin());
            return Err(format!(
                "the secret {name:?} is for {}, and is not sent to {}",
                own.ascii_serialization(),
                other.ascii_serialization()
            ));
        }
        Ok(secret)
    }
}

impl Secret {
    /// The value of a header with this secret, of this name.
    pub(super) fn header(&self, name: &str) -> Result<HeaderValue, String> {
        let path = self.file.display();
        let text = std::fs::read_to_string(&self.file)
            .map_err(|error| format!("the secret {name:?}: cannot read {path}: {error}"))?;
        let text = text.trim_end_matches(['\r', '\n']);
        if text.is_empty() {
            return Err(format!("the secret {name:?}: {path} is empty"));
        }
        let mut value = HeaderValue::from_str(&format!("{}{text}", self.prefix))
            .map_err(|_| format!("the secret {name:?}: {path} has characters that a header cannot have"))?;
        value.set_sensitive(true);
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_secret_goes_to_its_origin_only() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("token");
        let secret = Secret::new(&file, "https://api.example.org", "Bearer ").unwrap();
        let secrets = Secrets::new(BTreeMap::from([("partner".to_owned(), secret)]));
        let header = |url: &str| {
            secrets.find("partner", &url.parse().unwrap()).and_then(|secret| secret.header("partner"))
        };
        let url = "https://api.example.org:443/a?b";
        let missing = header(url).unwrap_err();
        assert!(missing.contains("token") && missing.contains("\"partner\""), "{missing}");
        for (text, says) in [("\n", "is empty"), ("hu\nsh", "characters")] {
            std::fs::write(&file, text).unwrap();
            let error = header(url).unwrap_err();
            assert!(error.contains(says) && !error.contains("hu\n"), "{error}");
        }
        std::fs::write(&file, "hush\r\n").unwrap();
        let value = header(url).unwrap();
        assert!(value.to_str().unwrap() == "Bearer hush" && value.is_sensitive());
        for other in
            ["http://api.example.org/", "https://api.example.org:8443/", "https://api.example.org.evil/"]
        {
            let error = header(other).unwrap_err();
            assert!(error.contains("is for https://api.example.org, and"), "{error}");
        }
        assert!(secrets.find("other", &url.parse().unwrap()).unwrap_err().contains("[secrets]"));
    }

    #[test]
    fn an_origin_is_a_scheme_and_a_host() {
        for wrong in
            ["api.example.org", "ftp://h", "https://h/path", "https://me@h", "https://h?x", "https://h#x"]
        {
            let error = Secret::new(Path::new("f"), wrong, "").unwrap_err();
            assert!(error.starts_with("origin is") && error.contains(wrong), "{error}");
        }
    }
}
