//! Makes the artifact's library, and asks the C compiler for the sizes in its header.
use std::env;
use std::path::PathBuf;
use std::process::Command;

fn run(command: &mut Command) {
    let status = command.status().expect("the command starts");
    assert!(status.success(), "{command:?}: {status}");
}

fn main() {
    let out = PathBuf::from(env::var("OUT_DIR").unwrap());
    let artifact = PathBuf::from(env::var("CARGO_MANIFEST_DIR").unwrap()).join("artifact");
    let cc = env::var("CC").unwrap_or_else(|_| "cc".to_string());
    let files = ["conv_delay_256", "conv_delay_256_kernel", "conv_delay_256_tables", "conv_delay_256_selftest"];
    let sources = files.map(|file| artifact.join(format!("src/{file}.c")));
    let mut objects = Vec::new();
    for source in sources.iter().chain([&PathBuf::from("sizes.c")]) {
        let object = out.join(source.file_name().unwrap()).with_extension("o");
        run(Command::new(&cc)
            .args(["-std=c99", "-O2", "-fPIC", "-c", "-I"])
            .arg(artifact.join("include"))
            .arg(source)
            .arg("-o")
            .arg(&object));
        objects.push(object);
    }
    run(Command::new("ar").arg("rcs").arg(out.join("libconv_delay_256.a")).args(&objects));
    println!("cargo:rustc-link-search=native={}", out.display());
    println!("cargo:rustc-link-lib=static=conv_delay_256");
    println!("cargo:rerun-if-changed=artifact");
    println!("cargo:rerun-if-changed=sizes.c");
}
