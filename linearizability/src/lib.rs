//! Decides whether a recorded history is legal.
