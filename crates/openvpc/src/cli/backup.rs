//! `openvpc backup` and `openvpc restore`.

use std::fs::{self, File};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use super::client::Client;
use super::{Failure, Target};
use crate::daemon;

/// Writes a backup of the running daemon to a file, which is there whole or not at all.
pub fn backup(target: &Target, file: &Path) -> Result<ExitCode, Failure> {
    let failure = |error: io::Error| Failure::new(format!("{}: {error}", file.display()));
    let mut name = file.file_name().ok_or_else(|| Failure::new("name a file for the backup"))?.to_owned();
    name.push(".part");
    let part = file.with_file_name(name);
    let mut body = Client::new(target).download("backup")?;
    // Access keys are in it.
    let mut out = File::options().write(true).create(true).truncate(true).mode(0o600).open(&part).map_err(failure)?;
    let written = io::copy(&mut body, &mut out).and_then(|_| out.sync_all()).and_then(|()| File::open(&part));
    let checked = written.map_err(failure).and_then(|copy| daemon::backup::read(copy).map_err(Failure::new));
    match checked {
        Ok((_, counts)) => {
            fs::rename(&part, file).map_err(failure)?;
            println!(
                "{}: {} resources, {} buckets, {} objects",
                file.display(),
                counts.resources,
                counts.buckets,
                counts.objects
            );
            Ok(ExitCode::SUCCESS)
        }
        Err(error) => {
            let _ = fs::remove_file(&part);
            Err(error)
        }
    }
}

/// Puts a backup in the place of everything that the running daemon holds, or of a data directory's content.
pub fn restore(target: &Target, file: &Path, yes: bool, data_dir: Option<PathBuf>) -> Result<ExitCode, Failure> {
    let backup = fs::read(file).map_err(|error| Failure::new(format!("{}: {error}", file.display())))?;
    if let Some(data_dir) = data_dir {
        let counts = daemon::backup::restore_into(&data_dir, &backup, yes)?;
        println!(
            "{}: {} resources, {} buckets, {} objects",
            data_dir.display(),
            counts.resources,
            counts.buckets,
            counts.objects
        );
        return Ok(ExitCode::SUCCESS);
    }
    if !yes {
        return Err(Failure::new(
            "this replaces everything that the daemon holds, in all accounts and regions; add --yes to do it",
        ));
    }
    let counts = Client::new(target).upload("restore", &backup)?;
    println!("restored {} resources, {} buckets, {} objects", counts["resources"], counts["buckets"], counts["objects"]);
    Ok(ExitCode::SUCCESS)
}
