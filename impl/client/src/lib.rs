//! Client of a Ringleader cluster.
