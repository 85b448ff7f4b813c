//! S3's operations over the files.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;

use s3s::dto::*;
use s3s::{S3, S3Error, S3ErrorCode, S3Request, S3Response, S3Result, s3_error};

use super::bodies::{self, CHECKSUMS, Declared, Received};
use super::chunks::Trailers;
use super::conditions;
use super::files::{self, Attributes, ObjectStore, StoreError};
use super::listing::{Ask, Encoding, Page};
use super::uploads::{Upload, Uploads};

type Answer<T> = S3Result<S3Response<T>>;

/// S3's operations on an [`ObjectStore`].
pub(super) struct Operations {
    store: Arc<ObjectStore>,
}

impl Operations {
    pub(super) fn new(store: Arc<ObjectStore>) -> Self {
        Self { store }
    }

    /// Runs what blocks where it may.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Arc<ObjectStore>) -> Result<T, StoreError> + Send + 'static,
    ) -> S3Result<T> {
        let store = Arc::clone(&self.store);
        match tokio::task::spawn_blocking(move || work(&store)).await {
            Ok(done) => done.map_err(S3Error::from),
            Err(error) => Err(s3_error!(error, InternalError)),
        }
    }

    async fn object(&self, bucket: &str, key: &str) -> S3Result<files::Object> {
        let (bucket, key) = (bucket.to_owned(), key.to_owned());
        self.run(move |store| store.object(&bucket, &key)).await
    }

    /// Writes a body to a temporary file and checks what the client said of it.
    async fn receive<T>(&self, request: &S3Request<T>, body: Option<StreamingBlob>, declared: Declared) -> S3Result<Received> {
        let path = self.store.temporary();
        let received = bodies::receive(&path, body, declared, request.extensions.get::<Trailers>()).await;
        if received.is_err() {
            drop(tokio::fs::remove_file(&path).await);
        }
        received
    }

    async fn list(&self, ask: Ask) -> S3Result<Page> {
        self.run(move |store| ask.answer(store)).await
    }

    async fn source(&self, source: &CopySource) -> S3Result<Source> {
        let CopySource::Bucket { bucket, key, .. } = source else {
            return Err(s3_error!(NotImplemented, "Only buckets can be copied from."));
        };
        let object = self.object(bucket, key).await?;
        Ok(Source { bucket: bucket.to_string(), key: key.to_string(), object })
    }
}

/// What is copied.
struct Source {
    bucket: String,
    key: String,
    object: files::Object,
}

#[async_trait::async_trait]
impl S3 for Operations {
    async fn create_bucket(&self, request: S3Request<CreateBucketInput>) -> Answer<CreateBucketOutput> {
        let CreateBucketInput { bucket, create_bucket_configuration, .. } = request.input;
        let region = create_bucket_configuration.and_then(|c| c.location_constraint).map(|region| region.as_str().to_owned());
        let name = bucket.clone();
        if !self.run(move |store| store.create_bucket(&name, region.as_deref())).await? {
            return Err(s3_error!(
                BucketAlreadyOwnedByYou,
                "Your previous request to create the named bucket succeeded and you already own it."
            ));
        }
        Ok(S3Response::new(CreateBucketOutput { location: Some(format!("/{bucket}")) }))
    }

    async fn delete_bucket(&self, request: S3Request<DeleteBucketInput>) -> Answer<DeleteBucketOutput> {
        self.run(move |store| store.delete_bucket(&request.input.bucket)).await?;
        Ok(S3Response::new(DeleteBucketOutput {}))
    }

    async fn head_bucket(&self, request: S3Request<HeadBucketInput>) -> Answer<HeadBucketOutput> {
        let bucket = self.run(move |store| store.bucket(&request.input.bucket)).await?;
        let bucket_region = Some(bucket.region.unwrap_or_else(|| "us-east-1".to_owned()));
        Ok(S3Response::new(HeadBucketOutput { bucket_region, ..HeadBucketOutput::default() }))
    }

    async fn get_bucket_location(&self, request: S3Request<GetBucketLocationInput>) -> Answer<GetBucketLocationOutput> {
        let bucket = self.run(move |store| store.bucket(&request.input.bucket)).await?;
        let location_constraint = bucket.region.map(BucketLocationConstraint::from);
        Ok(S3Response::new(GetBucketLocationOutput { location_constraint }))
    }

