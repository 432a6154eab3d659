//! Ops of random bytes. Ops are data, so whatever is read as data can be made up: serde asks for values by their types.

use arbitrary::Unstructured;
use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, SeqAccess, VariantAccess, Visitor, value::Error},
    forward_to_deserialize_any,
};
use torchfeed_core::transform::Op;

/// Makes an op, which holds others no deeper than `depth`.
pub fn op(bytes: &mut Unstructured<'_>, depth: usize) -> arbitrary::Result<Op> {
    Op::deserialize(Random { bytes, depth, len: 0 }).map_err(|_| arbitrary::Error::IncorrectFormat)
}

/// A deserializer that makes values up.
struct Random<'a, 'b> {
    bytes: &'a mut Unstructured<'b>,
    depth: usize,
    /// The length of a sequence. The sequences of one struct have the same: weights fit what they are the weights of.
    len: usize,
}

impl<'b> Random<'_, 'b> {
    fn again(&mut self) -> Random<'_, 'b> {
        Random { bytes: self.bytes, depth: self.depth, len: self.len }
    }

    fn draw<T>(&mut self, draw: impl FnOnce(&mut Unstructured<'b>) -> arbitrary::Result<T>) -> Result<T, Error> {
        draw(self.bytes).map_err(Error::custom)
    }

    /// The fields of a struct.
    fn fields<'de, V: Visitor<'de>>(mut self, count: usize, visitor: V) -> Result<V::Value, Error> {
        self.len = if self.depth == 0 { 0 } else { self.draw(|bytes| bytes.int_in_range(0..=3))? };
        self.depth = self.depth.saturating_sub(1);
        visitor.visit_seq(Items { from: self, left: count })
    }
}

/// The next of some values.
struct Items<'a, 'b> {
    from: Random<'a, 'b>,
    left: usize,
}

impl<'de> SeqAccess<'de> for Items<'_, '_> {
    type Error = Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<Option<T::Value>, Error> {
        if self.left == 0 {
            return Ok(None);
        }
        self.left -= 1;
        seed.deserialize(self.from.again()).map(Some)
    }
}

impl<'de> Deserializer<'de> for Random<'_, '_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, Error> {
        Err(Error::custom("a value of a type that no op has"))
    }

    fn deserialize_bool<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_bool(self.draw(|bytes| bytes.arbitrary())?)
    }

    /// Mostly an edge that fits an image; sometimes anything.
    fn deserialize_u64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u64(self.draw(|bytes| match bytes.int_in_range(0..=15)? {
            0 => bytes.arbitrary(),
            1 => Ok(bytes.arbitrary::<u16>()?.into()),
            _ => bytes.int_in_range(0..=96),
        })?)
    }

    /// Mostly a padding; sometimes anything.
    fn deserialize_i64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_i64(self.draw(|bytes| match bytes.int_in_range(0..=15)? {
            0 => bytes.arbitrary(),
            1 => Ok(bytes.arbitrary::<i16>()?.into()),
            _ => bytes.int_in_range(-8..=24),
        })?)
    }

    /// The number of a filter, or one channel of a colour.
    fn deserialize_u8<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_u8(self.draw(|bytes| bytes.int_in_range(0..=5))?)
    }

    /// Mostly a probability, a share or a ratio; sometimes anything.
    fn deserialize_f64<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_f64(self.draw(|bytes| match bytes.int_in_range(0..=15)? {
            0 => bytes.arbitrary(),
            1..=11 => Ok(*bytes.choose(&[0.08, 0.5, 0.75, 1.0, 4.0 / 3.0])?),
            _ => Ok(bytes.arbitrary::<u8>()? as f64 / 255.0),
        })?)
    }

    fn deserialize_option<V: Visitor<'de>>(mut self, visitor: V) -> Result<V::Value, Error> {
        if self.draw(|bytes| bytes.arbitrary())? { visitor.visit_some(self) } else { visitor.visit_none() }
    }

    fn deserialize_seq<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Items { left: self.len, from: self })
    }

    fn deserialize_tuple<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_seq(Items { left: len, from: self })
    }

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _: &'static str,
        fields: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        self.fields(fields.len(), visitor)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        mut self,
        _: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        let name = *self.draw(|bytes| bytes.choose(variants))?;
        visitor.visit_enum(Variant { name, holds: self })
    }

    forward_to_deserialize_any! {
        i8 i16 i32 i128 u16 u32 u128 f32 char str string bytes byte_buf unit unit_struct newtype_struct tuple_struct map
        identifier ignored_any
    }
}

/// One variant of an enum, and what it holds.
struct Variant<'a, 'b> {
    name: &'static str,
    holds: Random<'a, 'b>,
}

impl<'de> EnumAccess<'de> for Variant<'_, '_> {
    type Error = Error;
    type Variant = Self;

    fn variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<(T::Value, Self), Error> {
        let name = IntoDeserializer::<Error>::into_deserializer(self.name);
        Ok((seed.deserialize(name)?, self))
    }
}

impl<'de> VariantAccess<'de> for Variant<'_, '_> {
    type Error = Error;

    fn unit_variant(self) -> Result<(), Error> {
        Ok(())
    }

    fn newtype_variant_seed<T: DeserializeSeed<'de>>(self, seed: T) -> Result<T::Value, Error> {
        seed.deserialize(self.holds)
    }

    fn tuple_variant<V: Visitor<'de>>(self, len: usize, visitor: V) -> Result<V::Value, Error> {
        self.holds.deserialize_tuple(len, visitor)
    }

    fn struct_variant<V: Visitor<'de>>(self, fields: &'static [&'static str], visitor: V) -> Result<V::Value, Error> {
        self.holds.fields(fields.len(), visitor)
    }
}
