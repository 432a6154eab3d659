//! The interface of a native format. A format is a module with an `impl` of [`NativeFormat`], and a row of the table in
//! `mod.rs`. Sniffing, messages, dispatch and `explain` follow from the two.

use std::fmt::Debug;

use super::{DecodeRequest, FallbackLimits, Limits, Offer, Sink};
use crate::image::Size;

/// A format that is decoded natively.
pub(super) trait NativeFormat {
    /// The name that messages call it by.
    const NAME: &'static str;

    /// The part of the header that decoding needs.
    type Header: Debug + Copy + Eq;

    /// A thread's memory, which it reuses from image to image. No result depends on it.
    type Scratch: Debug + Default;

    /// Whether a file starts as files of this format do.
    fn matches(bytes: &[u8]) -> bool;

    /// Reads the header. It is stricter than Pillow: a file that passes is one that Pillow opens too.
    ///
    /// # Errors
    /// [`Unclean`] for whatever is not plain: the fallback decides about the file.
    fn header(bytes: &[u8], limits: &Limits, fallback: &FallbackLimits) -> Result<Found<Self::Header>, Unclean>;

    /// The ways in which the image can be decoded.
    fn offer(header: &Self::Header) -> Offer;

    /// Decodes what `request` asks for. The request is within the offer, and its region within the image.
    ///
    /// # Errors
    /// [`crate::Error::Format`] for a file that anything is wrong with, even if libjpeg or zlib would only warn: the
    /// fallback decides. [`crate::Error::Limit`], [`crate::Error::Memory`] and [`crate::Error::Interrupted`] are final.
    fn decode(
        bytes: &[u8],
        header: &Self::Header,
        request: &DecodeRequest<'_>,
        scratch: &mut Self::Scratch,
        sink: Sink<'_>,
    ) -> crate::Result<()>;

    /// Whether decoding can be put off: whether whatever may be wrong with a file whose header is plain makes other pixels,
    /// and no error.
    fn can_wait(bytes: &[u8], header: &Self::Header) -> bool;

    /// Refuses a file that would cost the fallback more than the limits allow, for reasons that its size does not tell.
    ///
    /// # Errors
    /// [`crate::Error::Limit`].
    fn check_for_fallback(_bytes: &[u8], _limits: &Limits) -> crate::Result<()> {
        Ok(())
    }
}

/// A file that a native decoder takes.
#[derive(Debug)]
pub(super) struct Found<H> {
    pub(super) header: H,
    pub(super) size: Size,
    /// Bytes that the decoder holds beside the pixels, as far as the header alone tells.
    pub(super) beside: u64,
    /// A file of fewer bytes cannot have all its pixels.
    pub(super) least_bytes: u64,
    /// A reason to show the file to the fallback before it is decoded.
    pub(super) remark: Option<&'static str>,
}

impl<H> Found<H> {
    pub(super) fn map<T>(self, wrap: impl FnOnce(H) -> T) -> Found<T> {
        let Self { header, size, beside, least_bytes, remark } = self;
        Found { header: wrap(header), size, beside, least_bytes, remark }
    }
}

/// A file that is left to the fallback.
#[derive(Debug)]
pub(super) struct Unclean {
    /// Why, in the words of the error that is raised where there is no fallback.
    pub(super) reason: String,
    /// The size of the image, if the header tells it all the same.
    pub(super) size: Option<Size>,
}

impl From<String> for Unclean {
    fn from(reason: String) -> Self {
        Self { reason, size: None }
    }
}

/// Makes `Format`, `NativeHeader` and `DecodeScratch` of the table of formats. The module of a format has a type of the
/// format's name that is a [`NativeFormat`].
macro_rules! formats {
    ($($(#[$doc:meta])* $format:ident in $module:ident),* $(,)?) => {
        /// A format that is decoded natively.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum Format {
            $($(#[$doc])* $format,)*
        }

        impl Format {
            /// All of them, in the order in which they are looked for.
            pub const ALL: &[Self] = &[$(Self::$format),*];

            /// The name that messages call it by.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$format => <$module::$format as format::NativeFormat>::NAME,)*
                }
            }

            fn matches(self, bytes: &[u8]) -> bool {
                match self {
                    $(Self::$format => <$module::$format as format::NativeFormat>::matches(bytes),)*
                }
            }

            fn header(
                self,
                bytes: &[u8],
                limits: &Limits,
                fallback: &FallbackLimits,
            ) -> Result<format::Found<NativeHeader>, format::Unclean> {
                match self {
                    $(Self::$format => <$module::$format as format::NativeFormat>::header(bytes, limits, fallback)
                        .map(|found| found.map(NativeHeader::$format)),)*
                }
            }

            fn check_for_fallback(self, bytes: &[u8], limits: &Limits) -> crate::Result<()> {
                match self {
                    $(Self::$format => <$module::$format as format::NativeFormat>::check_for_fallback(bytes, limits),)*
                }
            }
        }

        /// The header of a file that is decoded natively.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        enum NativeHeader {
            $($format(<$module::$format as format::NativeFormat>::Header),)*
        }

        impl NativeHeader {
            const fn format(&self) -> Format {
                match self {
                    $(Self::$format(_) => Format::$format,)*
                }
            }

            fn offer(&self) -> Offer {
                match self {
                    $(Self::$format(header) => <$module::$format as format::NativeFormat>::offer(header),)*
                }
            }

            fn can_wait(&self, bytes: &[u8]) -> bool {
                match self {
                    $(Self::$format(header) => <$module::$format as format::NativeFormat>::can_wait(bytes, header),)*
                }
            }

            fn decode(
                &self,
                bytes: &[u8],
                request: &DecodeRequest<'_>,
                scratch: &mut DecodeScratch,
                sink: Sink<'_>,
            ) -> crate::Result<()> {
                match self {
                    $(Self::$format(header) => <$module::$format as format::NativeFormat>::decode(
                        bytes, header, request, &mut scratch.$module, sink,
                    ),)*
                }
            }
        }

        /// Memory that one thread reuses from image to image. No result depends on it.
        #[derive(Debug, Default)]
        pub struct DecodeScratch {
            $($module: <$module::$format as format::NativeFormat>::Scratch,)*
        }
    };
}
pub(super) use formats;