    async fn list_buckets(&self, request: S3Request<ListBucketsInput>) -> Answer<ListBucketsOutput> {
        let prefix = request.input.prefix.unwrap_or_default();
        let buckets = self.run(|store| store.buckets()).await?;
        let bucket = |bucket: files::Bucket| Bucket {
            name: Some(bucket.name),
            creation_date: Some(bucket.created.into()),
            bucket_region: bucket.region,
        };
        let buckets = buckets.into_iter().filter(|bucket| bucket.name.starts_with(&prefix)).map(bucket).collect();
        let owner = Owner { display_name: Some("openvpc".to_owned()), id: Some("0".repeat(64)) };
        Ok(S3Response::new(ListBucketsOutput { buckets: Some(buckets), owner: Some(owner), ..ListBucketsOutput::default() }))
    }

    async fn put_object(&self, mut request: S3Request<PutObjectInput>) -> Answer<PutObjectOutput> {
        let body = request.input.body.take();
        let input = &request.input;
        self.store.existing_bucket(&input.bucket)?;
        self.store.object_path(&input.bucket, &input.key)?;
        let existing = match self.object(&input.bucket, &input.key).await {
            Err(error) if *error.code() == S3ErrorCode::NoSuchKey => None,
            object => Some(object?),
        };
        conditions::write(existing.as_ref(), input.if_match.as_ref(), input.if_none_match.as_ref())?;
        let declared = Declared {
            length: input.content_length,
            md5: input.content_md5.clone(),
            algorithms: bodies::announced(&request.headers),
            checksums: bodies::checksums([
                &input.checksum_crc32,
                &input.checksum_crc32c,
                &input.checksum_crc64nvme,
                &input.checksum_sha1,
                &input.checksum_sha256,
            ]),
        };
        let received = self.receive(&request, body, declared).await?;
        let input = request.input;
        let attributes = Attributes {
            content_type: input.content_type,
            content_encoding: input.content_encoding,
            content_disposition: input.content_disposition,
            content_language: input.content_language,
            cache_control: input.cache_control,
            metadata: input.metadata.unwrap_or_default().into_iter().collect(),
            checksums: received.checksums.clone(),
        };
        let etag = received.md5.clone();
        self.run(move |store| {
            let done = store.commit(&received.path, &input.bucket, &input.key, received.md5, attributes);
            done.inspect_err(|_| drop(std::fs::remove_file(&received.path)))
        })
        .await?;
        let [crc32, crc32c, crc64nvme, sha1, sha256] = CHECKSUMS.map(|name| received.checksums.get(name).cloned());
        Ok(S3Response::new(PutObjectOutput {
            e_tag: Some(ETag::Strong(etag)),
            checksum_crc32: crc32,
            checksum_crc32c: crc32c,
            checksum_crc64nvme: crc64nvme,
            checksum_sha1: sha1,
            checksum_sha256: sha256,
            ..PutObjectOutput::default()
        }))
    }

    async fn get_object(&self, request: S3Request<GetObjectInput>) -> Answer<GetObjectOutput> {
        let input = request.input;
        let object = self.object(&input.bucket, &input.key).await?;
        conditions::read(
            &object,
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
            input.if_modified_since,
            input.if_unmodified_since,
        )?;
        let range = match &input.range {
            // The last bytes of nothing are nothing, which Content-Range can't say.
            Some(_) if object.size == 0 => return Err(s3_error!(InvalidRange)),
            Some(range) => range.check(object.size)?,
            None => 0..object.size,
        };
        let whole = range == (0..object.size);
        let length = range.end - range.start;
        let content_range = input.range.map(|_| format!("bytes {}-{}/{}", range.start, range.end - 1, object.size));
        let body = bodies::read(object.path.clone(), range).await.map_err(|error| s3_error!(error, InternalError))?;
        let checksums = if whole { object.attributes.checksums.clone() } else { BTreeMap::new() };
        let [crc32, crc32c, crc64nvme, sha1, sha256] = CHECKSUMS.map(|name| checksums.get(name).cloned());
        let attributes = object.attributes;
        Ok(S3Response::new(GetObjectOutput {
            body: Some(body),
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(length).ok(),
            content_range,
            last_modified: Some(object.modified.into()),
            e_tag: Some(ETag::Strong(object.etag)),
            content_type: input.response_content_type.or(attributes.content_type).or_else(default_type),
            content_encoding: input.response_content_encoding.or(attributes.content_encoding),
            content_disposition: input.response_content_disposition.or(attributes.content_disposition),
            content_language: input.response_content_language.or(attributes.content_language),
            cache_control: input.response_cache_control.or(attributes.cache_control),
            metadata: metadata(attributes.metadata),
            checksum_crc32: crc32,
            checksum_crc32c: crc32c,
            checksum_crc64nvme: crc64nvme,
            checksum_sha1: sha1,
            checksum_sha256: sha256,
            ..GetObjectOutput::default()
        }))
    }

