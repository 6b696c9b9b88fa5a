//! placeholder
pub(crate) async fn metrics() -> Result<String, String> {
    Err("x".into())
}
pub(crate) async fn files() -> Result<String, String> {
    Err("x".into())
}
