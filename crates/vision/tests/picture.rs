//! Decoding, turning, cropping and padding, and what is refused.

use std::path::Path;

use lexigraft_vision::VisionError;
use lexigraft_vision::picture::{Crop, Frame, Picture, check_header, preprocess};

/// A file that `fixtures/make_pictures.py` wrote.
fn fixture(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    std::fs::read(folder.join(name)).unwrap()
}

fn decode(name: &str) -> Picture {
    Picture::decode(&fixture(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

fn gradient(width: usize, height: usize) -> Vec<u8> {
    (0..width * height)
        .flat_map(|at| {
            let (x, y) = (at % width, at / width);
            [x * 7, y * 11, (x + y) * 3].map(|value| (value % 256) as u8)
        })
        .collect()
}

fn code(bytes: &[u8]) -> &'static str {
    Picture::decode(bytes).unwrap_err().code()
}

#[test]
fn every_format_is_decoded() {
    let wanted = gradient(20, 12);
    for name in ["gradient.png", "gradient.webp"] {
        let picture = decode(name);
        assert_eq!((picture.width(), picture.height()), (20, 12));
        assert_eq!(picture.rgb(), wanted, "{name}");
    }
    for (name, most) in [
        ("gradient.jpg", 40),
        ("gradient.gif", 40),
        ("palette.png", 60),
    ] {
        let picture = decode(name);
        assert_eq!((picture.width(), picture.height()), (20, 12));
        let worst = picture
            .rgb()
            .iter()
            .zip(&wanted)
            .map(|(a, b)| a.abs_diff(*b))
            .max();
        assert!(worst.unwrap() <= most, "{name}: {worst:?}");
    }
}

#[test]
fn every_depth_becomes_three_bytes_and_transparency_is_dropped() {
    assert_eq!(decode("clear.png").rgb(), [10, 20, 30].repeat(6));
    assert_eq!(decode("grey.png").rgb(), [9; 12]);
    assert_eq!(decode("deep.png").rgb(), [0x12; 12]);
    assert_eq!(decode("bits.png").rgb(), [255; 27]);
    let grey = decode("grey.jpg");
    assert!(
        grey.rgb()
            .chunks_exact(3)
            .all(|p| p[0] == p[1] && p[1] == p[2])
    );
}

/// An EXIF block of one entry, the orientation, between the start of a JPEG and the rest.
fn with_orientation(jpeg: &[u8], orientation: u8) -> Vec<u8> {
    let mut exif = b"Exif\0\0MM\0\x2a\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([orientation, 0, 0, 0, 0, 0, 0]);
    let length = (exif.len() as u16 + 2).to_be_bytes();
    [&jpeg[..2], &[0xff, 0xe1], &length, &exif, &jpeg[2..]].concat()
}

/// Size, and whether the corners top left, top right and bottom left are bright.
fn corners(picture: &Picture) -> ((usize, usize), [bool; 3]) {
    let (w, h) = (picture.width(), picture.height());
    let bright = |x: usize, y: usize| picture.rgb()[(y * w + x) * 3] > 127;
    ((w, h), [bright(1, 1), bright(w - 2, 1), bright(1, h - 2)])
}

#[test]
fn exif_orientation_is_respected() {
    // Left half dark, right half bright, wider than high.
    let jpeg = fixture("half.jpg");
    let turned =
        |orientation: u8| corners(&Picture::decode(&with_orientation(&jpeg, orientation)).unwrap());
    let (wide, tall) = ((32, 16), (16, 32));
    assert_eq!(turned(1), (wide, [false, true, false]));
    assert_eq!(turned(2), (wide, [true, false, true]));
    assert_eq!(turned(3), (wide, [true, false, true]));
    assert_eq!(turned(4), (wide, [false, true, false]));
    assert_eq!(turned(5), (tall, [false, false, true]));
    assert_eq!(turned(6), (tall, [false, false, true]));
    assert_eq!(turned(7), (tall, [true, true, false]));
    assert_eq!(turned(8), (tall, [true, true, false]));
    // No such orientation: the picture lies as it is.
    assert_eq!(turned(77), (wide, [false, true, false]));
    for format in ["jpg", "webp", "png"] {
        let found = corners(&decode(&format!("half-3.{format}")));
        assert_eq!(found, turned(3), "{format}");
        let found = corners(&decode(&format!("half-6.{format}")));
        assert_eq!(found, turned(6), "{format}");
    }
}

#[test]
fn what_is_no_picture_is_said_to_be_none() {
    for bytes in [
        &b""[..],
        b"hello",
        b"%PDF-1.7",
        b"\x89PNG\r\n\x1a\n",
        b"\xff\xd8\xff\xe0",
    ] {
        assert_eq!(code(bytes), "not-an-image", "{bytes:?}");
    }
    let png = fixture("gradient.png");
    for end in [20, 33, 60, png.len() - 20] {
        assert_eq!(code(&png[..end]), "not-an-image", "{end}");
    }
}

#[test]
fn random_damage_never_panics() {
    for name in [
        "gradient.png",
        "gradient.jpg",
        "gradient.gif",
        "gradient.webp",
        "half-6.jpg",
    ] {
        let file = fixture(name);
        let mut state = 88_172_645_463_325_252u64;
        for _ in 0..300 {
            let mut damaged = file.clone();
            for _ in 0..3 {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                let at = (state >> 20) as usize % damaged.len();
                damaged[at] = state as u8;
            }
            let _ = Picture::decode(&damaged);
        }
    }
}

#[test]
fn empty_and_enormous_pictures_are_refused_by_their_headers() {
    let mut png = fixture("gradient.png");
    let set = |png: &mut Vec<u8>, width: u32, height: u32| {
        png[16..20].copy_from_slice(&width.to_be_bytes());
        png[20..24].copy_from_slice(&height.to_be_bytes());
        let crc = crc32(&png[12..29]);
        png[29..33].copy_from_slice(&crc.to_be_bytes());
    };
    set(&mut png, 0, 4);
    assert_eq!(code(&png), "empty-image");
    set(&mut png, 100_000, 100_000);
    assert_eq!(code(&png), "image-too-large");
    set(&mut png, u32::MAX >> 1, u32::MAX >> 1);
    assert_eq!(code(&png), "image-too-large");
    // Within the limit, and the data do not follow.
    set(&mut png, 8_000, 8_000);
    assert_eq!(code(&png), "not-an-image");
    assert!(matches!(
        Picture::from_rgb(vec![], 0, 5),
        Err(VisionError::EmptyImage { .. })
    ));
    assert_eq!(
        Picture::from_rgb(vec![0; 5], 1, 1).unwrap_err().code(),
        "invalid-argument"
    );
    assert_eq!(
        Picture::from_rgb(vec![], 1 << 14, 1 << 14)
            .unwrap_err()
            .code(),
        "image-too-large"
    );
}

fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for &byte in bytes {
        crc ^= u32::from(byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xedb8_8320 & (0u32.wrapping_sub(crc & 1)));
        }
    }
    !crc
}

