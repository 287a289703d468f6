//! Words of the command line: settings are text in a configuration file exactly as there; a misspelt name is answered with
//! the nearest.

/// Serialises a type by its `Display` and deserialises it by its `FromStr`.
macro_rules! serde_as_text {
    ($type:ty) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                <String as serde::Deserialize>::deserialize(from)?.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

pub(crate) use serde_as_text;

/// The known name that is most like what was written, if any is like it at all.
pub(crate) fn nearest<'a>(written: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    /// Below this, a suggestion would be a guess (clap uses the same measure and bound).
    const ALIKE: f64 = 0.7;
    let scored = known.into_iter().map(|name| (strsim::jaro(&written.to_lowercase(), &name.to_lowercase()), name));
    scored.filter(|(score, _)| *score > ALIKE).max_by(|a, b| a.0.total_cmp(&b.0)).map(|(_, name)| name)
}
