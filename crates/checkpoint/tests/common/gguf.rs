//! Writes GGUF files, right ones and wrong ones.

/// Type numbers of metadata values.
pub mod kind {
    pub const U8: u32 = 0;
    pub const U32: u32 = 4;
    pub const I32: u32 = 5;
    pub const F32: u32 = 6;
    pub const BOOL: u32 = 7;
    pub const STR: u32 = 8;
    pub const ARRAY: u32 = 9;
    pub const U64: u32 = 10;
}

pub struct Tensor {
    pub name: Vec<u8>,
    /// Innermost first, as the format wants.
    pub dims: Vec<u64>,
    pub dtype: u32,
    pub data: Vec<u8>,
    /// Overrides the offset that follows from the order.
    pub offset: Option<u64>,
}

pub fn tensor(name: &str, dims: &[u64], dtype: u32, data: Vec<u8>) -> Tensor {
    Tensor {
        name: name.into(),
        dims: dims.to_vec(),
        dtype,
        data,
        offset: None,
    }
}

/// Every field that a hostile file may falsify.
pub struct Gguf {
    pub magic: [u8; 4],
    pub version: u32,
    pub tensor_count: Option<u64>,
    pub pair_count: Option<u64>,
    /// Keys, and values with their type numbers in front.
    pub pairs: Vec<(Vec<u8>, Vec<u8>)>,
    pub tensors: Vec<Tensor>,
    pub alignment: u64,
}

impl Gguf {
    pub fn new() -> Self {
        Self {
            magic: *b"GGUF",
            version: 3,
            tensor_count: None,
            pair_count: None,
            pairs: Vec::new(),
            tensors: Vec::new(),
            alignment: 32,
        }
    }

    pub fn pair(mut self, key: impl Into<Vec<u8>>, value: Vec<u8>) -> Self {
        self.pairs.push((key.into(), value));
        self
    }

    pub fn tensor(mut self, tensor: Tensor) -> Self {
        self.tensors.push(tensor);
        self
    }

    pub fn build(&self) -> Vec<u8> {
        self.sections().0
    }

    /// The file, and where each of its sections ends.
    pub fn sections(&self) -> (Vec<u8>, Vec<(&'static str, usize)>) {
        let mut ends = Vec::new();
        let mut out = self.magic.to_vec();
        ends.push(("magic", out.len()));
        out.extend(self.version.to_le_bytes());
        ends.push(("version", out.len()));
        out.extend(
            self.tensor_count
                .unwrap_or(self.tensors.len() as u64)
                .to_le_bytes(),
        );
        ends.push(("tensor count", out.len()));
        out.extend(
            self.pair_count
                .unwrap_or(self.pairs.len() as u64)
                .to_le_bytes(),
        );
        ends.push(("pair count", out.len()));
        for (key, value) in &self.pairs {
            out.extend(string(key));
            ends.push(("key", out.len()));
            out.extend(value);
            ends.push(("value", out.len()));
        }
        let mut offset = 0;
        for tensor in &self.tensors {
            out.extend(string(&tensor.name));
            ends.push(("tensor name", out.len()));
            out.extend((tensor.dims.len() as u32).to_le_bytes());
            out.extend(tensor.dims.iter().flat_map(|dim| dim.to_le_bytes()));
            ends.push(("tensor dimensions", out.len()));
            out.extend(tensor.dtype.to_le_bytes());
            out.extend(tensor.offset.unwrap_or(offset).to_le_bytes());
            ends.push(("tensor place", out.len()));
            offset = (offset + tensor.data.len() as u64).next_multiple_of(self.alignment);
        }
        for tensor in &self.tensors {
            out.resize(out.len().next_multiple_of(self.alignment as usize), 0);
            out.extend(&tensor.data);
            ends.push(("tensor data", out.len()));
        }
        (out, ends)
    }
}

/// A length and bytes.
pub fn string(bytes: &[u8]) -> Vec<u8> {
    [&(bytes.len() as u64).to_le_bytes()[..], bytes].concat()
}

/// A type number and a value's bytes.
pub fn value(kind: u32, bytes: &[u8]) -> Vec<u8> {
    [&kind.to_le_bytes()[..], bytes].concat()
}

pub fn str_value(text: &str) -> Vec<u8> {
    value(kind::STR, &string(text.as_bytes()))
}

pub fn u32_value(number: u32) -> Vec<u8> {
    value(kind::U32, &number.to_le_bytes())
}

/// An array's element type, count and bytes, with the type number in front.
pub fn array(element: u32, count: u64, bytes: &[u8]) -> Vec<u8> {
    value(kind::ARRAY, &array_body(element, count, bytes))
}

pub fn array_body(element: u32, count: u64, bytes: &[u8]) -> Vec<u8> {
    [&element.to_le_bytes()[..], &count.to_le_bytes(), bytes].concat()
}

/// A value of every kind and a tensor of every type.
pub fn rich() -> Gguf {
    let strings: Vec<u8> = ["", "a", "é", "grün"]
        .iter()
        .flat_map(|s| string(s.as_bytes()))
        .collect();
    let inner = array_body(kind::U8, 3, &[1, 2, 3]);
    let mut file = Gguf::new()
        .pair("general.architecture", str_value("llama"))
        .pair("general.alignment", u32_value(32))
        .pair("u8", value(0, &[200]))
        .pair("i8", value(1, &(-3i8).to_le_bytes()))
        .pair("u16", value(2, &60000u16.to_le_bytes()))
        .pair("i16", value(3, &(-300i16).to_le_bytes()))
        .pair("u32", u32_value(4_000_000_000))
        .pair("i32", value(5, &(-70000i32).to_le_bytes()))
        .pair("f32", value(6, &1.5f32.to_le_bytes()))
        .pair("true", value(7, &[1]))
        .pair("u64", value(10, &u64::MAX.to_le_bytes()))
        .pair("i64", value(11, &i64::MIN.to_le_bytes()))
        .pair("f64", value(12, &(-0.1f64).to_le_bytes()))
        .pair("empty", array(kind::STR, 0, &[]))
        .pair("strings", array(kind::STR, 4, &strings))
        .pair("i32s", array(kind::I32, 2, &[1, 0, 0, 0, 2, 0, 0, 0]))
        .pair("negatives", array(kind::I32, 1, &(-1i32).to_le_bytes()))
        .pair("f32s", array(kind::F32, 2, &[0, 0, 128, 63, 0, 0, 0, 192]))
        .pair("bools", array(kind::BOOL, 2, &[0, 1]))
        .pair(
            "nested",
            array(kind::ARRAY, 2, &[inner.clone(), inner].concat()),
        );
    let blocks = [
        (0, 1, 4),
        (1, 1, 2),
        (30, 1, 2),
        (2, 32, 18),
        (3, 32, 20),
        (6, 32, 22),
        (7, 32, 24),
    ];
    let superblocks = [(8, 32, 34), (12, 256, 144), (13, 256, 176), (14, 256, 210)];
    for (dtype, len, bytes) in blocks.into_iter().chain(superblocks) {
        let data = (0..bytes * 2u64)
            .map(|i| (i * 7 + u64::from(dtype)) as u8 & 0x3f)
            .collect();
        file = file.tensor(tensor(&format!("tensor.{dtype}"), &[len, 2], dtype, data));
    }
    file.tensor(tensor("scalar", &[], 0, vec![0; 4]))
        .tensor(tensor("other", &[3], 24, vec![1, 2, 3]))
}