#[test]
fn animated_pictures_are_refused() {
    for name in ["animated.gif", "animated.webp", "animated.png"] {
        assert_eq!(code(&fixture(name)), "animated-image", "{name}");
    }
}

#[test]
fn cmyk_is_refused() {
    assert_eq!(code(&fixture("cmyk.jpg")), "cmyk-image");
}

#[test]
fn the_square_in_the_middle() {
    let pixels = gradient(30, 20);
    let picture = Picture::from_rgb(pixels.clone(), 30, 20).unwrap();
    let done = preprocess(&picture, 20, Crop::Center).unwrap();
    assert_eq!(done.values.len(), 3 * 20 * 20);
    assert_eq!(
        done.frame,
        Frame {
            left: 0,
            top: 0,
            width: 20,
            height: 20
        }
    );
    // Its own size: no resampling, so the values are the pixels'.
    for (channel, (mean, deviation)) in [(0.485, 0.229), (0.456, 0.224), (0.406, 0.225)]
        .into_iter()
        .enumerate()
    {
        for (x, y) in [(0, 0), (7, 13), (19, 19)] {
            let byte = pixels[(y * 30 + x + 5) * 3 + channel];
            let want = (f32::from(byte) / 255.0 - mean) / deviation;
            let have = done.values[channel * 400 + y * 20 + x];
            assert!((have - want).abs() < 1e-6);
        }
    }
    for size in [0, 5000] {
        let error = preprocess(&picture, size, Crop::Center).unwrap_err();
        assert_eq!(error.code(), "invalid-argument");
    }
}

