//! Pictures of posts, as the team is shown them: fetched through the guard, read, made smaller, and written anew.
//! What is written holds the picture alone: no place, no camera, no thumbnail of before it was cropped, nothing
//! that a reader of one format could be attacked with.
//!
//! A small file can unpack to any size, so what a picture says of its size is looked at before it is read, and
//! one is read at a time. Of what moves, the first picture is taken.

use super::guard::{Ask, Barred, Guard};
use crate::port::{NoPicture, Picture, PictureForm, Pictures as Port};
use async_trait::async_trait;
use image::codecs::jpeg::JpegEncoder;
use image::codecs::png::{CompressionType, FilterType, PngEncoder};
use image::metadata::Orientation;
use image::{DynamicImage, ImageDecoder, ImageFormat, ImageReader, Limits, Rgb, RgbImage};
use reqwest::StatusCode;
use reqwest::header::{ACCEPT, HeaderMap, HeaderValue};
use std::io::Cursor;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::Semaphore;

/// The most bytes of a file that is fetched: some networks take pictures of 16 MB.
const MOST_FETCHED: usize = 16 * 1024 * 1024;
/// How many are fetched at once: each is held in memory until it is read.
const FETCHES: usize = 4;
/// The time for fetching it.
const FETCHING: Duration = Duration::from_secs(20);
/// The most pixels of a picture that is read.
const MOST_PIXELS: u64 = 40_000_000;
/// The most bytes that it may take while it is read.
const MOST_UNPACKED: u64 = 64 * 1024 * 1024;
/// The longest side of a picture that is read, in pixels.
const LONGEST_SIDE: u32 = 20_000;
/// The longest side of a picture that is shown, in pixels.
const SHOWN_SIDE: u32 = 2048;
/// The most bytes of a picture that is shown. Discord takes 10 MiB from a bot without boosts
/// (<https://discord.com/developers/docs/reference#uploading-files>).
const MOST_SHOWN: usize = 8 * 1024 * 1024;
/// How fine JPEG is written, of 100.
const QUALITY: u8 = 85;
/// The formats that are read.
const FORMATS: &str = "image/png, image/jpeg, image/gif, image/webp";

/// Gets pictures.
pub struct Pictures {
    guard: Guard,
    /// Who holds one fetches a picture, and has it read then.
    fetches: Semaphore,
    /// Who holds it reads a picture.
    turn: Arc<Semaphore>,
}

impl Pictures {
    /// Gets pictures through this guard.
    #[must_use]
    pub fn new(guard: Guard) -> Self {
        Self {
            guard,
            fetches: Semaphore::new(FETCHES),
            turn: Arc::new(Semaphore::new(1)),
        }
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, NoPicture> {
        let headers = HeaderMap::from_iter([(ACCEPT, HeaderValue::from_static(FORMATS))]);
        let ask = Ask {
            url,
            headers,
            most: MOST_FETCHED,
            time: FETCHING,
        };
        let fetched = self.guard.get(&ask).await.map_err(|barred| match barred {
            Barred::Forbidden(_) | Barred::TooLarge(_) => NoPicture::Never(barred.to_string()),
            Barred::Unreached(_) | Barred::Broken(_) => NoPicture::NotNow(barred.to_string()),
        })?;
        match fetched.status {
            StatusCode::OK => Ok(fetched.body),
            status if may_pass(status) => Err(NoPicture::NotNow(format!("its server answered {status}"))),
            status => Err(NoPicture::Never(format!("its server answered {status}"))),
        }
    }
}

#[async_trait]
impl Port for Pictures {
    async fn get(&self, url: &str) -> Result<Picture, NoPicture> {
        let _fetching = self.fetches.acquire().await;
        let bytes = self.fetch(url).await?;
        // The permit goes along: who asked may be gone before the picture is read.
        let turn = Arc::clone(&self.turn).acquire_owned().await;
        let reading = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            redraw(&bytes, MOST_SHOWN)
        });
        // A reader that broke down on a malformed file.
        reading
            .await
            .unwrap_or_else(|_| Err(NoPicture::Never("it cannot be read".to_owned())))
    }
}

/// Whether a server may answer otherwise soon. Some networks show a post before its pictures are ready.
fn may_pass(status: StatusCode) -> bool {
    let passing = [
        StatusCode::NOT_FOUND,
        StatusCode::REQUEST_TIMEOUT,
        StatusCode::TOO_MANY_REQUESTS,
    ];
    status.is_server_error() || passing.contains(&status)
}