    async fn head_object(&self, request: S3Request<HeadObjectInput>) -> Answer<HeadObjectOutput> {
        let input = request.input;
        let object = self.object(&input.bucket, &input.key).await?;
        conditions::read(
            &object,
            input.if_match.as_ref(),
            input.if_none_match.as_ref(),
            input.if_modified_since,
            input.if_unmodified_since,
        )?;
        let attributes = object.attributes;
        let [crc32, crc32c, crc64nvme, sha1, sha256] = CHECKSUMS.map(|name| attributes.checksums.get(name).cloned());
        Ok(S3Response::new(HeadObjectOutput {
            accept_ranges: Some("bytes".to_owned()),
            content_length: i64::try_from(object.size).ok(),
            last_modified: Some(object.modified.into()),
            e_tag: Some(ETag::Strong(object.etag)),
            content_type: attributes.content_type.or_else(default_type),
            content_encoding: attributes.content_encoding,
            content_disposition: attributes.content_disposition,
            content_language: attributes.content_language,
            cache_control: attributes.cache_control,
            metadata: metadata(attributes.metadata),
            checksum_crc32: crc32,
            checksum_crc32c: crc32c,
            checksum_crc64nvme: crc64nvme,
            checksum_sha1: sha1,
            checksum_sha256: sha256,
            ..HeadObjectOutput::default()
        }))
    }

    async fn copy_object(&self, request: S3Request<CopyObjectInput>) -> Answer<CopyObjectOutput> {
        let input = request.input;
        let Source { bucket: from_bucket, key: from_key, object: source } = self.source(&input.copy_source).await?;
        let (if_match, if_none_match) = (input.copy_source_if_match.as_ref(), input.copy_source_if_none_match.as_ref());
        conditions::read(
            &source,
            if_match,
            if_none_match,
            input.copy_source_if_modified_since,
            input.copy_source_if_unmodified_since,
        )?;
        let replace = input.metadata_directive.is_some_and(|directive| directive.as_str() == MetadataDirective::REPLACE);
        let attributes = if replace {
            Attributes {
                content_type: input.content_type,
                content_encoding: input.content_encoding,
                content_disposition: input.content_disposition,
                content_language: input.content_language,
                cache_control: input.cache_control,
                metadata: input.metadata.unwrap_or_default().into_iter().collect(),
                checksums: source.attributes.checksums.clone(),
            }
        } else if from_bucket == input.bucket && from_key == input.key {
            return Err(s3_error!(
                InvalidRequest,
                "This copy request is illegal because it is trying to copy an object to itself without changing the \
                 object's metadata, storage class, website redirect location or encryption attributes."
            ));
        } else {
            source.attributes.clone()
        };
        let etag = source.etag.clone();
        let modified = self
            .run(move |store| {
                let temporary = store.temporary();
                let copied = std::fs::copy(&source.path, &temporary).map_err(StoreError::from);
                let done = copied.and_then(|_| store.commit(&temporary, &input.bucket, &input.key, source.etag, attributes));
                done.inspect_err(|_| drop(std::fs::remove_file(&temporary)))?;
                Ok(SystemTime::now())
            })
            .await?;
        let result = CopyObjectResult {
            e_tag: Some(ETag::Strong(etag)),
            last_modified: Some(modified.into()),
            ..CopyObjectResult::default()
        };
        Ok(S3Response::new(CopyObjectOutput { copy_object_result: Some(result), ..CopyObjectOutput::default() }))
    }

