//! How keys are written: SSH's strings, DER, PEM.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use num_bigint::BigUint;

/// Writes SSH's data types: RFC 4251, section 5.
#[derive(Default)]
pub(super) struct SshWriter(pub Vec<u8>);

impl SshWriter {
    /// Bytes behind their length.
    pub fn string(&mut self, bytes: &[u8]) -> &mut Self {
        // Keys are a few kilobytes at most.
        self.0.extend((bytes.len() as u32).to_be_bytes());
        self.0.extend(bytes);
        self
    }

    /// A number that isn't negative.
    pub fn number(&mut self, number: &BigUint) -> &mut Self {
        self.string(&unsigned(number))
    }
}

/// The strings that a blob consists of; none when it isn't made of strings.
pub(super) fn read_strings(mut blob: &[u8]) -> Option<Vec<&[u8]>> {
    let mut strings = Vec::new();
    while !blob.is_empty() {
        let (length, rest) = blob.split_first_chunk::<4>()?;
        let (string, rest) = rest.split_at_checked(u32::from_be_bytes(*length) as usize)?;
        strings.push(string);
        blob = rest;
    }
    Some(strings)
}

/// Writes DER: ITU-T X.690.
#[derive(Default)]
pub(super) struct DerWriter(Vec<u8>);

impl DerWriter {
    /// A number that isn't negative.
    pub fn integer(&mut self, number: &BigUint) -> &mut Self {
        let bytes = unsigned(number);
        self.element(2, if bytes.is_empty() { &[0] } else { &bytes })
    }

    /// Bytes.
    pub fn octets(&mut self, bytes: &[u8]) -> &mut Self {
        self.element(4, bytes)
    }

    /// What is written already.
    pub fn raw(&mut self, bytes: &[u8]) -> &mut Self {
        self.0.extend(bytes);
        self
    }

    /// All that was written as one sequence.
    pub fn as_sequence(&self) -> Vec<u8> {
        let mut sequence = Self::default();
        sequence.element(0x30, &self.0);
        sequence.0
    }

    fn element(&mut self, tag: u8, content: &[u8]) -> &mut Self {
        self.0.push(tag);
        match content.len() {
            length @ 0..128 => self.0.push(length as u8),
            length => {
                let bytes: Vec<u8> = length.to_be_bytes().into_iter().skip_while(|byte| *byte == 0).collect();
                self.0.push(0x80 | bytes.len() as u8);
                self.0.extend(bytes);
            }
        }
        self.0.extend(content);
        self
    }
}

/// `rsaEncryption` without parameters, in DER.
pub(super) const RSA_ALGORITHM: [u8; 15] =
    [0x30, 0x0d, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x01, 0x05, 0x00];

/// OpenSSH's own private key format, unencrypted: PROTOCOL.key of OpenSSH.
pub(super) fn openssh_private(blob: &[u8], seed: &[u8; 32], public: &[u8; 32], comment: &str, check: [u8; 4]) -> String {
    let mut secret = SshWriter::default();
    secret.0.extend(check);
    secret.0.extend(check);
    secret.string(b"ssh-ed25519").string(public).string(&[&seed[..], public].concat()).string(comment.as_bytes());
    let padding = (1..).take((8 - secret.0.len() % 8) % 8);
    secret.0.extend(padding);
    let mut key = SshWriter(b"openssh-key-v1\0".to_vec());
    key.string(b"none").string(b"none").string(b"");
    key.0.extend(1u32.to_be_bytes());
    key.string(blob).string(&secret.0);
    let lines = base64_lines(&key.0, 70).join("\n");
    format!("-----BEGIN OPENSSH PRIVATE KEY-----\n{lines}\n-----END OPENSSH PRIVATE KEY-----\n")
}

/// DER as PEM.
pub(super) fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", base64_lines(der, 64).join("\n"))
}

/// Base64 in lines of that many characters.
pub(super) fn base64_lines(bytes: &[u8], width: usize) -> Vec<String> {
    let text: Vec<char> = STANDARD.encode(bytes).chars().collect();
    text.chunks(width).map(|line| line.iter().collect()).collect()
}

/// The bytes of a number from the highest, with a zero before a highest bit that would say "negative"; none for zero.
fn unsigned(number: &BigUint) -> Vec<u8> {
    if *number == BigUint::default() {
        return Vec::new();
    }
    let bytes = number.to_bytes_be();
    if bytes[0] & 0x80 == 0 { bytes } else { [vec![0], bytes].concat() }
}
