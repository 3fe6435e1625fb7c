//! Nothing here: building this crate builds BoringSSL (see scripts/boringssl).
