//! Items, numbers, keys, condition expression trees and their evaluation.
