//! Metadata values of a GGUF header.

use super::cursor::{Cursor, Stop};
use crate::value::{Array, Value};

/// Arrays in arrays in arrays: deeper than any file has reason to go, and
/// shallow enough that recursion is no danger to the stack.
const MAX_DEPTH: u32 = 4;

const ARRAY: u32 = 9;

/// A type number and the value behind it.
pub(super) fn value(cursor: &mut Cursor) -> Result<Value, Stop> {
    Ok(match cursor.u32()? {
        0 => Value::U64(cursor.u8()?.into()),
        1 => Value::I64((cursor.u8()? as i8).into()),
        2 => Value::U64(cursor.u16()?.into()),
        3 => Value::I64((cursor.u16()? as i16).into()),
        4 => Value::U64(cursor.u32()?.into()),
        5 => Value::I64((cursor.u32()? as i32).into()),
        6 => Value::F64(cursor.f32()?.into()),
        7 => Value::Bool(cursor.bool()?),
        8 => Value::Str(cursor.string()?),
        ARRAY => Value::Array(array(cursor, 1)?),
        10 => Value::U64(cursor.u64()?),
        11 => Value::I64(cursor.u64()? as i64),
        12 => Value::F64(cursor.f64()?),
        other => return Err(unknown(other)),
    })
}

fn array(cursor: &mut Cursor, depth: u32) -> Result<Array, Stop> {
    if depth > MAX_DEPTH {
        return Err(Stop::Bad(format!(
            "arrays are nested more than {MAX_DEPTH} deep"
        )));
    }
    let element = cursor.u32()?;
    let count = cursor.u64()?;
    Ok(match element {
        0 => Array::U8(cursor.take(count)?.to_vec()),
        1 => Array::I8(fixed(cursor, count, i8::from_le_bytes)?),
        2 => Array::U16(fixed(cursor, count, u16::from_le_bytes)?),
        3 => Array::I16(fixed(cursor, count, i16::from_le_bytes)?),
        4 => Array::U32(fixed(cursor, count, u32::from_le_bytes)?),
        5 => Array::I32(fixed(cursor, count, i32::from_le_bytes)?),
        6 => Array::F32(fixed(cursor, count, f32::from_le_bytes)?),
        7 => Array::Bool(collect(cursor, count, 1, Cursor::bool)?),
        // A string is at least its length; an array its type and count.
        8 => Array::Str(collect(cursor, count, 8, Cursor::string)?),
        ARRAY => Array::Nested(collect(cursor, count, 12, |cursor| {
            array(cursor, depth + 1)
        })?),
        10 => Array::U64(fixed(cursor, count, u64::from_le_bytes)?),
        11 => Array::I64(fixed(cursor, count, i64::from_le_bytes)?),
        12 => Array::F64(fixed(cursor, count, f64::from_le_bytes)?),
        other => return Err(unknown(other)),
    })
}

fn fixed<const N: usize, T>(
    cursor: &mut Cursor,
    count: u64,
    read: impl Fn([u8; N]) -> T,
) -> Result<Vec<T>, Stop> {
    let length = cursor.counted(count, N as u64)?;
    let (elements, _) = cursor.take((length * N) as u64)?.as_chunks::<N>();
    Ok(elements.iter().map(|&bytes| read(bytes)).collect())
}

fn collect<'a, T>(
    cursor: &mut Cursor<'a>,
    count: u64,
    min_bytes: u64,
    read: impl Fn(&mut Cursor<'a>) -> Result<T, Stop>,
) -> Result<Vec<T>, Stop> {
    let mut items = Vec::with_capacity(cursor.counted(count, min_bytes)?);
    for _ in 0..count {
        items.push(read(cursor)?);
    }
    Ok(items)
}

fn unknown(number: u32) -> Stop {
    Stop::Bad(format!("value type {number} is unknown"))
}
