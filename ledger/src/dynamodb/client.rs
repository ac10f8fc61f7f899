//! Requests to DynamoDB.

use std::time::{Duration, SystemTime};

use serde_json::{Value, json};
use sparekey_policy::Timestamp;
use tokio::time::timeout;

use super::{
    Options,
    failure::{Exception, Failure},
    invalid, sign,
    table::Table,
    transport::{Request, Transport},
};
use crate::retention;

/// A table, and what sends the requests.
pub(super) struct Client<T> {
    table: Table,
    transport: T,
    pub(super) deadline: Duration,
    /// For one request, so that a lost one can be sent again on another connection.
    request: Duration,
    pub(super) retention: Option<Duration>,
}

/// The part of a partition that is read.
pub(super) struct Range<'a> {
    pub(super) partition: &'a str,
    /// From this sort key on, and up to that one, both included.
    pub(super) from: &'a str,
    pub(super) to: &'a str,
    pub(super) is_newest_first: bool,
    /// At most so many items.
    pub(super) limit: usize,
    /// Only rows that ended so.
    pub(super) ended: Option<&'a str>,
}

/// Items of a range.
pub(super) struct Page {
    pub(super) items: Vec<Value>,
    /// The key after which the rest begins; null after the last item.
    pub(super) next: Value,
}

/// The first sort key that a program uses; an empty one is invalid.
pub(super) const FIRST: &str = " ";

/// The end of any sort key: no other character sorts after it in UTF-8.
pub(super) const LAST: &str = "\u{10ffff}";

impl<T: Transport> Client<T> {
    pub(super) fn new(table: Table, transport: T, options: &Options) -> Self {
        let Options { deadline, retention, .. } = *options;
        let retention = retention.map(retention::at_least);
        Self { table, transport, deadline, request: deadline.mul_f32(0.4), retention }
    }

    pub(super) fn table(&self) -> &str {
        &self.table.name
    }

    /// Returns the outer error if there is no response, and the inner one if it is an exception.
    pub(super) async fn send(&self, operation: &str, body: &Value) -> Result<Result<Value, Exception>, Failure> {
        let body = body.to_string().into_bytes();
        // Signatures are valid for minutes around the true time, not that of a test.
        let now = Timestamp::from(SystemTime::now());
        let headers = sign::headers(&self.table, &format!("DynamoDB_20120810.{operation}"), &body, now);
        let request = Request { url: format!("{}/", self.table.endpoint), headers, body };
        let late = |_| Failure::Unknown(format!("DynamoDB: no response within {:?}", self.request));
        let response = timeout(self.request, self.transport.send(request)).await.map_err(late)??;
        if response.status != 200 {
            return Ok(Err(Exception::read(&response)));
        }
        let body =
            serde_json::from_slice(&response.body).map_err(|_| Failure::Unknown(invalid("response").to_string()))?;
        Ok(Ok(body))
    }

    /// Returns the item of a key; `None` if there is none.
    pub(super) async fn get(&self, pk: &str, sk: &str) -> Result<Option<Value>, Failure> {
        let body = json!({
            "TableName": self.table(), "Key": { "pk": { "S": pk }, "sk": { "S": sk } }, "ConsistentRead": true,
        });
        let mut response = self.send("GetItem", &body).await?.map_err(Exception::into_failure)?;
        Ok(response.get_mut("Item").map(Value::take))
    }

    /// Returns the items of a range, in the order of their sort keys or the reverse.
    pub(super) async fn query(&self, range: &Range<'_>) -> Result<Vec<Value>, Failure> {
        let (mut items, mut start) = (Vec::new(), Value::Null);
        loop {
            let left = Range { limit: range.limit.saturating_sub(items.len()), ..*range };
            let Page { items: found, next } = self.page(&left, &start).await?;
            items.extend(found);
            start = next;
            if start.is_null() || items.len() >= range.limit {
                return Ok(items);
            }
        }
    }

    /// Returns the items of a range after a key, from the first one on if it is null: at most 1 MB of them.
    pub(super) async fn page(&self, range: &Range<'_>, start: &Value) -> Result<Page, Failure> {
        let mut body = json!({
            "TableName": self.table(),
            "KeyConditionExpression": "pk = :pk AND sk BETWEEN :from AND :to",
            "ExpressionAttributeValues": {
                ":pk": { "S": range.partition }, ":from": { "S": range.from }, ":to": { "S": range.to },
            },
            "ConsistentRead": true,
            "ScanIndexForward": !range.is_newest_first,
        });
        if range.limit < 1_000_000 {
            body["Limit"] = json!(range.limit);
        }
        if let Some(ended) = range.ended {
            body["FilterExpression"] = json!("ended = :ended");
            body["ExpressionAttributeValues"][":ended"] = json!({ "S": ended });
        }
        if !start.is_null() {
            body["ExclusiveStartKey"] = start.clone();
        }
        let mut page = self.send("Query", &body).await?.map_err(Exception::into_failure)?;
        let Some(Value::Array(items)) = page.get_mut("Items").map(Value::take) else {
            return Err(Failure::Known(invalid("response")));
        };
        Ok(Page { items, next: page.get_mut("LastEvaluatedKey").map(Value::take).unwrap_or_default() })
    }
}
