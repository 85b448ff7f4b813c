//! `cargo xtask model`: the service model as data, and the Rust code generated from it.

use std::fs;
use std::path::{Path, PathBuf};

use crate::{Outcome, project_root};

mod code;
mod naming;
mod service;
mod table;

use service::Service;

/// The usage line.
pub const SUMMARY: &str = "trim PATH | generate | check: trims a botocore service model, generates code from the trimmed one";

/// Services whose trimmed model lies in `crates/api/model`: our short name (that of the file and of `operations.txt`) and
/// AWS's `serviceId`.
const SERVICES: &[(&str, &str)] = &[
    ("acm", "ACM"),
    ("directconnect", "Direct Connect"),
    ("ec2", "EC2"),
    ("elbv2", "Elastic Load Balancing v2"),
    ("iam", "IAM"),
    ("logs", "CloudWatch Logs"),
    ("route53", "Route 53"),
    ("ssm", "SSM"),
    ("sts", "STS"),
];

/// Runs `cargo xtask model …`.
pub fn run(arguments: &[String]) -> Outcome {
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match *arguments {
        ["trim", path] => trim(Path::new(path)),
        ["generate"] => generate(),
        ["check"] => check(),
        _ => Err(format!("usage: cargo xtask model {SUMMARY}")),
    }
}

/// Cuts a full model (`service-2.json`, unpacked; `/dev/stdin` works too) down to what `operations.txt` lists.
fn trim(path: &Path) -> Outcome {
    let text = fs::read_to_string(path).map_err(|e| {
        format!("{}: {e} (a packed model goes through `gunzip -c … | cargo xtask model trim /dev/stdin`)", path.display())
    })?;
    let full = Service::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?;
    let id = &full.metadata.service_id;
    let (name, _) = SERVICES.iter().find(|(_, service_id)| service_id == id).ok_or_else(|| {
        let known: Vec<&str> = SERVICES.iter().map(|(_, service_id)| *service_id).collect();
        format!("{} is a model of {id}; known are {}", path.display(), known.join(", "))
    })?;
    let trimmed = full.trimmed(&listed_operations(name)?)?;
    write(&model_dir().join(format!("{name}.json")), &trimmed.to_text()?)?;
    if *name == "ec2" {
        let names: String = full.operation_names().map(|operation| format!("{operation}\n")).collect();
        write(&model_dir().join("ec2-all-operations.txt"), &names)?;
    }
    println!(
        "{name}: {} of {} operations, {} of {} shapes",
        trimmed.operations.len(),
        full.operations.len(),
        trimmed.shapes.len(),
        full.shapes.len()
    );
    Ok(())
}

fn generate() -> Outcome {
    for (path, text) in generated()? {
        write(&path, &text)?;
    }
    Ok(())
}

fn check() -> Outcome {
    for (path, text) in generated()? {
        let committed = fs::read_to_string(&path).unwrap_or_default();
        if committed != text {
            return Err(format!("{} isn't what the model gives: run `cargo xtask model generate` and commit", path.display()));
        }
    }
    println!("generated code matches the model");
    Ok(())
}

/// Path and content of every generated file.
fn generated() -> Result<Vec<(PathBuf, String)>, String> {
    let dir = project_root().join("crates/api/src/generated");
    let mut files = Vec::new();
    for (name, _) in SERVICES {
        let path = model_dir().join(format!("{name}.json"));
        let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
        let service = Service::parse(&text).map_err(|e| format!("{}: {e}", path.display()))?;
        let (mut has, mut listed): (Vec<_>, _) =
            (service.operation_names().map(str::to_owned).collect(), listed_operations(name)?);
        has.sort();
        listed.sort();
        if has != listed {
            return Err(format!("{} and operations.txt list different operations: run `cargo xtask model trim`", path.display()));
        }
        let dir = dir.join(name);
        files.extend([
            (dir.join("mod.rs"), code::module()),
            (dir.join("shapes.rs"), code::shapes(&service)?),
            (dir.join("operations.rs"), code::operations(&service)?),
            (dir.join("samples.rs"), code::samples(name, &service)?),
            (dir.join("table.rs"), table::table(name, &service)?),
        ]);
    }
    let names: Vec<&str> = SERVICES.iter().map(|(name, _)| *name).collect();
    files.push((dir.join("mod.rs"), code::modules(&names)));
    Ok(files)
}

/// The operations of a service in `operations.txt`: lines `ec2:CreateVpc`, comments after `#`.
fn listed_operations(service: &str) -> Result<Vec<String>, String> {
    let path = model_dir().join("operations.txt");
    let text = fs::read_to_string(&path).map_err(|e| format!("{}: {e}", path.display()))?;
    let lines = text.lines().map(|line| line.split('#').next().unwrap_or_default().trim()).filter(|line| !line.is_empty());
    let mut names = Vec::new();
    for line in lines {
        let (of, name) = line.split_once(':').ok_or_else(|| format!("{}: \"{line}\" isn't SERVICE:OPERATION", path.display()))?;
        if of == service {
            names.push(name.to_owned());
        }
    }
    Ok(names)
}

fn model_dir() -> PathBuf {
    project_root().join("crates/api/model")
}

fn write(path: &Path, text: &str) -> Outcome {
    if let Some(dir) = path.parent() {
        fs::create_dir_all(dir).map_err(|e| format!("{}: {e}", dir.display()))?;
    }
    fs::write(path, text).map_err(|e| format!("{}: {e}", path.display()))
}
