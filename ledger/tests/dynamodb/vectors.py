"""Prints src/dynamodb/sign/vectors.txt: signatures by botocore 1.44, a tab between the fields of a line."""

import datetime
from unittest import mock

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

TOKEN = "IQoJb3JpZ2luX2VjEJr//////////wEaCXVzLWVhc3QtMSJHMEUCIQ+/=="
VECTORS = [
    ("us-east-1", "https://dynamodb.us-east-1.amazonaws.com", "", "GetItem", "{}", "20261127T120000Z"),
    ("us-east-1", "https://dynamodb.us-east-1.amazonaws.com", TOKEN, "GetItem", "{}", "20261127T120000Z"),
    ("eu-central-1", "https://dynamodb.eu-central-1.amazonaws.com", TOKEN, "PutItem",
     '{"TableName":"sparekey","Item":{"pk":{"S":"u#Tom"}}}', "20270101T000000Z"),
    ("cn-north-1", "https://dynamodb.cn-north-1.amazonaws.com.cn", "", "TransactWriteItems",
     '{"TransactItems":[{"Put":{"Item":{"model":{"S":"größer"}}}}]}', "20280229T235959Z"),
    ("us-west-2", "http://127.0.0.1:5000", TOKEN, "Query", '{"Limit":1}', "20261231T030405Z"),
    ("us-gov-west-1", "https://vpce-1.dynamodb.us-gov-west-1.vpce.amazonaws.com:8443", "", "UpdateItem", "", "20261127T120000Z"),
]

for region, endpoint, token, operation, body, time in VECTORS:
    request = AWSRequest("POST", endpoint + "/", data=body.encode(), headers={
        "Content-Type": "application/x-amz-json-1.0", "X-Amz-Target": "DynamoDB_20120810." + operation,
    })
    credentials = Credentials("AKIDEXAMPLE", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", token or None)
    now = datetime.datetime.strptime(time, "%Y%m%dT%H%M%SZ").replace(tzinfo=datetime.timezone.utc)
    with mock.patch("botocore.auth.get_current_datetime", lambda **_: now):
        botocore.auth.SigV4Auth(credentials, "dynamodb", region).add_auth(request)
    assert request.headers["X-Amz-Date"] == time
    print(region, endpoint, token, operation, body, int(now.timestamp()), request.headers["Authorization"], sep="\t")
