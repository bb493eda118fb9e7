//! How connections are encrypted. reqwest is built without a provider of its own, so that the program
//! carries one only.

/// Makes ring the process's provider. To be called before the first HTTP client is made; calling it
/// again changes nothing.
pub fn prepare() {
    // The first provider that is installed wins, so an error only says that there is one already.
    let _ = rustls::crypto::ring::default_provider().install_default();
}
