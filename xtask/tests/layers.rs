//! Dependencies between crates point only down the list of ARCHITECTURE.md.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// From the top to the bottom.
const LAYERS: [&str; 10] =
    ["openvpc", "api", "control", "store", "flowlogs", "reach", "gateways", "datapath", "pipeline", "model"];

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap()
}

/// The crates that a manifest depends on to run; what tests use besides is free.
fn dependencies(layer: &str) -> BTreeSet<String> {
    let manifest = fs::read_to_string(root().join("crates").join(layer).join("Cargo.toml")).unwrap();
    let (_, after) = manifest.split_once("\n[dependencies]").unwrap();
    let section = after.split_once("\n[").map_or(after, |(section, _)| section);
    section
        .lines()
        .filter_map(|line| line.strip_prefix("openvpc-"))
        .map(|line| line.split(['.', ' ', '=']).next().unwrap().to_owned())
        .collect()
}

#[test]
fn every_crate_has_its_place_in_the_list() {
    let present: BTreeSet<String> =
        fs::read_dir(root().join("crates")).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    assert_eq!(present, LAYERS.iter().map(|layer| (*layer).to_owned()).collect());
}

#[test]
fn dependencies_point_only_downward() {
    for (place, layer) in LAYERS.iter().enumerate() {
        for dependency in dependencies(layer) {
            let below = LAYERS.iter().position(|other| *other == dependency).unwrap();
            assert!(below > place, "{layer} depends on {dependency}, which lies above it");
        }
    }
}

#[test]
fn the_architecture_page_lists_the_same_crates_in_the_same_order() {
    let page = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    let rows: Vec<&str> = page.lines().filter_map(|line| line.strip_prefix("| `")?.split('`').next()).collect();
    assert_eq!(rows, LAYERS);
}

#[test]
fn unsafe_code_lives_in_the_datapath_only() {
    for layer in LAYERS.iter().filter(|layer| **layer != "datapath") {
        let source = root().join("crates").join(layer).join("src");
        let entry = ["lib.rs", "main.rs"].into_iter().map(|name| source.join(name)).find(|path| path.exists()).unwrap();
        assert!(fs::read_to_string(entry).unwrap().contains("#![forbid(unsafe_code)]"), "{layer} doesn't forbid unsafe code");
    }
}
