//! The smallest sound picture of each kind, written by hand from the formats' definitions.

pub fn all() -> Vec<(&'static str, Vec<u8>)> {
    vec![
        ("png-grey", png(0, 8, &[0, 7])),
        ("png-rgb", png(2, 8, &[0, 1, 2, 3])),
        ("png-rgba-16", png(6, 16, &[0, 1, 2, 3, 4, 5, 6, 7, 8])),
        ("png-animated", animated()),
        ("gif", gif()),
        ("webp-lossless", webp(b"VP8L", &LOSSLESS)),
        ("webp-lossy", webp(b"VP8 ", &LOSSY)),
        ("webp-extended", extended()),
        ("jpeg-grey", jpeg(0xc0, 1)),
        ("jpeg-progressive", jpeg(0xc2, 1)),
        ("jpeg-upright", upright()),
        ("jpeg-cmyk", jpeg(0xc0, 4)),
    ]
}

/// One pixel; `row` is its filter and its samples.
fn png(colour: u8, depth: u8, row: &[u8]) -> Vec<u8> {
    let header = [0, 0, 0, 1, 0, 0, 0, 1, depth, colour, 0, 0, 0];
    [
        b"\x89PNG\r\n\x1a\n".to_vec(),
        chunk(b"IHDR", &header),
        chunk(b"gAMA", &[0, 0, 0xb1, 0x8f]),
        chunk(b"IDAT", &stored(row)),
        chunk(b"IEND", &[]),
    ]
    .concat()
}

fn animated() -> Vec<u8> {
    let mut file = png(2, 8, &[0, 1, 2, 3]);
    let at = 8 + 25;
    file.splice(at..at, chunk(b"acTL", &[0, 0, 0, 2, 0, 0, 0, 0]));
    file
}

fn chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&name[..], data].concat();
    let crc = body.iter().fold(u32::MAX, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ (0xedb8_8320 * (crc & 1))
        })
    });
    let length = (data.len() as u32).to_be_bytes();
    [&length[..], &body, &(!crc).to_be_bytes()].concat()
}

/// A zlib stream of one stored block.
fn stored(data: &[u8]) -> Vec<u8> {
    let length = data.len() as u16;
    let (a, b) = data.iter().fold((1u32, 0u32), |(a, b), byte| {
        let a = (a + u32::from(*byte)) % 65521;
        (a, (b + a) % 65521)
    });
    [
        &[0x78, 0x01, 1][..],
        &length.to_le_bytes(),
        &(!length).to_le_bytes(),
        data,
        &(b << 16 | a).to_be_bytes(),
    ]
    .concat()
}

/// One pixel of two colours, with a comment and a control block before it.
fn gif() -> Vec<u8> {
    [
        &b"GIF89a\x01\0\x01\0\x80\0\0"[..],
        &[1, 2, 3, 4, 5, 6],
        b"\x21\xfe\x02hi\0\x21\xf9\x04\0\0\0\0\0",
        b"\x2c\0\0\0\0\x01\0\x01\0\0\x02\x02\x44\x01\0\x3b",
    ]
    .concat()
}

/// One pixel, all of its five prefix codes of one symbol.
const LOSSLESS: [u8; 13] = [
    0x2f, 0, 0, 0, 0x10, 0x07, 0x10, 0x11, 0x11, 0x88, 0x88, 0xfe, 0x07,
];

/// A key frame of one pixel by one.
const LOSSY: [u8; 24] = [
    0x30, 0x01, 0, 0x9d, 0x01, 0x2a, 1, 0, 1, 0, 0x02, 0, 0x34, 0x25, 0xa4, 0, 0x03, 0x70, 0, 0xfe,
    0xfb, 0x94, 0, 0,
];

fn webp(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    riff(&webp_chunk(name, data))
}

fn extended() -> Vec<u8> {
    // EXIF and alpha announced; the sides less one.
    let header = webp_chunk(b"VP8X", &[0x18, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    let exif = webp_chunk(b"EXIF", TIFF);
    riff(&[header, webp_chunk(b"VP8L", &LOSSLESS), exif].concat())
}

fn webp_chunk(name: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let padding = vec![0; data.len() % 2];
    [
        &name[..],
        &(data.len() as u32).to_le_bytes(),
        data,
        &padding,
    ]
    .concat()
}

fn riff(chunks: &[u8]) -> Vec<u8> {
    let length = (chunks.len() as u32 + 4).to_le_bytes();
    [&b"RIFF"[..], &length, b"WEBP", chunks].concat()
}

/// An orientation of 6: a quarter turn.
const TIFF: &[u8] = b"II\x2a\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";

/// One block of `components` colours, all of them the middle value.
fn jpeg(frame: u8, components: u8) -> Vec<u8> {
    let ids = 1..=components;
    let quantisation = [vec![0], vec![1; 64]].concat();
    // A table of one code of one bit, for the symbol 0: no difference, end of block.
    let codes = |class: u8| [vec![class], vec![1], vec![0; 15], vec![0]].concat();
    let in_frame = ids.clone().flat_map(|id| [id, 0x11, 0]);
    let in_scan = ids.flat_map(|id| [id, 0]);
    // A progressive scan begins with the constant part alone.
    let last = if frame == 0xc2 { 0 } else { 63 };
    [
        vec![0xff, 0xd8],
        segment(0xdb, &quantisation),
        segment(
            frame,
            &[vec![8, 0, 8, 0, 8, components], in_frame.collect()].concat(),
        ),
        segment(0xc4, &codes(0x00)),
        segment(0xc4, &codes(0x10)),
        segment(
            0xda,
            &[vec![components], in_scan.collect(), vec![0, last, 0]].concat(),
        ),
        vec![0x3f, 0xff, 0xd9],
    ]
    .concat()
}

fn upright() -> Vec<u8> {
    let mut file = jpeg(0xc0, 3);
    let exif = segment(0xe1, &[b"Exif\0\0", TIFF].concat());
    file.splice(2..2, exif);
    file
}

fn segment(marker: u8, data: &[u8]) -> Vec<u8> {
    let length = (data.len() as u16 + 2).to_be_bytes();
    [&[0xff, marker][..], &length, data].concat()
}
