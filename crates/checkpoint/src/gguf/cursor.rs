//! Little-endian fields of a GGUF header from a window of its bytes.

/// Why an item of the header could not be parsed.
#[derive(Debug)]
pub(super) enum Stop {
    /// The window ends too early: this many bytes from the item's start are
    /// needed at least. The file does hold them.
    Short(u64),
    /// The item is wrong; the text says how.
    Bad(String),
}

/// A position in a window that starts at the first byte of an item.
///
/// Every count is compared with `left`, what the file can still hold, before
/// anything is allocated for it.
pub(super) struct Cursor<'a> {
    window: &'a [u8],
    /// Bytes of the window that are consumed.
    pub(super) at: usize,
    /// Bytes from the item's start to the end of the readable header.
    left: u64,
}

impl<'a> Cursor<'a> {
    pub(super) fn new(window: &'a [u8], left: u64) -> Self {
        Self {
            window,
            at: 0,
            left,
        }
    }

    /// `count` bytes.
    pub(super) fn take(&mut self, count: u64) -> Result<&'a [u8], Stop> {
        let end = self.end_of(count, 1)?;
        let end_in_memory = usize::try_from(end).unwrap_or(usize::MAX);
        let bytes = self
            .window
            .get(self.at..end_in_memory)
            .ok_or(Stop::Short(end))?;
        self.at = end_in_memory;
        Ok(bytes)
    }

    /// Checks that `count` elements of at least `min_bytes` each are in the
    /// window, and gives `count` back as a length to reserve.
    pub(super) fn counted(&self, count: u64, min_bytes: u64) -> Result<usize, Stop> {
        let end = self.end_of(count, min_bytes)?;
        if end > self.window.len() as u64 {
            return Err(Stop::Short(end));
        }
        usize::try_from(count).map_err(|_| Stop::Short(end))
    }

    /// Where `count` elements of `min_bytes` end, if the file is long enough.
    fn end_of(&self, count: u64, min_bytes: u64) -> Result<u64, Stop> {
        count
            .checked_mul(min_bytes)
            .and_then(|bytes| bytes.checked_add(self.at as u64))
            .filter(|&end| end <= self.left)
            .ok_or_else(|| {
                let left = self.left.saturating_sub(self.at as u64);
                Stop::Bad(if min_bytes == 1 {
                    format!("{count} bytes are needed and the file has {left} left")
                } else {
                    format!(
                        "{count} items of at least {min_bytes} bytes are claimed and the file \
                         has {left} bytes left"
                    )
                })
            })
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Stop> {
        let bytes = self.take(N as u64)?;
        bytes
            .try_into()
            .map_err(|_| Stop::Bad("a field is short".to_owned()))
    }

    pub(super) fn u8(&mut self) -> Result<u8, Stop> {
        Ok(u8::from_le_bytes(self.array()?))
    }

    pub(super) fn u16(&mut self) -> Result<u16, Stop> {
        Ok(u16::from_le_bytes(self.array()?))
    }

    pub(super) fn u32(&mut self) -> Result<u32, Stop> {
        Ok(u32::from_le_bytes(self.array()?))
    }

    pub(super) fn u64(&mut self) -> Result<u64, Stop> {
        Ok(u64::from_le_bytes(self.array()?))
    }

    pub(super) fn f32(&mut self) -> Result<f32, Stop> {
        Ok(f32::from_le_bytes(self.array()?))
    }

    pub(super) fn f64(&mut self) -> Result<f64, Stop> {
        Ok(f64::from_le_bytes(self.array()?))
    }

    /// The specification allows 0 and 1 alone.
    pub(super) fn bool(&mut self) -> Result<bool, Stop> {
        match self.u8()? {
            0 => Ok(false),
            1 => Ok(true),
            other => Err(Stop::Bad(format!("a boolean is {other} instead of 0 or 1"))),
        }
    }

    /// A length of eight bytes and UTF-8.
    pub(super) fn string(&mut self) -> Result<String, Stop> {
        let length = self.u64()?;
        let bytes = self.take(length)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Ok(text.to_owned()),
            Err(error) => Err(Stop::Bad(format!("a string is invalid UTF-8: {error}"))),
        }
    }
}
