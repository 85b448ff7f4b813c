//! SSH keys: making them, reading public ones, fingerprints.
//!
//! Key pairs are made here and not by a crate of its own because the numbers are all that is needed: nothing is encrypted
//! or signed with them, so that what makes such crates large (constant-time arithmetic above all) has no use. The private
//! key leaves in the answer of the call and is forgotten.

mod curve;
mod primes;
mod wire;

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, STANDARD_NO_PAD};
use md5::Md5;
use sha1::Sha1;
use sha2::{Digest, Sha256};

use wire::SshWriter;

/// Unpredictable bytes for a buffer.
pub type Random<'a> = &'a mut dyn FnMut(&mut [u8]);

/// A kind of key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// RSA of 2048 bits.
    Rsa,
    /// Ed25519.
    Ed25519,
}

/// A new key pair.
pub struct KeyPair {
    /// The public key as a line of `authorized_keys`, without the comment.
    pub public: String,
    /// The private key as text.
    pub private: String,
    /// The fingerprint as EC2 shows it for a pair that it made.
    pub fingerprint: String,
}

/// How the private key is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    /// PKCS#1 for RSA, OpenSSH's own for Ed25519.
    Pem,
    /// PuTTY's, version 3; for RSA.
    Ppk,
}

/// Makes a key pair. `comment` goes into formats that have one. None for a format that the kind isn't written in.
pub fn generate(kind: Kind, format: Format, comment: &str, random: Random<'_>) -> Option<KeyPair> {
    match kind {
        Kind::Rsa => {
            let key = primes::RsaKey::generate(2048, random);
            let private = match format {
                Format::Pem => wire::pem("RSA PRIVATE KEY", &key.pkcs1()),
                Format::Ppk => key.ppk(comment),
            };
            // Of the whole private key, as PKCS#8 wraps it.
            let fingerprint = colons(&Sha1::digest(key.pkcs8()));
            Some(KeyPair { public: line("ssh-rsa", &key.public_blob()), private, fingerprint })
        }
        Kind::Ed25519 if format == Format::Pem => {
            let mut seed = [0; 32];
            random(&mut seed);
            let public = curve::public_key(&seed);
            let mut check = [0; 4];
            random(&mut check);
            let blob = ed25519_blob(&public);
            let private = wire::openssh_private(&blob, &seed, &public, comment, check);
            let fingerprint = sha256_fingerprint(&blob);
            Some(KeyPair { public: line("ssh-ed25519", &blob), private, fingerprint })
        }
        Kind::Ed25519 => None,
    }
}

/// A public key that a user brought.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its kind.
    pub kind: Kind,
    /// As a line of `authorized_keys`, without the comment.
    pub line: String,
    /// The fingerprint as EC2 shows it for an imported key.
    pub fingerprint: String,
}

impl PublicKey {
    /// Reads a key in one of the formats that ImportKeyPair takes: an OpenSSH line, base64 alone, or RFC 4716.
    pub fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let encoded: String = if text.starts_with("---- BEGIN SSH2 PUBLIC KEY ----") {
            let body = text.lines().skip(1).take_while(|line| !line.starts_with("---- END"));
            // Headers have a colon, which base64 has not.
            body.filter(|line| !line.contains(':')).map(str::trim).collect()
        } else {
            let mut words = text.split_whitespace();
            match words.next()? {
                "ssh-rsa" | "ssh-ed25519" => words.next()?.to_owned(),
                alone => alone.to_owned(),
            }
        };
        let blob = STANDARD.decode(encoded).ok()?;
        let parts = wire::read_strings(&blob)?;
        match parts.as_slice() {
            [b"ssh-rsa", _exponent, modulus] => {
                let bits = modulus.iter().skip_while(|byte| **byte == 0).count() * 8;
                let fingerprint = colons(&Md5::digest(&blob));
                (1024..=16_384).contains(&bits).then(|| Self { kind: Kind::Rsa, line: line("ssh-rsa", &blob), fingerprint })
            }
            [b"ssh-ed25519", point] if point.len() == 32 => {
                Some(Self { kind: Kind::Ed25519, line: line("ssh-ed25519", &blob), fingerprint: sha256_fingerprint(&blob) })
            }
            _ => None,
        }
    }
}

