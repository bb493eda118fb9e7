//! How values lie in columns: times as integer microseconds since 1970 UTC, JSON as text. The one
//! place where either is converted.

use jiff::Timestamp;
use sqlx::encode::IsNull;
use sqlx::error::BoxDynError;
use sqlx::sqlite::{Sqlite, SqliteArgumentsBuffer, SqliteTypeInfo, SqliteValueRef};
use sqlx::{Decode, Encode, Type, ValueRef as _};

/// A time as a column holds it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Micros(pub(super) Timestamp);

/// A time as a nullable column holds it.
#[derive(Clone, Copy, Debug)]
pub(super) struct MaybeMicros(pub(super) Option<Timestamp>);

/// JSON as a column holds it.
#[derive(Clone, Debug)]
pub(super) struct JsonText(pub(super) serde_json::Value);

/// JSON as a nullable column holds it.
#[derive(Clone, Debug)]
pub(super) struct MaybeJson(pub(super) Option<serde_json::Value>);

impl From<Micros> for Timestamp {
    fn from(micros: Micros) -> Self {
        micros.0
    }
}

impl From<MaybeMicros> for Option<Timestamp> {
    fn from(micros: MaybeMicros) -> Self {
        micros.0
    }
}

impl From<JsonText> for serde_json::Value {
    fn from(text: JsonText) -> Self {
        text.0
    }
}

impl From<MaybeJson> for Option<serde_json::Value> {
    fn from(text: MaybeJson) -> Self {
        text.0
    }
}

impl Type<Sqlite> for MaybeJson {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }
}

impl Type<Sqlite> for Micros {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }
}

impl Type<Sqlite> for MaybeMicros {
    fn type_info() -> SqliteTypeInfo {
        <i64 as Type<Sqlite>>::type_info()
    }
}

impl Type<Sqlite> for JsonText {
    fn type_info() -> SqliteTypeInfo {
        <str as Type<Sqlite>>::type_info()
    }
}

impl<'q> Encode<'q, Sqlite> for Micros {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <i64 as Encode<'q, Sqlite>>::encode_by_ref(&self.0.as_microsecond(), buffer)
    }
}

impl<'q> Encode<'q, Sqlite> for JsonText {
    fn encode_by_ref(&self, buffer: &mut SqliteArgumentsBuffer) -> Result<IsNull, BoxDynError> {
        <String as Encode<'q, Sqlite>>::encode(self.0.to_string(), buffer)
    }
}

impl<'r> Decode<'r, Sqlite> for Micros {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        let micros = <i64 as Decode<'r, Sqlite>>::decode(value)?;
        Ok(Self(Timestamp::from_microsecond(micros)?))
    }
}

impl<'r> Decode<'r, Sqlite> for MaybeMicros {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.is_null() {
            return Ok(Self(None));
        }
        Ok(Self(Some(Micros::decode(value)?.0)))
    }
}

impl<'r> Decode<'r, Sqlite> for JsonText {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        Ok(Self(serde_json::from_str(<&str as Decode<'r, Sqlite>>::decode(value)?)?))
    }
}

impl<'r> Decode<'r, Sqlite> for MaybeJson {
    fn decode(value: SqliteValueRef<'r>) -> Result<Self, BoxDynError> {
        if value.is_null() {
            return Ok(Self(None));
        }
        Ok(Self(Some(JsonText::decode(value)?.0)))
    }
}
