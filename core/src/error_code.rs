//! Codes of error responses that other crates compare.

/// The user's budget is spent, or does not suffice for the request. The upstream sends it if the owner's account has no quota
/// left ([OpenAI](https://platform.openai.com/docs/guides/error-codes)).
pub const INSUFFICIENT_QUOTA: &str = "insufficient_quota";

/// The upstream refuses the owner's credentials.
pub const UPSTREAM_AUTH_FAILED: &str = "upstream_auth_failed";
