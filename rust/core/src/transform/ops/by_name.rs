//! Reads an enum of families by the names of the families' variants.
//!
//! serde hands the names of an enum's variants to the deserializer that the enum is read from. So the families need no
//! lists of names: [`names`] asks for them, and [`read`] reads a variant whose name is read already.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserialize, Deserializer,
    de::{DeserializeSeed, EnumAccess, Error as _, IntoDeserializer, VariantAccess, Visitor, value::StrDeserializer},
    forward_to_deserialize_any,
};

/// The names of the variants of an enum.
pub(super) fn names<'de, T: Deserialize<'de>>() -> &'static [&'static str] {
    T::deserialize(Names).err().map_or(&[], |VariantNames(names)| names)
}

/// Reads the variant `name` of an enum. An error says the name: ops may stand in each other.
pub(super) fn read<'de, T: Deserialize<'de>, A: VariantAccess<'de>>(name: &str, variant: A) -> Result<T, A::Error> {
    T::deserialize(Named { name, variant }).map_err(|error| A::Error::custom(format_args!("{name}: {error}")))
}

/// An enum of families, of which each is an enum that has some of the names.
pub(super) trait ByName: Sized {
    /// The enum's own name.
    const NAME: &str;

    /// The names of the families' variants.
    fn names() -> &'static [&'static str];

    /// Reads the variant `name`, of whatever family has it.
    fn read<'de, A: VariantAccess<'de>>(name: &str, arguments: A) -> Result<Self, A::Error>;
}

/// Reads an enum of families.
pub(super) fn deserialize<'de, T: ByName, D: Deserializer<'de>>(deserializer: D) -> Result<T, D::Error> {
    struct Families<T>(PhantomData<T>);

    impl<'de, T: ByName> Visitor<'de> for Families<T> {
        type Value = T;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            write!(f, "{}: a name and its arguments", T::NAME)
        }

        fn visit_enum<A: EnumAccess<'de>>(self, one: A) -> Result<T, A::Error> {
            let (name, arguments) = one.variant::<String>()?;
            T::read(&name, arguments)
        }
    }

    deserializer.deserialize_enum(T::NAME, T::names(), Families(PhantomData))
}

/// A deserializer that holds nothing, and whose error is the names of the variants that it is asked for.
struct Names;

#[derive(Debug)]
struct VariantNames(&'static [&'static str]);

impl fmt::Display for VariantNames {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "one of {:?}", self.0)
    }
}

impl std::error::Error for VariantNames {}

impl serde::de::Error for VariantNames {
    fn custom<T: fmt::Display>(_: T) -> Self {
        VariantNames(&[])
    }
}

impl<'de> Deserializer<'de> for Names {
    type Error = VariantNames;

    fn deserialize_any<V: Visitor<'de>>(self, _: V) -> Result<V::Value, VariantNames> {
        Err(VariantNames(&[]))
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        _: &'static str,
        variants: &'static [&'static str],
        _: V,
    ) -> Result<V::Value, VariantNames> {
        Err(VariantNames(variants))
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct identifier ignored_any
    }
}

/// A variant of an enum: its name, and the access to what it holds.
struct Named<'a, A> {
    name: &'a str,
    variant: A,
}

impl<'de, A: VariantAccess<'de>> Deserializer<'de> for Named<'_, A> {
    type Error = A::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, A::Error> {
        visitor.visit_enum(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct
        newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

impl<'de, A: VariantAccess<'de>> EnumAccess<'de> for Named<'_, A> {
    type Error = A::Error;
    type Variant = A;

    fn variant_seed<S: DeserializeSeed<'de>>(self, seed: S) -> Result<(S::Value, A), A::Error> {
        let name: StrDeserializer<'_, A::Error> = self.name.into_deserializer();
        Ok((seed.deserialize(name)?, self.variant))
    }
}
