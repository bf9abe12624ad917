//! Factors and ids in numpy's file format (version 1.0: little-endian `f32` by rows, or `i64`).

use std::io::{self, Read, Write};

use crate::Factors;

const MAGIC: &[u8] = b"\x93NUMPY\x01\x00";

/// Longest header that is read: 64 KiB is what version 1.0 can express.
const HEADER_MAX: usize = u16::MAX as usize;

/// Writes one row a vector, without padding: `numpy.load` gives an array of shape (rows, factors).
///
/// # Errors
/// The writer's.
pub fn write(factors: &Factors, mut out: impl Write) -> io::Result<()> {
    write_header(&mut out, "<f4", &format!("({}, {})", factors.rows(), factors.factors()))?;
    let mut bytes = Vec::with_capacity(4 * factors.factors());
    for row in 0..factors.rows() {
        bytes.clear();
        factors.row(row).iter().for_each(|value| bytes.extend(value.to_le_bytes()));
        out.write_all(&bytes)?;
    }
    out.flush()
}

/// Writes ids: `numpy.load` gives a one-dimensional array of `int64`.
///
/// # Errors
/// The writer's.
pub fn write_ids(ids: &[i64], mut out: impl Write) -> io::Result<()> {
    write_header(&mut out, "<i8", &format!("({},)", ids.len()))?;
    ids.iter().try_for_each(|id| out.write_all(&id.to_le_bytes()))?;
    out.flush()
}

fn write_header(out: &mut impl Write, kind: &str, shape: &str) -> io::Result<()> {
    let mut header = format!("{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}");
    // Data starts at a multiple of 64.
    let length = (MAGIC.len() + 2 + header.len() + 1).next_multiple_of(64) - MAGIC.len() - 2;
    header.extend(std::iter::repeat_n(' ', length - header.len() - 1));
    header.push('\n');
    out.write_all(MAGIC)?;
    out.write_all(&(length as u16).to_le_bytes())?;
    out.write_all(header.as_bytes())
}

/// Reads what [`write_ids`] wrote.
///
/// # Errors
/// As [`read`].
pub fn read_ids(mut input: impl Read) -> io::Result<Vec<i64>> {
    let sizes = read_header(&mut input, "<i8", "64-bit integer")?;
    let &[length] = sizes.as_slice() else { return Err(bad("the .npy array has not one dimension")) };
    let mut ids = Vec::new();
    let mut bytes = [0; 8];
    // Grows with what is really there: a header may claim any size.
    for _ in 0..length {
        input.read_exact(&mut bytes)?;
        ids.push(i64::from_le_bytes(bytes));
    }
    at_end(input)?;
    Ok(ids)
}

fn bad(text: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, text.to_owned())
}

/// Reads the header of an array of `kind`; returns its dimensions.
fn read_header(input: &mut impl Read, kind: &str, named: &str) -> io::Result<Vec<usize>> {
    let mut start = [0; 10];
    input.read_exact(&mut start)?;
    if start[..8] != *MAGIC {
        return Err(bad("not a version 1.0 .npy file"));
    }
    let length = usize::from(u16::from_le_bytes([start[8], start[9]])).min(HEADER_MAX);
    let mut header = vec![0; length];
    input.read_exact(&mut header)?;
    let header = String::from_utf8(header).map_err(|_| bad("the .npy header is not text"))?;
    if !header.contains(&format!("'{kind}'")) || !header.contains("'fortran_order': False") {
        return Err(bad(&format!("the .npy array is not row-major {named}")));
    }
    let shape = header.split_once("'shape': (").and_then(|(_, rest)| rest.split_once(')')).map(|(shape, _)| shape);
    Ok(shape.unwrap_or_default().split(',').map(str::trim).filter_map(|size| size.parse().ok()).collect())
}

fn at_end(mut input: impl Read) -> io::Result<()> {
    if input.read(&mut [0])? == 0 { Ok(()) } else { Err(bad("the .npy file is longer than its header says")) }
}

/// Reads what [`write()`] wrote.
///
/// # Errors
/// `InvalidData` for another kind of array, a value that is not finite, or bytes missing or left over; else the reader's.
pub fn read(mut input: impl Read) -> io::Result<Factors> {
    let sizes = read_header(&mut input, "<f4", "32-bit float")?;
    let &[rows, factors] = sizes.as_slice() else { return Err(bad("the .npy array has not two dimensions")) };
    let mut matrix = Factors::zeros(0, factors);
    let mut bytes = vec![0; 4 * factors];
    let mut row = Vec::with_capacity(factors);
    // Grows with what is really there: a header may claim any size.
    for _ in 0..rows {
        input.read_exact(&mut bytes)?;
        row.clear();
        row.extend(bytes.as_chunks::<4>().0.iter().map(|&value| f32::from_le_bytes(value)));
        if !row.iter().all(|value| value.is_finite()) {
            return Err(bad("the .npy array has a value that is not finite"));
        }
        matrix.push(&row);
    }
    at_end(input)?;
    Ok(matrix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrix() -> Factors {
        let mut factors = Factors::zeros(3, 5);
        (0..3)
            .for_each(|row| factors.row_mut(row).iter_mut().enumerate().for_each(|(k, v)| *v = (10 * row + k) as f32));
        factors
    }

    #[test]
    fn what_is_written_is_read_and_numpy_finds_its_header() {
        let mut bytes = Vec::new();
        write(&matrix(), &mut bytes).unwrap();
        assert_eq!(bytes.len(), 128 + 60);
        assert!(bytes[10..].starts_with(b"{'descr': '<f4', 'fortran_order': False, 'shape': (3, 5), }"));
        assert_eq!(bytes[127], b'\n');
        assert_eq!(read(&*bytes).unwrap(), matrix());
    }

    #[test]
    fn ids_are_read_as_they_were_written_and_other_arrays_are_no_ids() {
        for ids in [vec![], vec![550, i64::MAX, -1]] {
            let mut bytes = Vec::new();
            write_ids(&ids, &mut bytes).unwrap();
            assert_eq!(bytes.len() % 64, ids.len() * 8 % 64);
            assert_eq!(read_ids(&*bytes).unwrap(), ids);
            bytes.push(0);
            assert!(read_ids(&*bytes).is_err());
        }
        let mut bytes = Vec::new();
        write(&matrix(), &mut bytes).unwrap();
        assert_eq!(read_ids(&*bytes).unwrap_err().to_string(), "the .npy array is not row-major 64-bit integer");
    }

    #[test]
    fn a_cut_longer_or_foreign_file_is_refused() {
        let mut bytes = Vec::new();
        write(&matrix(), &mut bytes).unwrap();
        assert!(read(&bytes[..bytes.len() - 1]).is_err());
        assert!(read(&b"PK\x03\x04 and more"[..]).is_err());
        let mut nan = bytes.clone();
        nan[128..132].copy_from_slice(&f32::NAN.to_le_bytes());
        assert!(read(&*nan).is_err());
        bytes.push(0);
        assert_eq!(read(&*bytes).unwrap_err().to_string(), "the .npy file is longer than its header says");
    }
}