/// Reads a picture and writes it anew, in at most so many bytes.
fn redraw(bytes: &[u8], most: usize) -> Result<Picture, NoPicture> {
    let format = image::guess_format(bytes).ok().filter(|format| {
        matches!(
            format,
            ImageFormat::Png | ImageFormat::Jpeg | ImageFormat::Gif | ImageFormat::WebP
        )
    });
    let Some(format) = format else {
        let why = "it is no picture that can be read (PNG, JPEG, GIF, WebP)";
        return Err(NoPicture::Never(why.to_owned()));
    };
    let (picture, turned) = unpack(bytes, format)?;
    let mut picture = if picture.width().max(picture.height()) > SHOWN_SIDE {
        picture.thumbnail(SHOWN_SIDE, SHOWN_SIDE)
    } else {
        picture
    };
    // Upright, once it is small: turning makes a second one.
    picture.apply_orientation(turned);
    // Drawings and screenshots stay sharp; photographs stay small.
    let drawn = matches!(format, ImageFormat::Png | ImageFormat::Gif) || picture.color().has_alpha();
    let written = if drawn {
        Some(png(&picture)?).filter(|written| written.bytes.len() <= most)
    } else {
        None
    };
    match written {
        Some(written) => Ok(written),
        None => jpeg(&picture, most),
    }
}

/// The picture, and how it is to be turned, which stands in what is not kept.
fn unpack(bytes: &[u8], format: ImageFormat) -> Result<(DynamicImage, Orientation), NoPicture> {
    let mut limits = Limits::default();
    limits.max_image_width = Some(LONGEST_SIDE);
    limits.max_image_height = Some(LONGEST_SIDE);
    limits.max_alloc = Some(MOST_UNPACKED);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), format);
    reader.limits(limits);
    let mut decoder = reader.into_decoder().map_err(|error| unreadable(&error))?;
    let (width, height) = decoder.dimensions();
    if u64::from(width) * u64::from(height) > MOST_PIXELS || decoder.total_bytes() > MOST_UNPACKED {
        let why = format!("its {width} × {height} pixels are too many");
        return Err(NoPicture::Never(why));
    }
    let turned = decoder.orientation().unwrap_or(Orientation::NoTransforms);
    let picture = DynamicImage::from_decoder(decoder).map_err(|error| unreadable(&error))?;
    Ok((picture, turned))
}

fn png(picture: &DynamicImage) -> Result<Picture, NoPicture> {
    let mut bytes = Vec::new();
    let encoder = PngEncoder::new_with_quality(&mut bytes, CompressionType::Default, FilterType::Adaptive);
    let written = if picture.color().has_alpha() {
        picture.to_rgba8().write_with_encoder(encoder)
    } else {
        picture.to_rgb8().write_with_encoder(encoder)
    };
    written.map_err(|error| unreadable(&error))?;
    Ok(Picture {
        bytes,
        form: PictureForm::Png,
    })
}

/// What shines through is white.
fn jpeg(picture: &DynamicImage, most: usize) -> Result<Picture, NoPicture> {
    let opaque = if picture.color().has_alpha() {
        let from = picture.to_rgba8();
        let mut opaque = RgbImage::new(from.width(), from.height());
        for (to, from) in opaque.pixels_mut().zip(from.pixels()) {
            *to = on_white(from.0);
        }
        opaque
    } else {
        picture.to_rgb8()
    };
    let mut bytes = Vec::new();
    let encoder = JpegEncoder::new_with_quality(&mut bytes, QUALITY);
    opaque
        .write_with_encoder(encoder)
        .map_err(|error| unreadable(&error))?;
    if bytes.len() > most {
        return Err(NoPicture::Never("it is too large to be shown".to_owned()));
    }
    Ok(Picture {
        bytes,
        form: PictureForm::Jpeg,
    })
}

fn on_white([red, green, blue, alpha]: [u8; 4]) -> Rgb<u8> {
    let mix = |colour: u8| {
        let mixed = (u16::from(colour) * u16::from(alpha) + 255 * (255 - u16::from(alpha))) / 255;
        u8::try_from(mixed).unwrap_or(u8::MAX)
    };
    Rgb([red, green, blue].map(mix))
}

fn unreadable(error: &image::ImageError) -> NoPicture {
    NoPicture::Never(match error {
        image::ImageError::Limits(_) => "it has too many pixels".to_owned(),
        _ => "it cannot be read".to_owned(),
    })
}

#[cfg(test)]
mod tests;
