//! Bodies on their way in and out.

use std::collections::BTreeMap;
use std::io;
use std::ops::Range;
use std::path::{Path, PathBuf};

use axum::body::Bytes;
use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;
use futures_util::{StreamExt, stream};
use hyper::HeaderMap;
use s3s::checksum::ChecksumHasher;
use s3s::crypto::{Checksum as _, Crc32, Crc32c, Crc64Nvme, Md5, Sha1, Sha256};
use s3s::dto::StreamingBlob;
use s3s::{S3Result, s3_error};
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::chunks::Trailers;
use super::files;

/// The algorithms whose checksums clients may send.
pub(super) const CHECKSUMS: [&str; 5] = ["CRC32", "CRC32C", "CRC64NVME", "SHA1", "SHA256"];

/// What a client says of a body before it sends it.
#[derive(Default)]
pub(super) struct Declared {
    pub(super) length: Option<i64>,
    pub(super) md5: Option<String>,
    pub(super) algorithms: Vec<String>,
    pub(super) checksums: BTreeMap<String, String>,
}

/// A body in a temporary file.
pub(super) struct Received {
    pub(super) path: PathBuf,
    pub(super) md5: String,
    pub(super) checksums: BTreeMap<String, String>,
}

/// Writes a body to a file and checks what the client said of it, before or behind it.
pub(super) async fn receive(
    path: &Path,
    body: Option<StreamingBlob>,
    declared: Declared,
    trailers: Option<&Trailers>,
) -> S3Result<Received> {
    let internal = |error: io::Error| s3_error!(error, InternalError);
    let asked = |name: &str| declared.checksums.contains_key(name) || declared.algorithms.iter().any(|asked| asked == name);
    let mut hasher = ChecksumHasher {
        crc32: asked("CRC32").then(Crc32::new),
        crc32c: asked("CRC32C").then(Crc32c::new),
        sha1: asked("SHA1").then(Sha1::new),
        sha256: asked("SHA256").then(Sha256::new),
        crc64nvme: asked("CRC64NVME").then(Crc64Nvme::new),
    };
    let mut md5 = Md5::new();
    let mut file = tokio::fs::File::create(path).await.map_err(internal)?;
    let mut length = 0_u64;
    if let Some(mut body) = body {
        while let Some(piece) = body.next().await {
            let piece = piece.map_err(|error| s3_error!(IncompleteBody, "{error}"))?;
            md5.update(&piece);
            hasher.update(&piece);
            length += piece.len() as u64;
            file.write_all(&piece).await.map_err(internal)?;
        }
    }
    file.flush().await.map_err(internal)?;
    file.sync_all().await.map_err(internal)?;
    if declared.length.is_some_and(|declared| u64::try_from(declared) != Ok(length)) {
        return Err(s3_error!(IncompleteBody));
    }
    let md5 = md5.finalize();
    if declared.md5.is_some_and(|declared| declared != BASE64.encode(md5.as_ref())) {
        return Err(s3_error!(BadDigest, "The Content-MD5 you specified did not match what we received."));
    }
    let sums = hasher.finalize();
    let sums = checksums([
        &sums.checksum_crc32,
        &sums.checksum_crc32c,
        &sums.checksum_crc64nvme,
        &sums.checksum_sha1,
        &sums.checksum_sha256,
    ]);
    for (name, sum) in &sums {
        let header = format!("x-amz-checksum-{}", name.to_ascii_lowercase());
        let said = declared.checksums.get(name).cloned().or_else(|| trailers?.value(&header));
        if said.is_some_and(|said| said != *sum) {
            return Err(s3_error!(BadDigest, "The {name} you specified did not match the calculated checksum."));
        }
    }
    Ok(Received { path: path.to_owned(), md5: files::hex(md5.as_ref()), checksums: sums })
}

/// The algorithms whose checksums a client says it will send behind the body, or wants.
pub(super) fn announced(headers: &HeaderMap) -> Vec<String> {
    let values = |name: &str| {
        let values = headers.get_all(name).iter().filter_map(|value| value.to_str().ok());
        values.flat_map(|value| value.split(',')).map(|value| value.trim().to_ascii_uppercase()).collect::<Vec<_>>()
    };
    let trailers = values("x-amz-trailer");
    let trailing = trailers.iter().filter_map(|name| name.strip_prefix("X-AMZ-CHECKSUM-")).map(str::to_owned);
    values("x-amz-sdk-checksum-algorithm").into_iter().chain(trailing).collect()
}

/// The checksums that are there, by algorithm; in the order of [`CHECKSUMS`].
pub(super) fn checksums(sums: [&Option<String>; 5]) -> BTreeMap<String, String> {
    CHECKSUMS.iter().zip(sums).filter_map(|(name, sum)| Some(((*name).to_owned(), sum.clone()?))).collect()
}

/// The content of a file between two offsets.
pub(super) async fn read(path: PathBuf, range: Range<u64>) -> io::Result<StreamingBlob> {
    let mut file = tokio::fs::File::open(path).await?;
    file.seek(io::SeekFrom::Start(range.start)).await?;
    let pieces = stream::unfold((file, range.end - range.start), |(mut file, left)| async move {
        if left == 0 {
            return None;
        }
        let mut piece = vec![0; usize::try_from(left).map_or(1 << 18, |left| left.min(1 << 18))];
        match file.read(&mut piece).await {
            Ok(0) => Some((Err(io::Error::from(io::ErrorKind::UnexpectedEof)), (file, 0))),
            Ok(length) => {
                piece.truncate(length);
                Some((Ok(Bytes::from(piece)), (file, left - length as u64)))
            }
            Err(error) => Some((Err(error), (file, 0))),
        }
    });
    Ok(StreamingBlob::wrap(pieces))
}
