//! Compiles the greeter's .proto with protox, so that nobody has to install `protoc`.

use std::error::Error;

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=proto");
    let files = protox::compile(["proto/helloworld.proto"], ["proto"])?;
    tonic_prost_build::compile_fds(files)?;
    Ok(())
}
