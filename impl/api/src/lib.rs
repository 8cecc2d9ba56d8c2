//! DynamoDB JSON and expressions: pure translation, no I/O.
