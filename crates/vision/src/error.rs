/// What can go wrong between a picture and its tokens.
#[derive(Debug, thiserror::Error)]
pub enum VisionError {
    #[error("this is no picture that can be read: {0}. Use a PNG, JPEG, WebP or GIF file")]
    NotAnImage(String),
    #[error("the picture is {width} x {height} pixels: it holds nothing")]
    EmptyImage { width: usize, height: usize },
    #[error(
        "the picture is {width} x {height} pixels, more than {limit} in all; make it smaller first"
    )]
    ImageTooLarge {
        width: usize,
        height: usize,
        limit: u64,
    },
    #[error("the picture is animated; choose one frame and save it by itself")]
    AnimatedImage,
    #[error(
        "the picture has CMYK colours, which mean nothing without their printer's profile; convert it to RGB"
    )]
    CmykImage,
    #[error("there is no reduction method `{name}`; there are {known}")]
    UnknownMethod { name: String, known: String },
    #[error("{0}")]
    InvalidArgument(String),
    #[cfg(feature = "model")]
    #[error(transparent)]
    Model(#[from] lexigraft_models::ModelError),
}

impl VisionError {
    /// The stable code that the TypeScript API and the command line show.
    pub fn code(&self) -> &'static str {
        match self {
            Self::NotAnImage(_) => "not-an-image",
            Self::EmptyImage { .. } => "empty-image",
            Self::ImageTooLarge { .. } => "image-too-large",
            Self::AnimatedImage => "animated-image",
            Self::CmykImage => "cmyk-image",
            Self::UnknownMethod { .. } => "unknown-method",
            Self::InvalidArgument(_) => "invalid-argument",
            #[cfg(feature = "model")]
            Self::Model(error) => error.code(),
        }
    }
}
