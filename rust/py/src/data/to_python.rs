//! From Rust's values to Python's objects.

use pyo3::{
    IntoPyObjectExt,
    prelude::*,
    types::{PyDict, PyList},
};
use serde::{
    Serialize,
    ser::{
        Error as _, Impossible, SerializeMap, SerializeSeq, SerializeStruct, SerializeStructVariant, SerializeTuple,
        Serializer,
    },
};

use super::Error;

/// Makes an object of a value.
///
/// # Errors
/// `MemoryError`, where there is no memory for it.
pub(crate) fn to_python<'py>(py: Python<'py>, value: &(impl Serialize + ?Sized)) -> PyResult<Bound<'py, PyAny>> {
    value.serialize(Objects(py)).map_err(PyErr::from)
}

type Made<'py> = Result<Bound<'py, PyAny>, Error>;

/// A serializer to objects.
#[derive(Clone, Copy)]
struct Objects<'py>(Python<'py>);

impl<'py> Objects<'py> {
    fn dict(self, variant: Option<&'static str>) -> Dict<'py> {
        Dict { to: self, made: PyDict::new(self.0), key: None, variant }
    }

    /// A dict of one entry.
    fn variant(self, name: &str, value: impl IntoPyObject<'py>) -> Made<'py> {
        let dict = PyDict::new(self.0);
        dict.set_item(name, value)?;
        Ok(dict.into_any())
    }
}

/// Implements methods of `Serializer` that make an object of a number or the like.
macro_rules! plain {
    ($($method:ident($kind:ty)),+ $(,)?) => {
        $(fn $method(self, value: $kind) -> Made<'py> {
            Ok(value.into_bound_py_any(self.0)?)
        })+
    };
}

impl<'py> Serializer for Objects<'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Error;
    type SerializeSeq = List<'py>;
    type SerializeTuple = List<'py>;
    type SerializeTupleStruct = Impossible<Self::Ok, Error>;
    type SerializeTupleVariant = Impossible<Self::Ok, Error>;
    type SerializeMap = Dict<'py>;
    type SerializeStruct = Dict<'py>;
    type SerializeStructVariant = Dict<'py>;

    plain! {
        serialize_bool(bool),
        serialize_i8(i8),
        serialize_i16(i16),
        serialize_i32(i32),
        serialize_i64(i64),
        serialize_u8(u8),
        serialize_u16(u16),
        serialize_u32(u32),
        serialize_u64(u64),
        serialize_f32(f32),
        serialize_f64(f64),
        serialize_char(char),
        serialize_str(&str),
        serialize_bytes(&[u8]),
    }

    fn serialize_none(self) -> Made<'py> {
        Ok(self.0.None().into_bound(self.0))
    }

    fn serialize_some<T: Serialize + ?Sized>(self, value: &T) -> Made<'py> {
        value.serialize(self)
    }

    fn serialize_unit(self) -> Made<'py> {
        self.serialize_none()
    }

    fn serialize_unit_struct(self, _: &'static str) -> Made<'py> {
        self.serialize_none()
    }

    fn serialize_unit_variant(self, _: &'static str, _: u32, variant: &'static str) -> Made<'py> {
        self.serialize_str(variant)
    }

    fn serialize_newtype_struct<T: Serialize + ?Sized>(self, _: &'static str, value: &T) -> Made<'py> {
        value.serialize(self)
    }

    fn serialize_newtype_variant<T: Serialize + ?Sized>(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        value: &T,
    ) -> Made<'py> {
        self.variant(variant, value.serialize(self)?)
    }

    fn serialize_seq(self, _: Option<usize>) -> Result<List<'py>, Error> {
        Ok(List { to: self, made: PyList::empty(self.0) })
    }

    fn serialize_tuple(self, len: usize) -> Result<List<'py>, Error> {
        self.serialize_seq(Some(len))
    }

    fn serialize_tuple_struct(self, name: &'static str, _: usize) -> Result<Self::SerializeTupleStruct, Error> {
        Err(Error::custom(format!("{name} has fields without names")))
    }

    fn serialize_tuple_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Self::SerializeTupleVariant, Error> {
        Err(Error::custom(format!("{variant} has fields without names")))
    }

    fn serialize_map(self, _: Option<usize>) -> Result<Dict<'py>, Error> {
        Ok(self.dict(None))
    }

    fn serialize_struct(self, _: &'static str, _: usize) -> Result<Dict<'py>, Error> {
        Ok(self.dict(None))
    }

    fn serialize_struct_variant(
        self,
        _: &'static str,
        _: u32,
        variant: &'static str,
        _: usize,
    ) -> Result<Dict<'py>, Error> {
        Ok(self.dict(Some(variant)))
    }
}

/// A list in the making.
struct List<'py> {
    to: Objects<'py>,
    made: Bound<'py, PyList>,
}

impl<'py> SerializeSeq for List<'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        Ok(self.made.append(value.serialize(self.to)?)?)
    }

    fn end(self) -> Made<'py> {
        Ok(self.made.into_any())
    }
}

impl<'py> SerializeTuple for List<'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Error;

    fn serialize_element<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        SerializeSeq::serialize_element(self, value)
    }

    fn end(self) -> Made<'py> {
        SerializeSeq::end(self)
    }
}

/// A dict in the making.
struct Dict<'py> {
    to: Objects<'py>,
    made: Bound<'py, PyDict>,
    /// The key of the next value.
    key: Option<Bound<'py, PyAny>>,
    /// The variant that holds the dict, if one does.
    variant: Option<&'static str>,
}

impl<'py> SerializeMap for Dict<'py> {
    type Ok = Bound<'py, PyAny>;
    type Error = Error;

    fn serialize_key<T: Serialize + ?Sized>(&mut self, key: &T) -> Result<(), Error> {
        self.key = Some(key.serialize(self.to)?);
        Ok(())
    }

    fn serialize_value<T: Serialize + ?Sized>(&mut self, value: &T) -> Result<(), Error> {
        let key = self.key.take().ok_or_else(|| Error::custom("a value without a key"))?;
        Ok(self.made.set_item(key, value.serialize(self.to)?)?)
    }

    fn end(self) -> Made<'py> {
        match self.variant {
            Some(name) => self.to.variant(name, self.made),
            None => Ok(self.made.into_any()),
        }
    }
}

/// Implements a trait that writes fields into a dict.
macro_rules! fields {
    ($($kind:ident),+) => {
        $(impl<'py> $kind for Dict<'py> {
            type Ok = Bound<'py, PyAny>;
            type Error = Error;

            fn serialize_field<T: Serialize + ?Sized>(&mut self, key: &'static str, value: &T) -> Result<(), Error> {
                Ok(self.made.set_item(key, value.serialize(self.to)?)?)
            }

            fn end(self) -> Made<'py> {
                SerializeMap::end(self)
            }
        })+
    };
}

fields!(SerializeStruct, SerializeStructVariant);
