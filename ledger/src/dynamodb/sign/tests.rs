use super::*;

/// Signatures by botocore; `tests/dynamodb/vectors.py` prints them.
const VECTORS: &str = include_str!("vectors.txt");

#[test]
fn signatures_are_those_of_botocore() {
    let mut with_token = [0, 0];
    for line in VECTORS.lines() {
        let fields: Vec<_> = line.split('\t').collect();
        let [region, endpoint, token, operation, body, seconds, authorization] = fields[..] else { panic!("{line}") };
        let table = Table::from_env("sparekey", |name| {
            let value = match name {
                "AWS_REGION" => region,
                "AWS_ENDPOINT_URL" => endpoint,
                "AWS_ACCESS_KEY_ID" => "AKIDEXAMPLE",
                "AWS_SECRET_ACCESS_KEY" => "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY",
                "AWS_SESSION_TOKEN" => token,
                _ => return None,
            };
            Some(value.to_owned())
        });
        let now = Timestamp::from_seconds(seconds.parse().unwrap());
        let target = format!("DynamoDB_20120810.{operation}");
        let headers = headers(&table.unwrap(), &target, body.as_bytes(), now);
        let sent: Vec<_> = headers.iter().filter(|(name, _)| *name == "authorization").collect();
        assert_eq!(sent, [&("authorization", authorization.to_owned())]);
        with_token[usize::from(!token.is_empty())] += 1;
    }
    assert_eq!(with_token, [3, 3]);
}
