use js_sys::{Error, Reflect};
use lexigraft_checkpoint::CheckpointError;
use lexigraft_decode::DecodeError;
use lexigraft_models::ModelError;
use lexigraft_text::TextError;
use lexigraft_transfer::TransferError;
use lexigraft_vision::VisionError;
use wasm_bindgen::JsValue;

/// A JavaScript `Error` named `LexigraftError` with the stable `code`.
pub(crate) fn js_error(code: &str, message: &str) -> JsValue {
    let error = Error::new(message);
    error.set_name("LexigraftError");
    // Setting a property of a fresh object cannot fail; without it the message still tells.
    let _ = Reflect::set(&error, &"code".into(), &code.into());
    error.into()
}

/// Errors of the crates below, as JavaScript sees them.
pub(crate) trait IntoJs {
    fn into_js(self) -> JsValue;
}

macro_rules! into_js {
    ($($error:ty),+) => {$(
        impl IntoJs for $error {
            fn into_js(self) -> JsValue {
                js_error(self.code(), &self.to_string())
            }
        }
    )+};
}

into_js!(
    CheckpointError,
    DecodeError,
    ModelError,
    TextError,
    TransferError,
    VisionError
);

/// A second use of an object that is at work.
pub(crate) fn busy(what: &str) -> JsValue {
    js_error(
        "busy",
        &format!("{what}; wait for it to end or stop it first"),
    )
}
