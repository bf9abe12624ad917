//! Runs of artifacts.
