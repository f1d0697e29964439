//! The two large lists of a BPE model, parsed straight into their final form.

use std::fmt;

use serde::de::{Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de::value::SeqAccessDeserializer};

/// `{"token": id, …}` in the order of the file, doubles included.
pub(crate) struct Tokens(pub(crate) Vec<(String, u32)>);

/// `["left right", …]` or `[["left", "right"], …]`.
pub(crate) struct Merges(pub(crate) Vec<(String, String)>);

impl<'de> Deserialize<'de> for Tokens {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Map;
        impl<'de> Visitor<'de> for Map {
            type Value = Tokens;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("an object from tokens to ids")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Tokens, A::Error> {
                let mut tokens = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    tokens.push(entry);
                }
                Ok(Tokens(tokens))
            }
        }
        deserializer.deserialize_map(Map)
    }
}

impl<'de> Deserialize<'de> for Merges {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Merges;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a list of merges")
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Merges, A::Error> {
                let mut merges = Vec::new();
                while let Some(Merge(left, right)) = list.next_element()? {
                    // The first line of an old `merges.txt`, when it was taken along.
                    if !(merges.is_empty() && left == "#version:") {
                        merges.push((left, right));
                    }
                }
                Ok(Merges(merges))
            }
        }
        deserializer.deserialize_seq(List)
    }
}

struct Merge(String, String);

impl<'de> Deserialize<'de> for Merge {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either;
        impl<'de> Visitor<'de> for Either {
            type Value = Merge;
            fn expecting(&self, f: &mut fmt::Formatter) -> fmt::Result {
                f.write_str("a merge: \"left right\" or [\"left\", \"right\"]")
            }
            fn visit_str<E: Error>(self, text: &str) -> Result<Merge, E> {
                split_merge(text)
                    .map(|(left, right)| Merge(left.to_owned(), right.to_owned()))
                    .ok_or_else(|| E::custom(format!("'{text}' is not two tokens and a space")))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<Merge, A::Error> {
                let (left, right) = Deserialize::deserialize(SeqAccessDeserializer::new(list))?;
                Ok(Merge(left, right))
            }
        }
        deserializer.deserialize_any(Either)
    }
}

/// The halves of a merge that is written with one space between them.
pub(crate) fn split_merge(text: &str) -> Option<(&str, &str)> {
    let (left, right) = text.split_once(' ')?;
    (!left.is_empty() && !right.is_empty() && !right.contains(' ')).then_some((left, right))
}
