use super::*;
use image::codecs::gif::GifEncoder;
use image::{ExtendedColorType, Frame, ImageEncoder as _, Rgba, RgbaImage};
use rstest::rstest;

/// In as many bytes as is needed.
fn redraw(bytes: &[u8]) -> Result<Picture, NoPicture> {
    super::redraw(bytes, MOST_SHOWN)
}

fn noise(width: u32, height: u32) -> RgbImage {
    let mut state = 7_u32;
    RgbImage::from_fn(width, height, |_, _| {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let [a, b, c, _] = state.to_be_bytes();
        Rgb([a, b, c])
    })
}

fn written(picture: &DynamicImage, format: ImageFormat) -> Vec<u8> {
    let mut out = Cursor::new(Vec::new());
    picture.write_to(&mut out, format).unwrap();
    out.into_inner()
}

fn read(picture: &Picture) -> DynamicImage {
    let (expected, format) = (picture.form, image::guess_format(&picture.bytes).unwrap());
    assert_eq!(
        format,
        match expected {
            PictureForm::Png => ImageFormat::Png,
            PictureForm::Jpeg => ImageFormat::Jpeg,
        }
    );
    image::load_from_memory(&picture.bytes).unwrap()
}

#[rstest]
#[case(ImageFormat::Png, PictureForm::Png)]
#[case(ImageFormat::Gif, PictureForm::Png)]
#[case(ImageFormat::Jpeg, PictureForm::Jpeg)]
#[case(ImageFormat::WebP, PictureForm::Jpeg)]
fn every_format_that_networks_have_is_written_anew(#[case] format: ImageFormat, #[case] form: PictureForm) {
    let bytes = written(&DynamicImage::from(noise(30, 20)), format);
    let picture = redraw(&bytes).unwrap();
    assert_eq!(picture.form, form);
    assert_eq!((read(&picture).width(), read(&picture).height()), (30, 20));
}

#[test]
fn what_shines_through_does_so_still() {
    let clear = RgbaImage::from_pixel(8, 8, Rgba([10, 20, 30, 128]));
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let picture = redraw(&written(&DynamicImage::from(clear.clone()), format)).unwrap();
        assert_eq!(picture.form, PictureForm::Png);
        assert_eq!(read(&picture).to_rgba8().get_pixel(3, 3).0, [10, 20, 30, 128]);
    }
}

#[test]
fn what_is_large_becomes_smaller() {
    let bytes = written(&DynamicImage::from(noise(2560, 64)), ImageFormat::Jpeg);
    let picture = read(&redraw(&bytes).unwrap());
    assert_eq!((picture.width(), picture.height()), (2048, 51));
    let line = written(&DynamicImage::from(noise(LONGEST_SIDE, 1)), ImageFormat::Png);
    let line = read(&redraw(&line).unwrap());
    assert_eq!((line.width(), line.height()), (2048, 1));
}

#[test]
fn what_png_makes_too_large_is_written_as_jpeg() {
    let mut picture = RgbaImage::from(DynamicImage::from(noise(200, 180)).to_rgba8());
    picture.put_pixel(0, 0, Rgba([0, 0, 0, 0]));
    let bytes = written(&DynamicImage::from(picture), ImageFormat::Png);
    let picture = super::redraw(&bytes, 100_000).unwrap();
    assert_eq!(picture.form, PictureForm::Jpeg);
    assert!(matches!(super::redraw(&bytes, 1000), Err(NoPicture::Never(_))));
    let corner = read(&picture).to_rgb8().get_pixel(0, 0).0;
    assert!(corner.iter().all(|colour| *colour > 100), "{corner:?}");
}

#[test]
fn of_what_moves_the_first_picture_is_taken() {
    let mut bytes = Vec::new();
    let mut encoder = GifEncoder::new(&mut bytes);
    for colour in [[250, 0, 0, 255], [0, 250, 0, 255]] {
        let frame = Frame::new(RgbaImage::from_pixel(4, 4, Rgba(colour)));
        encoder.encode_frame(frame).unwrap();
    }
    drop(encoder);
    let first = read(&redraw(&bytes).unwrap()).to_rgb8().get_pixel(1, 1).0;
    assert!(first[0] > 200 && first[1] < 50, "{first:?}");
}

#[test]
fn sixteen_bits_become_eight() {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new(&mut bytes);
    encoder
        .write_image(&[0x12; 4 * 4 * 6], 4, 4, ExtendedColorType::Rgb16)
        .unwrap();
    assert_eq!(read(&redraw(&bytes).unwrap()).color(), image::ColorType::Rgb8);
}