    async fn delete_object(&self, request: S3Request<DeleteObjectInput>) -> Answer<DeleteObjectOutput> {
        self.run(move |store| delete(store, &request.input.bucket, &request.input.key)).await?;
        Ok(S3Response::new(DeleteObjectOutput::default()))
    }

    async fn delete_objects(&self, request: S3Request<DeleteObjectsInput>) -> Answer<DeleteObjectsOutput> {
        let DeleteObjectsInput { bucket, delete: Delete { objects, quiet }, .. } = request.input;
        if objects.len() > 1000 {
            return Err(s3_error!(MalformedXML));
        }
        self.store.existing_bucket(&bucket)?;
        let (mut deleted, mut errors) = (Vec::new(), Vec::new());
        for object in objects {
            let (bucket, key) = (bucket.clone(), object.key.clone());
            match self.run(move |store| delete(store, &bucket, &key)).await {
                Ok(()) => deleted.push(DeletedObject { key: Some(object.key), ..DeletedObject::default() }),
                Err(error) => errors.push(Error {
                    code: Some(error.code().as_str().to_owned()),
                    key: Some(object.key),
                    message: error.message().map(str::to_owned),
                    version_id: None,
                }),
            }
        }
        let deleted = if quiet.unwrap_or(false) { Vec::new() } else { deleted };
        let errors = Some(errors).filter(|errors| !errors.is_empty());
        Ok(S3Response::new(DeleteObjectsOutput { deleted: Some(deleted), errors, ..DeleteObjectsOutput::default() }))
    }

    async fn list_objects(&self, request: S3Request<ListObjectsInput>) -> Answer<ListObjectsOutput> {
        let input = request.input;
        let encoding = Encoding::of(input.encoding_type.as_ref());
        let max_keys = input.max_keys.unwrap_or(1000).clamp(0, 1000);
        let page = self
            .list(Ask {
                bucket: input.bucket.clone(),
                prefix: input.prefix.clone().unwrap_or_default(),
                delimiter: input.delimiter.clone(),
                after: input.marker.clone(),
                max_keys: usize::try_from(max_keys).unwrap_or_default(),
                encoding,
            })
            .await?;
        Ok(S3Response::new(ListObjectsOutput {
            name: Some(input.bucket),
            prefix: Some(encoding.write(&input.prefix.unwrap_or_default())),
            marker: Some(encoding.write(&input.marker.unwrap_or_default())),
            // Without a delimiter clients go on from the last key.
            next_marker: page.next.as_deref().filter(|_| input.delimiter.is_some()).map(|next| encoding.write(next)),
            delimiter: input.delimiter.as_deref().map(|delimiter| encoding.write(delimiter)),
            max_keys: Some(max_keys),
            is_truncated: Some(page.next.is_some()),
            contents: Some(page.objects),
            common_prefixes: Some(page.prefixes),
            encoding_type: input.encoding_type,
            ..ListObjectsOutput::default()
        }))
    }

    async fn list_objects_v2(&self, request: S3Request<ListObjectsV2Input>) -> Answer<ListObjectsV2Output> {
        let input = request.input;
        let encoding = Encoding::of(input.encoding_type.as_ref());
        let max_keys = input.max_keys.unwrap_or(1000).clamp(0, 1000);
        let continued = match &input.continuation_token {
            Some(token) => Some(
                from_token(token).ok_or_else(|| s3_error!(InvalidArgument, "The continuation token provided is incorrect"))?,
            ),
            None => None,
        };
        let page = self
            .list(Ask {
                bucket: input.bucket.clone(),
                prefix: input.prefix.clone().unwrap_or_default(),
                delimiter: input.delimiter.clone(),
                after: continued.max(input.start_after.clone()),
                max_keys: usize::try_from(max_keys).unwrap_or_default(),
                encoding,
            })
            .await?;
        Ok(S3Response::new(ListObjectsV2Output {
            name: Some(input.bucket),
            prefix: Some(encoding.write(&input.prefix.unwrap_or_default())),
            delimiter: input.delimiter.as_deref().map(|delimiter| encoding.write(delimiter)),
            start_after: input.start_after.as_deref().map(|after| encoding.write(after)),
            continuation_token: input.continuation_token,
            next_continuation_token: page.next.as_deref().map(|next| files::hex(next.as_bytes())),
            is_truncated: Some(page.next.is_some()),
            max_keys: Some(max_keys),
            key_count: i32::try_from(page.objects.len() + page.prefixes.len()).ok(),
            contents: Some(page.objects),
            common_prefixes: Some(page.prefixes),
            encoding_type: input.encoding_type,
            ..ListObjectsV2Output::default()
        }))
    }

