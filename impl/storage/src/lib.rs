//! Write-ahead log and storage engines over a Disk trait.
