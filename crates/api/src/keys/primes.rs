//! RSA keys. See RFC 8017 and FIPS 186-5, appendix A.1.

use hmac::{Hmac, KeyInit, Mac};
use num_bigint::BigUint;
use sha2::Sha256;

use super::Random;
use super::wire::{self, DerWriter, SshWriter};

/// An RSA key pair.
pub(super) struct RsaKey {
    modulus: BigUint,
    private: BigUint,
    primes: [BigUint; 2],
}

impl RsaKey {
    /// A key of that many bits.
    pub fn generate(bits: u64, random: Random<'_>) -> Self {
        loop {
            let (p, q) = (prime(bits / 2, random), prime(bits / 2, random));
            let (p, q) = if p > q { (p, q) } else { (q, p) };
            // Primes too near each other would be found from the modulus.
            if (&p - &q).bits() + 100 <= bits / 2 {
                continue;
            }
            let order = (&p - 1u8) * (&q - 1u8);
            let modulus = &p * &q;
            if let Some(private) = exponent().modinv(&order).filter(|_| modulus.bits() == bits) {
                return Self { modulus, private, primes: [p, q] };
            }
        }
    }

    /// `RSAPrivateKey` in DER: RFC 8017, appendix A.1.2.
    pub fn pkcs1(&self) -> Vec<u8> {
        let [p, q] = &self.primes;
        let (at_p, at_q) = (&self.private % (p - 1u8), &self.private % (q - 1u8));
        let mut sequence = DerWriter::default();
        sequence.integer(&BigUint::default());
        for number in [&self.modulus, &exponent(), &self.private, p, q, &at_p, &at_q, &self.coefficient()] {
            sequence.integer(number);
        }
        sequence.as_sequence()
    }

    /// `PrivateKeyInfo` in DER: RFC 5208, section 5.
    pub fn pkcs8(&self) -> Vec<u8> {
        let mut info = DerWriter::default();
        info.integer(&BigUint::default()).raw(&wire::RSA_ALGORITHM).octets(&self.pkcs1());
        info.as_sequence()
    }

    /// The public key as SSH writes it: RFC 4253, section 6.6.
    pub fn public_blob(&self) -> Vec<u8> {
        let mut blob = SshWriter::default();
        blob.string(b"ssh-rsa").number(&exponent()).number(&self.modulus);
        blob.0
    }

    /// PuTTY's format, version 3, without a passphrase. See appendix C of the PuTTY User Manual.
    pub fn ppk(&self, comment: &str) -> String {
        let public = self.public_blob();
        let mut private = SshWriter::default();
        let [p, q] = &self.primes;
        private.number(&self.private).number(p).number(q).number(&self.coefficient());
        let mut signed = SshWriter::default();
        signed.string(b"ssh-rsa").string(b"none").string(comment.as_bytes()).string(&public).string(&private.0);
        let code = Hmac::<Sha256>::new_from_slice(&[]).map(|mac| mac.chain_update(&signed.0).finalize().into_bytes());
        // HMAC takes a key of any length, the empty one of an unencrypted file too.
        let code: String = code.unwrap_or_default().iter().map(|byte| format!("{byte:02x}")).collect();
        let (public, private) = (wire::base64_lines(&public, 64), wire::base64_lines(&private.0, 64));
        format!(
            "PuTTY-User-Key-File-3: ssh-rsa\nEncryption: none\nComment: {comment}\nPublic-Lines: {}\n{}\nPrivate-Lines: {}\n{}\nPrivate-MAC: {code}\n",
            public.len(),
            public.join("\n"),
            private.len(),
            private.join("\n"),
        )
    }

    /// The inverse of the second prime modulo the first.
    fn coefficient(&self) -> BigUint {
        let [p, q] = &self.primes;
        // Different primes have inverses modulo each other.
        q.modinv(p).unwrap_or_default()
    }
}

fn exponent() -> BigUint {
    BigUint::from(65_537u32)
}

/// A random prime of that many bits, whose two highest bits are set, so that a product of two has twice as many.
fn prime(bits: u64, random: Random<'_>) -> BigUint {
    let mut bytes = vec![0; (bits / 8) as usize];
    loop {
        random(&mut bytes);
        bytes[0] |= 0xc0;
        if let Some(last) = bytes.last_mut() {
            *last |= 1;
        }
        let number = BigUint::from_bytes_be(&bytes);
        let shares = &number % exponent() == BigUint::from(1u8);
        if !shares && !has_small_factor(&number) && is_probably_prime(&number, random) {
            return number;
        }
    }
}

fn has_small_factor(number: &BigUint) -> bool {
    let composite = |n: u32| (2..n).take_while(|d| d * d <= n).any(|d| n.is_multiple_of(d));
    (3..2000).step_by(2).filter(|n| !composite(*n)).any(|small| (number % small) == BigUint::default())
}

/// Miller and Rabin's test with random bases: FIPS 186-5, appendix B.3. Eight rounds for 1024 bits leave a chance of error
/// below 2^-100.
fn is_probably_prime(number: &BigUint, random: Random<'_>) -> bool {
    let one = BigUint::from(1u8);
    let below = number - &one;
    let twos = below.trailing_zeros().unwrap_or(0);
    let odd = &below >> twos;
    let mut bytes = vec![0; (number.bits() / 8) as usize];
    (0..8).all(|_| {
        random(&mut bytes);
        let base = BigUint::from_bytes_be(&bytes) % (&below - 2u8) + 2u8;
        let mut power = base.modpow(&odd, number);
        if power == one || power == below {
            return true;
        }
        (1..twos).any(|_| {
            power = &power * &power % number;
            power == below
        })
    })
}
