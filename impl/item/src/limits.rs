//! Every bound on items and expressions, as `DynamoDB` documents them.

/// Largest item, names and values together, in bytes.
pub const ITEM_SIZE_MAX: usize = 409_600;
/// Largest partition key value in bytes.
pub const PARTITION_KEY_SIZE_MAX: usize = 2_048;
/// Largest sort key value in bytes.
pub const SORT_KEY_SIZE_MAX: usize = 1_024;
/// Lists and maps inside each other, at most.
pub const NESTING_MAX: usize = 32;
/// Significant digits of a number.
pub const DIGITS_MAX: u32 = 38;
/// Decimal exponent of the first digit of the largest number, 9.99..e125.
pub const MAGNITUDE_MAX: i64 = 125;
/// Decimal exponent of the first digit of the smallest number, 1e-130.
pub const MAGNITUDE_MIN: i64 = -130;
/// Longest expression text in bytes.
pub const EXPRESSION_SIZE_MAX: usize = 4_096;
/// Bytes of all placeholders of an expression with what they stand for.
pub const SUBSTITUTIONS_SIZE_MAX: usize = 2 * 1_048_576;
/// Operators and functions in one expression, at most.
pub const OPERATORS_MAX: usize = 300;
/// Steps of a condition program: each operator and each function is one.
pub const CONDITION_STEPS_MAX: usize = OPERATORS_MAX;
/// Operands of one IN, at most.
pub const IN_OPERANDS_MAX: usize = 100;
/// Names and indexes in one document path, at most.
pub const PATH_LENGTH_MAX: usize = NESTING_MAX;
/// Parts of one projection and of one update, at most: each needs two bytes of an expression. A
/// legacy list of attributes is held to the same bound.
pub const PATHS_MAX: usize = EXPRESSION_SIZE_MAX / 2;
/// Bytes of items that one page of a query or a scan looks at, before filter and projection.
pub const PAGE_SIZE_MAX: usize = 1_048_576;
/// Segments of a parallel scan, at most.
pub const SEGMENTS_MAX: u32 = 1_000_000;
/// Keys in one batch of reads, over all tables.
pub const BATCH_GET_MAX: usize = 100;
/// Bytes of items in the answer to one batch of reads.
pub const BATCH_GET_SIZE_MAX: usize = 16 * 1_048_576;
/// Puts and deletes in one batch of writes, over all tables.
pub const BATCH_WRITE_MAX: usize = 25;
/// Operations in one transaction.
pub const TRANSACTION_MAX: usize = 100;
/// Bytes of items in one transaction.
pub const TRANSACTION_SIZE_MAX: usize = 4 * 1_048_576;
/// Local secondary indexes of a table.
pub const LOCAL_INDEXES_MAX: usize = 5;
/// Global secondary indexes of a table.
pub const GLOBAL_INDEXES_MAX: usize = 20;
/// Attributes that all indexes of a table include by name, together.
pub const INCLUDED_ATTRIBUTES_MAX: usize = 100;
/// Labels of a table.
pub const TAGS_MAX: usize = 50;
/// Shortest table name.
pub const TABLE_NAME_LENGTH_MIN: usize = 3;
/// Longest table name.
pub const TABLE_NAME_LENGTH_MAX: usize = 255;

// The order-preserving key form of a number has one byte for the magnitude.
const _: () = assert!(MAGNITUDE_MAX - MAGNITUDE_MIN == 255);
// Mantissas are a `u128`, which holds 38 digits and not 39.
const _: () = assert!(10_u128.pow(DIGITS_MAX) < u128::MAX);
