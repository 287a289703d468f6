//! What lies in `deploy/`: rendered, validated, run.

mod judging;
mod proxies;