    async fn create_multipart_upload(
        &self,
        request: S3Request<CreateMultipartUploadInput>,
    ) -> Answer<CreateMultipartUploadOutput> {
        let input = request.input;
        self.store.existing_bucket(&input.bucket)?;
        self.store.object_path(&input.bucket, &input.key)?;
        let attributes = Attributes {
            content_type: input.content_type,
            content_encoding: input.content_encoding,
            content_disposition: input.content_disposition,
            content_language: input.content_language,
            cache_control: input.cache_control,
            metadata: input.metadata.unwrap_or_default().into_iter().collect(),
            checksums: BTreeMap::new(),
        };
        let upload = Upload { bucket: input.bucket.clone(), key: input.key.clone(), attributes };
        let id = self.run(move |store| Uploads(store).begin(&upload)).await?;
        Ok(S3Response::new(CreateMultipartUploadOutput {
            bucket: Some(input.bucket),
            key: Some(input.key),
            upload_id: Some(id),
            checksum_algorithm: input.checksum_algorithm,
            checksum_type: input.checksum_type,
            ..CreateMultipartUploadOutput::default()
        }))
    }

    async fn upload_part(&self, mut request: S3Request<UploadPartInput>) -> Answer<UploadPartOutput> {
        let body = request.input.body.take();
        let input = &request.input;
        Uploads(&self.store).find(&input.upload_id, &input.bucket, &input.key)?;
        check_part_number(input.part_number)?;
        let declared = Declared {
            length: input.content_length,
            md5: input.content_md5.clone(),
            algorithms: bodies::announced(&request.headers),
            checksums: bodies::checksums([
                &input.checksum_crc32,
                &input.checksum_crc32c,
                &input.checksum_crc64nvme,
                &input.checksum_sha1,
                &input.checksum_sha256,
            ]),
        };
        let received = self.receive(&request, body, declared).await?;
        let UploadPartInput { upload_id, part_number, .. } = request.input;
        let md5 = received.md5.clone();
        self.run(move |store| Uploads(store).add(&upload_id, part_number, &received.path, &md5)).await?;
        let [crc32, crc32c, crc64nvme, sha1, sha256] = CHECKSUMS.map(|name| received.checksums.get(name).cloned());
        Ok(S3Response::new(UploadPartOutput {
            e_tag: Some(ETag::Strong(received.md5)),
            checksum_crc32: crc32,
            checksum_crc32c: crc32c,
            checksum_crc64nvme: crc64nvme,
            checksum_sha1: sha1,
            checksum_sha256: sha256,
            ..UploadPartOutput::default()
        }))
    }

    async fn upload_part_copy(&self, request: S3Request<UploadPartCopyInput>) -> Answer<UploadPartCopyOutput> {
        let input = request.input;
        Uploads(&self.store).find(&input.upload_id, &input.bucket, &input.key)?;
        check_part_number(input.part_number)?;
        let source = self.source(&input.copy_source).await?.object;
        let range = match &input.copy_source_range {
            Some(range) => Range::parse(range).map_err(|error| s3_error!(error, InvalidArgument))?.check(source.size)?,
            None => 0..source.size,
        };
        let body = bodies::read(source.path, range).await.map_err(|error| s3_error!(error, InternalError))?;
        let path = self.store.temporary();
        let received = bodies::receive(&path, Some(body), Declared::default(), None).await;
        let received = received.inspect_err(|_| drop(std::fs::remove_file(&path)))?;
        let md5 = received.md5.clone();
        self.run(move |store| Uploads(store).add(&input.upload_id, input.part_number, &received.path, &received.md5)).await?;
        let result = CopyPartResult {
            e_tag: Some(ETag::Strong(md5)),
            last_modified: Some(SystemTime::now().into()),
            ..CopyPartResult::default()
        };
        Ok(S3Response::new(UploadPartCopyOutput { copy_part_result: Some(result), ..UploadPartCopyOutput::default() }))
    }

