//! Worlds and bounds that explore the core machines exhaustively.
