//! Which codecs there are.
//!
//! Responsible for the table of the built-in codecs and for adding the users' own. Not responsible
//! for choosing among them ([`crate::choose`]).
//!
//! Invariants: an id names one codec, and a name one codec of a kind; built-in ids are below
//! [`USER_CODEC_MIN`] and keep their meaning for ever. Ids are 0x01xx for integers, 0x02xx for floats,
//! 0x03xx for booleans, 0x04xx for text.

use std::sync::{Arc, LazyLock};

use crate::alp::block::{Alp, AlpDelta};
use crate::alp::rd::AlpRd;
use crate::booleans::{ConstantBooleans, RunLengthBooleans};
use crate::codec::{Codec, CodecError, CodecId, Kind, USER_CODEC_MIN};
use crate::float_bits::{ConstantFloats, DictionaryFloats, RunLengthFloats};
use crate::gorilla::GorillaFloats;
use crate::ints::{
    constant::Constant,
    gorilla::GorillaIntegers,
    patched::{Delta, DeltaOfDelta, FrameOfReference},
    run_length::RunLength,
    varints::Varint,
};
use crate::pcodec::{PcoFloats, PcoIntegers};
use crate::raw::{RawBooleans, RawFloats, RawIntegers, RawText};
use crate::text::{
    dictionary::DictionaryText, fsst::FsstText, plain::PlainText, zstandard::ZstdText,
};
use crate::typed::{OfBooleans, OfFloats, OfIntegers, OfText};
use crate::zstandard::{ZstdFloats, ZstdIntegers};

#[cfg(test)]
mod tests;

/// The codecs that a reader or writer knows, by id.
#[derive(Clone)]
pub struct Codecs {
    /// Ascending by id.
    all: Vec<Arc<dyn Codec>>,
}

/// A new codec takes a line here and a target in `fuzz/Cargo.toml`; the tests of this module then hold it to
/// the invariants of [`crate::codec`].
static BUILTIN: LazyLock<Codecs> = LazyLock::new(|| {
    let mut all: Vec<Arc<dyn Codec>> = vec![
        // Integers and times.
        Arc::new(OfIntegers(RawIntegers)),
        Arc::new(OfIntegers(Constant)),
        Arc::new(OfIntegers(RunLength)),
        Arc::new(OfIntegers(Varint)),
        Arc::new(OfIntegers(FrameOfReference)),
        Arc::new(OfIntegers(Delta)),
        Arc::new(OfIntegers(DeltaOfDelta)),
        Arc::new(OfIntegers(GorillaIntegers)),
        Arc::new(OfIntegers(PcoIntegers)),
        Arc::new(OfIntegers(ZstdIntegers)),
        // Floats.
        Arc::new(OfFloats(RawFloats)),
        Arc::new(OfFloats(ConstantFloats)),
        Arc::new(OfFloats(RunLengthFloats)),
        Arc::new(OfFloats(DictionaryFloats)),
        Arc::new(OfFloats(Alp)),
        Arc::new(OfFloats(AlpDelta)),
        Arc::new(OfFloats(AlpRd)),
        Arc::new(OfFloats(GorillaFloats)),
        Arc::new(OfFloats(PcoFloats)),
        Arc::new(OfFloats(ZstdFloats)),
        // Booleans.
        Arc::new(OfBooleans(RawBooleans)),
        Arc::new(OfBooleans(ConstantBooleans)),
        Arc::new(OfBooleans(RunLengthBooleans)),
        // Text.
        Arc::new(OfText(RawText)),
        Arc::new(OfText(PlainText)),
        Arc::new(OfText(DictionaryText)),
        Arc::new(OfText(FsstText)),
        Arc::new(OfText(ZstdText)),
    ];
    all.sort_by_key(|codec| codec.id());
    Codecs { all }
});

impl Codecs {
    /// The codecs of this crate.
    #[must_use]
    pub fn builtin() -> &'static Self {
        &BUILTIN
    }

    /// These and one more, a user's.
    ///
    /// # Errors
    /// When its id is below [`USER_CODEC_MIN`] or taken, or its name is taken within its kind.
    pub fn with(&self, codec: Arc<dyn Codec>) -> Result<Self, CodecError> {
        let (id, name) = (codec.id(), codec.name().to_owned());
        if id < USER_CODEC_MIN {
            return Err(CodecError::ReservedId { name, id: id.0 });
        }
        if let Some(owner) = self.by_name(codec.kind(), &name) {
            return Err(CodecError::DuplicateName { name, owner: owner.id().0 });
        }
        match self.position(id) {
            Ok(at) => {
                let owner = self.all[at].name().to_owned();
                Err(CodecError::DuplicateId { name, id: id.0, owner })
            }
            Err(at) => {
                let mut all = self.all.clone();
                all.insert(at, codec);
                Ok(Self { all })
            }
        }
    }

    /// The codec with this id.
    #[must_use]
    pub fn by_id(&self, id: CodecId) -> Option<&Arc<dyn Codec>> {
        self.position(id).ok().map(|at| &self.all[at])
    }

    /// The codec of this kind with this name.
    #[must_use]
    pub fn by_name(&self, kind: Kind, name: &str) -> Option<&Arc<dyn Codec>> {
        self.iter().find(|codec| codec.kind() == kind && codec.name() == name)
    }

    /// All of them, ascending by id.
    pub fn iter(&self) -> impl Iterator<Item = &Arc<dyn Codec>> {
        self.all.iter()
    }

    fn position(&self, id: CodecId) -> Result<usize, usize> {
        self.all.binary_search_by_key(&id, |codec| codec.id())
    }
}

impl std::fmt::Debug for Codecs {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.iter().map(|codec| (codec.id(), codec.name()))).finish()
    }
}
