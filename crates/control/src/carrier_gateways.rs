//! Carrier gateways (Wavelength zones).