fn ed25519_blob(public: &[u8; 32]) -> Vec<u8> {
    let mut blob = SshWriter::default();
    blob.string(b"ssh-ed25519").string(public);
    blob.0
}

fn line(algorithm: &str, blob: &[u8]) -> String {
    format!("{algorithm} {}", STANDARD.encode(blob))
}

/// As OpenSSH writes it, without the `SHA256:` before it, and as EC2 does with the padding.
fn sha256_fingerprint(blob: &[u8]) -> String {
    format!("{}=", STANDARD_NO_PAD.encode(Sha256::digest(blob)))
}

fn colons(digest: &[u8]) -> String {
    digest.iter().map(|byte| format!("{byte:02x}")).collect::<Vec<_>>().join(":")
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "tests")]
    use super::*;

    /// Bytes that look random and are the same in every run.
    fn random() -> impl FnMut(&mut [u8]) {
        let mut state = 7u64;
        move |buffer: &mut [u8]| {
            for byte in buffer {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                *byte = (state >> 56) as u8;
            }
        }
    }

    /// The pair of RFC 8032, section 7.1, test 2.
    #[test]
    fn ed25519_public_keys_are_those_of_the_rfc() {
        let hex = |text: &str| -> [u8; 32] {
            let byte = |at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap();
            std::array::from_fn(byte)
        };
        for (seed, public) in [
            (
                "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60",
                "d75a980182b10ab7d54bfed3c964073a0ee172f3daa62325af021a68f707511a",
            ),
            (
                "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb",
                "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c",
            ),
        ] {
            assert_eq!(curve::public_key(&hex(seed)), hex(public));
        }
    }

    #[test]
    fn a_made_key_is_read_back() {
        let pair = generate(Kind::Ed25519, Format::Pem, "mine", &mut random()).unwrap();
        let read = PublicKey::parse(&format!("{} me@home", pair.public)).unwrap();
        assert_eq!((read.kind, &read.line, &read.fingerprint), (Kind::Ed25519, &pair.public, &pair.fingerprint));
        assert!(pair.private.starts_with("-----BEGIN OPENSSH PRIVATE KEY-----\n"), "{}", pair.private);
        assert!(generate(Kind::Ed25519, Format::Ppk, "mine", &mut random()).is_none());
    }

    #[test]
    fn an_rsa_key_has_2048_bits_and_its_private_form() {
        let pair = generate(Kind::Rsa, Format::Pem, "mine", &mut random()).unwrap();
        assert!(pair.private.starts_with("-----BEGIN RSA PRIVATE KEY-----\n") && pair.private.len() > 1600);
        assert_eq!(pair.fingerprint.len(), 59);
        let read = PublicKey::parse(&pair.public).unwrap();
        assert_eq!((read.kind, read.fingerprint.len()), (Kind::Rsa, 47));
        let bare = pair.public.strip_prefix("ssh-rsa ").unwrap();
        assert_eq!(PublicKey::parse(bare), Some(read.clone()));
        let wrapped = format!("---- BEGIN SSH2 PUBLIC KEY ----\nComment: me\n{bare}\n---- END SSH2 PUBLIC KEY ----");
        assert_eq!(PublicKey::parse(&wrapped), Some(read));
    }

    #[test]
    fn what_isn_t_a_key_is_none() {
        for text in ["", "ssh-rsa", "ssh-rsa AAAA", "ssh-dss AAAAB3NzaC1kc3M=", "-----BEGIN PUBLIC KEY-----\nAAAA", "é"] {
            assert_eq!(PublicKey::parse(text), None, "{text}");
        }
    }
}
