//! From Python's objects to Rust's.

use pyo3::{
    prelude::*,
    types::{PyBool, PyDict, PyFloat, PyInt, PyList, PyString, PyTuple},
};
use serde::{
    Deserialize, Deserializer,
    de::{
        Error as _, IntoDeserializer, Visitor,
        value::{MapAccessDeserializer, MapDeserializer, SeqDeserializer},
    },
    forward_to_deserialize_any,
};

use super::Error;

/// Reads a value.
///
/// # Errors
/// `ValueError`, where the object is not what the value needs.
pub(crate) fn from_python<T: for<'de> Deserialize<'de>>(object: Bound<'_, PyAny>) -> PyResult<T> {
    T::deserialize(Object(object)).map_err(PyErr::from)
}

/// A deserializer of an object.
struct Object<'py>(Bound<'py, PyAny>);

impl<'py> IntoDeserializer<'_, Error> for Object<'py> {
    type Deserializer = Self;

    fn into_deserializer(self) -> Self {
        self
    }
}

impl<'py> Object<'py> {
    fn sequence<'de, V: Visitor<'de>>(
        visitor: V,
        items: impl Iterator<Item = Bound<'py, PyAny>>,
    ) -> Result<V::Value, Error> {
        let mut items = SeqDeserializer::new(items.map(Object));
        let value = visitor.visit_seq(&mut items)?;
        items.end()?;
        Ok(value)
    }
}

impl<'de> Deserializer<'de> for Object<'_> {
    type Error = Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        let object = &self.0;
        if object.is_none() {
            visitor.visit_unit()
        } else if let Ok(value) = object.cast::<PyBool>() {
            visitor.visit_bool(value.is_true())
        } else if object.is_instance_of::<PyInt>() {
            match object.extract::<i64>() {
                Ok(value) => visitor.visit_i64(value),
                Err(_) => visitor.visit_u64(object.extract()?),
            }
        } else if let Ok(value) = object.cast::<PyFloat>() {
            visitor.visit_f64(value.value())
        } else if let Ok(value) = object.cast::<PyString>() {
            visitor.visit_string(value.extract()?)
        } else if let Ok(list) = object.cast::<PyList>() {
            Self::sequence(visitor, list.iter())
        } else if let Ok(tuple) = object.cast::<PyTuple>() {
            Self::sequence(visitor, tuple.iter())
        } else if let Ok(dict) = object.cast::<PyDict>() {
            visitor.visit_map(MapDeserializer::new(dict.iter().map(|(key, value)| (Object(key), Object(value)))))
        } else if let Ok(value) = object.extract::<i64>() {
            visitor.visit_i64(value) // NumPy's integers, and whatever else has an `__index__`
        } else if let Ok(value) = object.extract::<f64>() {
            visitor.visit_f64(value)
        } else {
            Err(Error::custom(format!("{} is not data", object.get_type())))
        }
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, Error> {
        if self.0.is_none() { visitor.visit_none() } else { visitor.visit_some(self) }
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        _: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, Error> {
        if let Ok(variant) = self.0.cast::<PyString>() {
            visitor.visit_enum(variant.extract::<String>()?.into_deserializer())
        } else if let Some(dict) = self.0.cast::<PyDict>().ok().filter(|dict| dict.len() == 1) {
            let entry = MapDeserializer::new(dict.iter().map(|(key, value)| (Object(key), Object(value))));
            visitor.visit_enum(MapAccessDeserializer::new(entry))
        } else {
            Err(Error::custom(format!("{name} is a name, or a dict of one name: {}", self.0.repr()?)))
        }
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(self, _: &'static str, visitor: V) -> Result<V::Value, Error> {
        visitor.visit_newtype_struct(self)
    }

    forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf unit unit_struct seq tuple
        tuple_struct map struct identifier ignored_any
    }
}