#[test]
fn padding_keeps_everything_and_centres_it() {
    let frame = |width: usize, height: usize, size: usize| {
        let picture = Picture::from_rgb(vec![200; width * height * 3], width, height);
        let done = preprocess(&picture.unwrap(), size, Crop::Pad).unwrap();
        let f = done.frame;
        // Content is content, padding is black.
        for (index, pixel) in done.rgb.chunks_exact(3).enumerate() {
            let (x, y) = (index % size, index / size);
            let inside =
                (f.left..f.left + f.width).contains(&x) && (f.top..f.top + f.height).contains(&y);
            assert_eq!(pixel, if inside { [200; 3] } else { [0; 3] });
        }
        (f.left, f.top, f.width, f.height)
    };
    assert_eq!(frame(451, 300, 224), (0, 37, 224, 149));
    assert_eq!(frame(100, 200, 224), (56, 0, 112, 224));
    assert_eq!(frame(224, 224, 224), (0, 0, 224, 224));
    assert_eq!(frame(4000, 1, 224), (0, 111, 224, 1));
}

/// Pillow 13: `Image.frombytes("RGB", (8, 8), bytes).resize((4, 4), BICUBIC)`.
#[test]
fn cubic_shrinking_agrees_with_pillow() {
    let bytes: Vec<u8> = (0..8 * 8 * 3).map(|i| (i * i * 31 % 251) as u8).collect();
    let picture = Picture::from_rgb(bytes, 8, 8).unwrap();
    let done = preprocess(&picture, 4, Crop::Center).unwrap();
    let pillow: [u8; 48] = [
        26, 138, 138, 61, 132, 153, 145, 142, 122, 106, 127, 109, 99, 125, 140, 88, 153, 149, 134,
        127, 133, 109, 110, 119, 122, 27, 136, 166, 77, 132, 166, 108, 78, 83, 104, 176, 139, 127,
        151, 116, 41, 105, 109, 106, 98, 129, 137, 139,
    ];
    for (have, want) in done.rgb.iter().zip(pillow) {
        assert!(have.abs_diff(want) <= 1, "{:?}", done.rgb);
    }
}

#[test]
fn headers_tell_what_decoding_would() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let mut files = 0;
    for entry in std::fs::read_dir(folder).unwrap().flatten() {
        let path = entry.path();
        if path.extension().is_some_and(|end| end == "py") {
            continue;
        }
        let bytes = std::fs::read(&path).unwrap();
        let decoded = Picture::decode(&bytes).map(|_| ()).map_err(|e| e.code());
        let checked = check_header(&bytes).map_err(|e| e.code());
        assert_eq!(checked, decoded, "{}", path.display());
        files += 1;
        // Whatever is cut off or changed, it answers.
        let mut draw = 1u64;
        for end in 0..bytes.len().min(400) {
            let _ = check_header(&bytes[..end]);
            let mut changed = bytes.clone();
            draw = draw.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            changed[end] = (draw >> 40) as u8;
            let _ = check_header(&changed);
        }
    }
    assert!(files > 15);
    let mut png = fixture("gradient.png");
    png[16..24].fill(0);
    assert_eq!(check_header(&png).unwrap_err().code(), "empty-image");
    png[16..24].copy_from_slice(&[0, 1, 0, 0, 0, 1, 0, 0]);
    assert_eq!(check_header(&png).unwrap_err().code(), "image-too-large");
    assert_eq!(check_header(&[]).unwrap_err().code(), "not-an-image");
}

#[test]
fn pixels_of_four_bytes_lose_their_transparency() {
    let picture = Picture::from_rgba(&[1, 2, 3, 4, 5, 6, 7, 8], 2, 1).unwrap();
    assert_eq!(picture.rgb(), [1, 2, 3, 5, 6, 7]);
    for (bytes, width, height, code) in [
        (7, 2, 1, "invalid-argument"),
        (0, 0, 1, "empty-image"),
        (4, 1 << 14, 1 << 14, "image-too-large"),
    ] {
        let error = Picture::from_rgba(&vec![0; bytes], width, height).unwrap_err();
        assert_eq!(error.code(), code);
    }
}
