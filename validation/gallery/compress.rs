//! Smaller PNG files: a palette of 256 colours.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::{BufReader, BufWriter};
use std::path::Path;

use crate::common::Outcome;

type Rgb = [u8; 3];

/// Rewrites an opaque picture with the 256 colours that it uses most; the others, which soften edges, become the nearest of them.
pub fn compress(path: &Path) -> Outcome<()> {
    let mut reader = png::Decoder::new(BufReader::new(File::open(path)?)).read_info()?;
    let mut bytes = vec![0; reader.output_buffer_size().ok_or("a picture too large for memory")?];
    let info = reader.next_frame(&mut bytes)?;
    if (info.color_type, info.bit_depth) != (png::ColorType::Rgba, png::BitDepth::Eight) {
        return Err(format!("{}: expected 8-bit RGBA", path.display()).into());
    }
    let pixels = || bytes.chunks_exact(4).map(|pixel| [pixel[0], pixel[1], pixel[2]]);
    let palette = palette(pixels());
    let mut nearest: HashMap<Rgb, u8> = HashMap::new();
    let indices: Vec<u8> =
        pixels().map(|pixel| *nearest.entry(pixel).or_insert_with(|| closest(&palette, pixel))).collect();
    let mut encoder = png::Encoder::new(BufWriter::new(File::create(path)?), info.width, info.height);
    encoder.set_color(png::ColorType::Indexed);
    encoder.set_depth(png::BitDepth::Eight);
    encoder.set_palette(palette.concat());
    encoder.set_compression(png::Compression::High);
    encoder.set_filter(png::Filter::NoFilter);
    encoder.write_header()?.write_image_data(&indices)?;
    Ok(())
}

/// The most frequent colour of each of the 256 cubes of side 8 with the most pixels.
fn palette(pixels: impl Iterator<Item = Rgb>) -> Vec<Rgb> {
    let mut colours: BTreeMap<Rgb, usize> = BTreeMap::new();
    pixels.for_each(|pixel| *colours.entry(pixel).or_default() += 1);
    // Of each cube: all its pixels, then the most frequent colour with its number.
    let mut cubes: BTreeMap<Rgb, (usize, usize, Rgb)> = BTreeMap::new();
    for (&colour, &count) in &colours {
        let (all, most, best) = cubes.entry(colour.map(|c| c / 8)).or_default();
        *all += count;
        if count > *most {
            (*most, *best) = (count, colour);
        }
    }
    let mut ranked: Vec<(usize, usize, Rgb)> = cubes.into_values().collect();
    ranked.sort_by(|a, b| b.cmp(a));
    ranked.into_iter().take(256).map(|(.., colour)| colour).collect()
}

fn closest(palette: &[Rgb], pixel: Rgb) -> u8 {
    let distance =
        |colour: &Rgb| -> i32 { colour.iter().zip(pixel).map(|(&a, b)| (i32::from(a) - i32::from(b)).pow(2)).sum() };
    let best = palette.iter().enumerate().min_by_key(|(_, colour)| distance(colour));
    best.map_or(0, |(index, _)| index as u8)
}
