//! Writing options of varying number into a message of limited length.

/// A message that grows. What doesn't fit any more is left out, whole.
pub(super) struct Writer {
    bytes: [u8; Self::ROOM],
    length: usize,
}

impl Writer {
    /// Bytes of the longest message: within IPv6's minimum MTU.
    const ROOM: usize = 1200;

    pub fn new() -> Self {
        Self { bytes: [0; Self::ROOM], length: 0 }
    }

    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.length]
    }

    /// Adds bytes; says whether they fitted.
    pub fn put(&mut self, bytes: &[u8]) -> bool {
        match self.bytes.get_mut(self.length..self.length + bytes.len()) {
            Some(place) => {
                place.copy_from_slice(bytes);
                self.length += bytes.len();
                true
            }
            None => false,
        }
    }

    /// Adds an option of DHCPv4; none where there is nothing to say.
    pub fn option4(&mut self, code: u8, value: &[u8]) {
        let room = Self::ROOM - self.length;
        if let Ok(length) = u8::try_from(value.len())
            && length > 0
            && room > value.len() + 2
        {
            self.put(&[code, length]);
            self.put(value);
        }
    }

    /// Adds an option of DHCPv6.
    pub fn option6(&mut self, code: u16, value: &[u8]) {
        let room = Self::ROOM - self.length;
        if let Ok(length) = u16::try_from(value.len())
            && room >= value.len() + 4
        {
            self.put(&code.to_be_bytes());
            self.put(&length.to_be_bytes());
            self.put(value);
        }
    }
}