/// A PNG that says it has this size.
fn claims(width: u32, height: u32) -> Vec<u8> {
    let mut bytes = written(&DynamicImage::from(noise(1, 1)), ImageFormat::Png);
    bytes[16..20].copy_from_slice(&width.to_be_bytes());
    bytes[20..24].copy_from_slice(&height.to_be_bytes());
    let crc = crc(&bytes[12..29]).to_be_bytes();
    bytes[29..33].copy_from_slice(&crc);
    bytes
}

fn crc(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = (crc >> 1) ^ (0xEDB8_8320 * (crc & 1));
        }
    }
    !crc
}

#[rstest]
#[case(30_000, 30_000)]
#[case(8_000, 8_000)]
#[case(20_001, 1)]
#[case(u32::MAX, 1)]
#[case(6_000, 4_000)]
fn a_bomb_is_not_unpacked(#[case] width: u32, #[case] height: u32) {
    let Err(NoPicture::Never(why)) = redraw(&claims(width, height)) else {
        panic!("it was read");
    };
    assert!(
        why.contains("too many") || why.contains("cannot be read"),
        "{why}"
    );
    if width <= LONGEST_SIDE {
        assert!(why.contains(&width.to_string()), "{why}");
    }
}

/// A GIF whose screen is small and whose first picture says that it is not.
#[test]
fn a_picture_larger_than_its_screen_is_not_unpacked() {
    let mut bytes = b"GIF89a\x01\0\x01\0\x80\0\0\0\0\0\xFF\xFF\xFF".to_vec();
    // A picture of 65535 by 65535, of which there is next to nothing.
    bytes.extend(b"\x2C\0\0\0\0\xFF\xFF\xFF\xFF\0\x02\x02\x4C\x01\0\x3B");
    if let Ok(picture) = redraw(&bytes) {
        assert_eq!((read(&picture).width(), read(&picture).height()), (1, 1));
    }
}

/// A JPEG with this orientation in its EXIF, and a place on earth that nobody is to know.
fn taken(picture: &RgbImage, turned: u8) -> Vec<u8> {
    let plain = written(&DynamicImage::from(picture.clone()), ImageFormat::Jpeg);
    let mut exif = b"Exif\0\0MM\0\x2A\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0".to_vec();
    exif.extend([turned, 0, 0, 0, 0, 0, 0]);
    exif.extend(b"50.1109 N 8.6821 E");
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&plain[..2], b"\xFF\xE1", &length, &exif, &plain[2..]].concat()
}

#[rstest]
#[case::as_it_is(1, (2048, 1024), (1800, 200))]
#[case::upside_down(3, (2048, 1024), (200, 800))]
#[case::to_the_right(6, (1024, 2048), (800, 1800))]
#[case::to_the_left(8, (1024, 2048), (200, 200))]
fn a_picture_stands_upright_and_tells_no_place(
    #[case] turned: u8,
    #[case] size: (u32, u32),
    #[case] mark: (u32, u32),
) {
    // White, but for the upper right corner.
    let flat = RgbImage::from_fn(4096, 2048, |x, y| {
        if x > 3072 && y < 512 {
            Rgb([200, 0, 0])
        } else {
            Rgb([255; 3])
        }
    });
    let picture = redraw(&taken(&flat, turned)).unwrap();
    assert!(!picture.bytes.windows(7).any(|window| window == b"50.1109"));
    let shown = read(&picture).to_rgb8();
    assert_eq!((shown.width(), shown.height()), size);
    assert!(shown.get_pixel(mark.0, mark.1).0[1] < 50, "{turned}");
}

#[rstest]
#[case(b"")]
#[case(b"<svg xmlns='http://www.w3.org/2000/svg'><script>alert(1)</script></svg>")]
#[case(b"<html>")]
#[case(b"\x89PNG\r\n\x1a\n")]
#[case(b"GIF89a")]
#[case(b"BM\x46\0\0\0\0\0\0\0\x36\0\0\0")]
#[case(b"\xFF\xD8\xFF\xE0")]
#[case(b"RIFF\x10\0\0\0WEBPVP8 ")]
fn what_is_no_picture_is_told_so(#[case] bytes: &[u8]) {
    assert!(matches!(redraw(bytes), Err(NoPicture::Never(_))));
}

#[test]
fn a_picture_that_ends_in_the_middle_is_none() {
    for format in [ImageFormat::Png, ImageFormat::WebP] {
        let bytes = written(&DynamicImage::from(noise(64, 64)), format);
        assert!(matches!(
            redraw(&bytes[..bytes.len() / 2]),
            Err(NoPicture::Never(_))
        ));
    }
}
