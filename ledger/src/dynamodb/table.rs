//! The table, and how its requests are signed.

use std::fmt;

/// A table, its region and the credentials for it.
#[derive(Clone)]
pub struct Table {
    pub(super) name: String,
    pub(super) region: String,
    /// Scheme and authority.
    pub(super) endpoint: String,
    pub(super) credentials: Credentials,
}

#[derive(Clone)]
pub(super) struct Credentials {
    pub(super) access_key_id: String,
    pub(super) secret_access_key: String,
    pub(super) session_token: Option<String>,
}

/// Why a table cannot be used.
#[derive(Clone, Debug, Eq, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum TableError {
    /// It is not a name of a table.
    #[error("the name of a DynamoDB table has 3 to 255 letters, digits, _, - and .")]
    Name,
    /// A variable is missing.
    #[error("{0} is not set")]
    Missing(&'static str),
    /// The endpoint is not an address.
    #[error("{0} must be an address such as https://dynamodb.eu-central-1.amazonaws.com, without a path")]
    Endpoint(&'static str),
}

/// The variables that name another endpoint, the first one set wins
/// ([AWS](https://docs.aws.amazon.com/sdkref/latest/guide/feature-ss-endpoints.html)).
const ENDPOINTS: [&str; 2] = ["AWS_ENDPOINT_URL_DYNAMODB", "AWS_ENDPOINT_URL"];

/// Checks the name of a table.
///
/// # Errors
/// [`TableError::Name`]
pub fn check_name(name: &str) -> Result<(), TableError> {
    let is_allowed = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.".contains(&byte);
    let is_name = (3..=255).contains(&name.len()) && name.bytes().all(is_allowed);
    if is_name { Ok(()) } else { Err(TableError::Name) }
}

impl Table {
    /// Reads what belongs to a table from the standard variables of AWS: `AWS_REGION`, the credentials, and
    /// `AWS_ENDPOINT_URL_DYNAMODB` or `AWS_ENDPOINT_URL`.
    ///
    /// # Errors
    /// [`TableError`]
    pub fn from_env(name: &str, get: impl Fn(&str) -> Option<String>) -> Result<Self, TableError> {
        check_name(name)?;
        let read = |name: &str| get(name).map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
        let needed = |name| read(name).ok_or(TableError::Missing(name));
        let region = needed("AWS_REGION")?;
        let endpoint = ENDPOINTS.into_iter().find_map(|name| Some((name, read(name)?)));
        let endpoint = if let Some((name, url)) = endpoint {
            checked_endpoint(&url).ok_or(TableError::Endpoint(name))?
        } else {
            // See https://docs.aws.amazon.com/general/latest/gr/ddb.html.
            let suffix = if region.starts_with("cn-") { ".cn" } else { "" };
            format!("https://dynamodb.{region}.amazonaws.com{suffix}")
        };
        let credentials = Credentials {
            access_key_id: needed("AWS_ACCESS_KEY_ID")?,
            secret_access_key: needed("AWS_SECRET_ACCESS_KEY")?,
            session_token: read("AWS_SESSION_TOKEN"),
        };
        Ok(Self { name: name.to_owned(), region, endpoint, credentials })
    }

    /// Returns the name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Returns scheme and authority of the endpoint.
    #[must_use]
    pub fn endpoint(&self) -> &str {
        &self.endpoint
    }

    /// Host and port of the endpoint.
    pub(super) fn host(&self) -> &str {
        self.endpoint.split_once("://").map_or(&self.endpoint, |(_, host)| host)
    }
}

/// Scheme and authority of an address.
fn checked_endpoint(url: &str) -> Option<String> {
    let url = url.trim_end_matches('/');
    let host = url.strip_prefix("https://").or_else(|| url.strip_prefix("http://"))?;
    let is_host = |byte: u8| byte.is_ascii_alphanumeric() || b"-.:[]_".contains(&byte);
    (!host.is_empty() && host.bytes().all(is_host)).then(|| url.to_owned())
}

/// Without the credentials.
impl fmt::Debug for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { name, region, endpoint, credentials: _ } = self;
        let mut debug = f.debug_struct("Table");
        debug.field("name", name).field("region", region).field("endpoint", endpoint).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(name: &str, more: &[(&str, &str)]) -> Result<Table, TableError> {
        let set = [("AWS_REGION", "eu-central-1"), ("AWS_ACCESS_KEY_ID", "id"), ("AWS_SECRET_ACCESS_KEY", "hidden")];
        let find = |wanted: &str| more.iter().chain(&set).find(|(name, _)| *name == wanted);
        Table::from_env(name, |name| find(name).map(|(_, value)| (*value).to_owned()))
    }

    #[test]
    fn endpoint_of_the_region_or_of_a_variable() {
        for (more, endpoint) in [
            (&[][..], "https://dynamodb.eu-central-1.amazonaws.com"),
            (&[("AWS_REGION", "cn-north-1")], "https://dynamodb.cn-north-1.amazonaws.com.cn"),
            (&[("AWS_ENDPOINT_URL", "http://127.0.0.1:5000/")], "http://127.0.0.1:5000"),
            (&[("AWS_ENDPOINT_URL", "http://a"), ("AWS_ENDPOINT_URL_DYNAMODB", "https://b")], "https://b"),
            (&[("AWS_ENDPOINT_URL_DYNAMODB", " "), ("AWS_ENDPOINT_URL", "http://[::1]:1")], "http://[::1]:1"),
        ] {
            assert_eq!(table("sparekey", more).unwrap().endpoint, endpoint);
        }
        assert_eq!(table("sparekey", &[("AWS_ENDPOINT_URL", "http://a:1")]).unwrap().host(), "a:1");
    }

    #[test]
    fn invalid_values_are_errors() {
        for name in ["", "ab", "a/b", "tab le", &"x".repeat(256)] {
            assert_eq!(table(name, &[]).unwrap_err(), TableError::Name, "{name}");
        }
        for name in ["AWS_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"] {
            assert_eq!(table("sparekey", &[(name, "")]).unwrap_err(), TableError::Missing(name));
        }
        for url in ["dynamodb", "ftp://a", "https://", "http://a/b", "http://user@a"] {
            let error = table("sparekey", &[("AWS_ENDPOINT_URL", url)]).unwrap_err();
            assert_eq!(error, TableError::Endpoint("AWS_ENDPOINT_URL"), "{url}");
        }
    }

    #[test]
    fn credentials_are_not_shown() {
        assert!(!format!("{:?}", table("sparekey", &[]).unwrap()).contains("hidden"));
    }
}