    async fn complete_multipart_upload(
        &self,
        request: S3Request<CompleteMultipartUploadInput>,
    ) -> Answer<CompleteMultipartUploadOutput> {
        let input = request.input;
        let upload = Uploads(&self.store).find(&input.upload_id, &input.bucket, &input.key)?;
        let named = input.multipart_upload.and_then(|upload| upload.parts).unwrap_or_default();
        let part = |part: CompletedPart| Some((part.part_number?, part.e_tag?.into_value()));
        let named: Vec<(i32, String)> = named.into_iter().filter_map(part).collect();
        if named.is_empty() {
            return Err(s3_error!(MalformedXML));
        }
        if !named.is_sorted_by(|(a, _), (b, _)| a < b) {
            return Err(s3_error!(InvalidPartOrder));
        }
        let id = input.upload_id;
        let etag = self.run(move |store| Uploads(store).complete(&id, upload, &named)).await?;
        let Some(etag) = etag else {
            return Err(s3_error!(InvalidPart, "One or more of the specified parts could not be found."));
        };
        Ok(S3Response::new(CompleteMultipartUploadOutput {
            location: Some(format!("/{}/{}", input.bucket, input.key)),
            bucket: Some(input.bucket),
            key: Some(input.key),
            e_tag: Some(ETag::Strong(etag)),
            ..CompleteMultipartUploadOutput::default()
        }))
    }

    async fn abort_multipart_upload(&self, request: S3Request<AbortMultipartUploadInput>) -> Answer<AbortMultipartUploadOutput> {
        let input = request.input;
        Uploads(&self.store).find(&input.upload_id, &input.bucket, &input.key)?;
        self.run(move |store| Uploads(store).abort(&input.upload_id)).await?;
        Ok(S3Response::new(AbortMultipartUploadOutput::default()))
    }
}

/// Deleting what can't exist succeeds, as deleting what doesn't exist does.
fn delete(store: &ObjectStore, bucket: &str, key: &str) -> Result<(), StoreError> {
    match store.delete(bucket, key) {
        Err(StoreError::InvalidKey(_) | StoreError::KeyTooLong) => store.bucket(bucket).map(drop),
        done => done,
    }
}

fn check_part_number(number: i32) -> S3Result<()> {
    if (1..=10_000).contains(&number) {
        return Ok(());
    }
    Err(s3_error!(InvalidArgument, "Part number must be an integer between 1 and 10000, inclusive"))
}

fn metadata(metadata: BTreeMap<String, String>) -> Option<Metadata> {
    Some(metadata.into_iter().collect()).filter(|metadata: &Metadata| !metadata.is_empty())
}

/// What S3 says of an object whose writer said nothing.
fn default_type() -> Option<String> {
    Some("binary/octet-stream".to_owned())
}

fn from_token(token: &str) -> Option<String> {
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    String::from_utf8(token.as_bytes().chunks(2).map(byte).collect::<Option<_>>()?).ok()
}

impl From<StoreError> for S3Error {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::BucketNotEmpty => s3_error!(BucketNotEmpty, "The bucket you tried to delete is not empty"),
            StoreError::InvalidBucketName => s3_error!(InvalidBucketName, "The specified bucket is not valid."),
            StoreError::InvalidKey(reason) => s3_error!(InvalidArgument, "{reason}"),
            StoreError::Io(error) => s3_error!(error, InternalError),
            StoreError::KeyTooLong => s3_error!(KeyTooLongError, "Your key is too long"),
            StoreError::NoSuchBucket => s3_error!(NoSuchBucket, "The specified bucket does not exist"),
            StoreError::NoSuchKey => s3_error!(NoSuchKey, "The specified key does not exist."),
        }
    }
}
