//! A server on which customers put pictures.

use axum::Router;
use axum::body::Body;
use axum::extract::{Path, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse as _, Response};
use axum::routing::get;
use image::codecs::jpeg::JpegEncoder;
use image::{DynamicImage, ImageFormat, RgbImage};
use std::io::Cursor;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

/// What stands in the photograph beside the picture.
pub const SECRET: &str = "taken at home, 52.5 N 13.4 E";

/// The server, running.
#[derive(Clone)]
pub struct Gallery {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
}

impl Gallery {
    /// Starts it.
    pub async fn open() -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let gallery = Self {
            address: listener.local_addr().unwrap(),
            asked: Arc::default(),
        };
        let router = Router::new()
            .route("/{name}", get(show))
            .with_state(gallery.clone());
        tokio_util::task::TaskTracker::new()
            .spawn(async move { axum::serve(listener, router).await.unwrap() });
        gallery
    }

    /// The address of one of its files.
    pub fn url(&self, name: &str) -> String {
        format!("http://{}/{name}", self.address)
    }

    /// The port it listens on.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// What was asked for.
    pub fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

async fn show(State(gallery): State<Gallery>, Path(name): Path<String>) -> Response {
    gallery.asked.lock().unwrap().push(name.clone());
    match name.as_str() {
        "photo.jpg" => photo().into_response(),
        "shot.png" | "poster.png" => drawing(40, 30).into_response(),
        "page.html" => "<html><script>alert(1)</script>".into_response(),
        "bomb.png" => bomb().into_response(),
        "never" => std::future::pending().await,
        "endless.jpg" => {
            let more = futures_util::stream::repeat_with(|| Ok::<_, std::io::Error>(vec![0xFF; 65536]));
            Body::from_stream(more).into_response()
        }
        _ => StatusCode::FORBIDDEN.into_response(),
    }
}

/// A drawing of this size.
pub fn drawing(width: u32, height: u32) -> Vec<u8> {
    let picture = RgbImage::from_fn(width, height, |x, y| image::Rgb([x as u8, y as u8, 7]));
    let mut out = Cursor::new(Vec::new());
    let picture = DynamicImage::from(picture);
    picture.write_to(&mut out, ImageFormat::Png).unwrap();
    out.into_inner()
}

/// A photograph as a telephone makes it: 60 pixels wide, 40 high, held sideways, and with [`SECRET`].
pub fn photo() -> Vec<u8> {
    let picture = RgbImage::from_fn(60, 40, |x, _| {
        image::Rgb(if x < 30 { [250, 0, 0] } else { [0, 0, 250] })
    });
    let mut out = Vec::new();
    picture.write_with_encoder(JpegEncoder::new(&mut out)).unwrap();
    with_exif(&out)
}

/// The JPEG with an APP1 segment: turned by 90 degrees, and with [`SECRET`].
fn with_exif(jpeg: &[u8]) -> Vec<u8> {
    let mut exif = b"Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0".to_vec();
    exif.extend_from_slice(SECRET.as_bytes());
    let length = u16::try_from(exif.len() + 2).unwrap().to_be_bytes();
    [&jpeg[..2], &[0xFF, 0xE1], &length, &exif, &jpeg[2..]].concat()
}

/// A few bytes that say they are a picture of 900 million pixels.
pub fn bomb() -> Vec<u8> {
    let mut out = b"\x89PNG\r\n\x1a\n".to_vec();
    let side = 30_000_u32.to_be_bytes();
    let header = [&side[..], &side, &[8, 2, 0, 0, 0]].concat();
    for (kind, data) in [(b"IHDR", header), (b"IDAT", Vec::new()), (b"IEND", Vec::new())] {
        out.extend_from_slice(&u32::try_from(data.len()).unwrap().to_be_bytes());
        let chunk = [&kind[..], &data].concat();
        out.extend_from_slice(&chunk);
        out.extend_from_slice(&crc(&chunk).to_be_bytes());
    }
    out
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
