//! Threads, sockets and timers that drive replicas.
