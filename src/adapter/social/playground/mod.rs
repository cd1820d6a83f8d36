//! The playground source.
