//! Key pairs: the API side.

use openvpc_control::key_pairs::{self, NewKeyPair};
use openvpc_model::{KeyPair, KeyPairId};

use super::prelude::*;
use crate::keys::{self, Format, Kind, PublicKey};

#[cfg(test)]
mod tests;

/// The operations of this family.
pub const ACTIONS: &[Action] = &[
    action!(CreateKeyPair, create_key_pair),
    action!(DeleteKeyPair, delete_key_pair),
    action!(DescribeKeyPairs, describe_key_pairs),
    action!(ImportKeyPair, import_key_pair),
];

fn create_key_pair(ctx: &Ctx<'_>, request: shapes::CreateKeyPairRequest) -> Result<shapes::KeyPair, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "key-pair")?;
    let name = ids::required(&request.key_name, "KeyName")?.to_owned();
    let kind = match request.key_type.as_deref().unwrap_or("rsa") {
        "rsa" => Kind::Rsa,
        "ed25519" => Kind::Ed25519,
        other => return Err(ApiError::invalid_value(format!("Invalid key type '{other}'. Use rsa or ed25519."))),
    };
    let format = match request.key_format.as_deref().unwrap_or("pem") {
        "pem" => Format::Pem,
        "ppk" => Format::Ppk,
        other => return Err(ApiError::invalid_value(format!("Invalid key format '{other}'. Use pem or ppk."))),
    };
    // Large primes take a while to find: not while everybody else waits for the writer.
    let made = ctx.control().rehearse(&ctx.caller, |tx| {
        key_pairs::check_new(tx, &name)?;
        Ok(keys::generate(kind, format, &name, &mut |buffer| {
            for chunk in buffer.chunks_mut(8) {
                chunk.copy_from_slice(&tx.random().to_le_bytes()[..chunk.len()]);
            }
        }))
    })?;
    let made = made.ok_or_else(|| ApiError::unsupported("openvpc writes Ed25519 keys as pem only, not as ppk"))?;
    let wanted = NewKeyPair {
        name,
        kind: name_of(kind).to_owned(),
        public_key: made.public,
        fingerprint: made.fingerprint,
        tags: tags.clone(),
    };
    let pair = keep(ctx, wanted)?;
    Ok(shapes::KeyPair {
        key_fingerprint: Some(pair.fingerprint.clone()),
        key_material: Some(made.private),
        key_name: Some(pair.name.clone()),
        key_pair_id: Some(pair.id.to_string()),
        tags: tagging::shapes(&tags),
    })
}

fn import_key_pair(ctx: &Ctx<'_>, request: shapes::ImportKeyPairRequest) -> Result<shapes::ImportKeyPairResult, ApiError> {
    let tags = tagging::on_create(&request.tag_specifications, "key-pair")?;
    let name = ids::required(&request.key_name, "KeyName")?.to_owned();
    let material = request.public_key_material.ok_or_else(|| ApiError::missing("PublicKeyMaterial"))?;
    let key = std::str::from_utf8(&material.0).ok().and_then(PublicKey::parse);
    let key = key.ok_or_else(|| ApiError::new("InvalidKey.Format", "Key is not in valid OpenSSH public key format"))?;
    let wanted = NewKeyPair {
        name,
        kind: name_of(key.kind).to_owned(),
        public_key: key.line,
        fingerprint: key.fingerprint,
        tags: tags.clone(),
    };
    let pair = keep(ctx, wanted)?;
    Ok(shapes::ImportKeyPairResult {
        key_fingerprint: Some(pair.fingerprint.clone()),
        key_name: Some(pair.name.clone()),
        key_pair_id: Some(pair.id.to_string()),
        tags: tagging::shapes(&tags),
    })
}

fn keep(ctx: &Ctx<'_>, wanted: NewKeyPair) -> Result<std::sync::Arc<KeyPair>, ApiError> {
    ctx.mutate(|tx| {
        let id = key_pairs::create(tx, wanted)?;
        tx.find::<KeyPair>(&id)
    })
}

/// A name that there isn't is answered like one that there is; an id isn't.
fn delete_key_pair(ctx: &Ctx<'_>, request: shapes::DeleteKeyPairRequest) -> Result<shapes::DeleteKeyPairResult, ApiError> {
    let id: Option<KeyPairId> = ids::parse_opt(&request.key_pair_id)?;
    let deleted = match (id, request.key_name.as_deref().filter(|name| !name.is_empty())) {
        (Some(id), None) => ctx.mutate(|tx| key_pairs::delete(tx, id).map(|()| Some(id)))?,
        (None, Some(name)) => ctx.mutate(|tx| Ok(key_pairs::delete_by_name(tx, name)))?,
        (Some(_), Some(_)) => {
            return Err(ApiError::invalid_combination("Only one of KeyName and KeyPairId may be given"));
        }
        (None, None) => return Err(ApiError::missing("KeyName")),
    };
    Ok(shapes::DeleteKeyPairResult { r#return: Some(true), key_pair_id: deleted.map(|id| id.to_string()) })
}

fn describe_key_pairs(
    ctx: &Ctx<'_>,
    request: shapes::DescribeKeyPairsRequest,
) -> Result<shapes::DescribeKeyPairsResult, ApiError> {
    let network = ctx.network()?;
    let ids: Vec<KeyPairId> = ids::parse_all(&request.key_pair_ids)?;
    let all: Vec<_> = network.owned::<KeyPair>(ctx.owner()).collect();
    if let Some(missing) = ids.iter().find(|id| all.iter().all(|pair| pair.id != **id)) {
        return Err(key_pairs::not_found(&missing.to_string()).into());
    }
    if let Some(missing) = request.key_names.iter().find(|name| all.iter().all(|pair| pair.name != **name)) {
        return Err(key_pairs::not_found(missing).into());
    }
    let named = |pair: &KeyPair| {
        (ids.is_empty() && request.key_names.is_empty()) || ids.contains(&pair.id) || request.key_names.contains(&pair.name)
    };
    let with_key = request.include_public_key.unwrap_or(false);
    let pairs = all.into_iter().filter(|pair| named(pair)).map(|pair| shape(pair, with_key)).collect();
    Ok(shapes::DescribeKeyPairsResult { key_pairs: filters::select(pairs, &request.filters, &KEY_PAIR_FIELDS)? })
}

static KEY_PAIR_FIELDS: Fields<shapes::KeyPairInfo> = Fields {
    tags: Some(|pair| &pair.tags),
    fields: &[
        ("fingerprint", |pair, m| m.offer(&pair.key_fingerprint)),
        ("key-name", |pair, m| m.offer(&pair.key_name)),
        ("key-pair-id", |pair, m| m.offer(&pair.key_pair_id)),
    ],
};

fn shape(pair: &KeyPair, with_key: bool) -> shapes::KeyPairInfo {
    shapes::KeyPairInfo {
        create_time: Some(pair.created_at),
        key_fingerprint: Some(pair.fingerprint.clone()),
        key_name: Some(pair.name.clone()),
        key_pair_id: Some(pair.id.to_string()),
        key_type: Some(pair.kind.clone()),
        public_key: with_key.then(|| format!("{} {}", pair.public_key, pair.name)),
        tags: tagging::shapes(&pair.tags),
    }
}

fn name_of(kind: Kind) -> &'static str {
    match kind {
        Kind::Rsa => "rsa",
        Kind::Ed25519 => "ed25519",
    }
}
