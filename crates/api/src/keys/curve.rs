//! The public key that belongs to an Ed25519 private key: RFC 8032, section 5.1.5.

use num_bigint::BigUint;
use sha2::{Digest, Sha512};

/// A point of the curve in projective coordinates: x = X/Z, y = Y/Z.
struct Point {
    x: BigUint,
    y: BigUint,
    z: BigUint,
}

/// The public key of a private one.
pub(super) fn public_key(seed: &[u8; 32]) -> [u8; 32] {
    let digest = Sha512::digest(seed);
    let mut scalar: Vec<u8> = digest.iter().copied().take(32).collect();
    scalar[0] &= 248;
    scalar[31] = scalar[31] & 63 | 64;
    let field = Field::new();
    let point = field.multiply(&field.base(), &BigUint::from_bytes_le(&scalar));
    let inverse = field.inverse(&point.z);
    let (x, y) = (field.product(&point.x, &inverse), field.product(&point.y, &inverse));
    let mut encoded = [0; 32];
    for (to, from) in encoded.iter_mut().zip(y.to_bytes_le()) {
        *to = from;
    }
    encoded[31] |= u8::from(x.bit(0)) << 7;
    encoded
}

/// Arithmetic modulo p = 2^255 - 19.
struct Field {
    p: BigUint,
    /// The curve's constant, -121665/121666.
    d: BigUint,
}

impl Field {
    fn new() -> Self {
        let p = (BigUint::from(1u8) << 255) - 19u8;
        let mut field = Self { p, d: BigUint::default() };
        field.d = &field.p - field.product(&BigUint::from(121_665u32), &field.inverse(&BigUint::from(121_666u32)));
        field
    }

    /// The base point: y = 4/5, and the even x that belongs to it.
    fn base(&self) -> Point {
        let y = self.product(&BigUint::from(4u8), &self.inverse(&BigUint::from(5u8)));
        let one = BigUint::from(1u8);
        let square = self.product(&y, &y);
        let (above, below) = (self.difference(&square, &one), self.product(&self.d, &square) + &one);
        let ratio = self.product(&above, &self.inverse(&below));
        // A square root modulo a prime that is 5 modulo 8: RFC 8032, section 5.1.3.
        let mut x = ratio.modpow(&((&self.p + 3u8) >> 3), &self.p);
        if self.product(&x, &x) != ratio {
            x = self.product(&x, &BigUint::from(2u8).modpow(&((&self.p - 1u8) >> 2), &self.p));
        }
        if x.bit(0) {
            x = &self.p - x;
        }
        Point { x, y, z: one }
    }

    fn multiply(&self, point: &Point, scalar: &BigUint) -> Point {
        let one = BigUint::from(1u8);
        let mut sum = Point { x: BigUint::default(), y: one.clone(), z: one };
        for bit in (0..scalar.bits()).rev() {
            sum = self.sum(&sum, &sum);
            if scalar.bit(bit) {
                sum = self.sum(&sum, point);
            }
        }
        sum
    }

    /// The complete addition law of twisted Edwards curves with a = -1, which takes doubling and the neutral point as well.
    fn sum(&self, one: &Point, other: &Point) -> Point {
        let z = self.product(&one.z, &other.z);
        let zz = self.product(&z, &z);
        let (xx, yy) = (self.product(&one.x, &other.x), self.product(&one.y, &other.y));
        let e = self.product(&self.d, &self.product(&xx, &yy));
        let (f, g) = (self.difference(&zz, &e), &zz + &e);
        let cross = self.product(&(&one.x + &one.y), &(&other.x + &other.y));
        let cross = self.difference(&self.difference(&cross, &xx), &yy);
        Point {
            x: self.product(&self.product(&z, &f), &cross),
            y: self.product(&self.product(&z, &g), &(yy + xx)),
            z: self.product(&f, &g),
        }
    }

    fn product(&self, one: &BigUint, other: &BigUint) -> BigUint {
        one * other % &self.p
    }

    /// Of two numbers, the second of which is below 2p.
    fn difference(&self, one: &BigUint, other: &BigUint) -> BigUint {
        (one + &self.p + &self.p - other) % &self.p
    }

    fn inverse(&self, number: &BigUint) -> BigUint {
        number.modpow(&(&self.p - 2u8), &self.p)
    }
}
