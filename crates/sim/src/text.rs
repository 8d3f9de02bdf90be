//! The JSON of one version of an object, written when somebody first asks for it and then shared by all answers and events
//! that show it.

use std::sync::{Arc, OnceLock};

use crate::Json;

/// Most objects are shorter, in bytes.
pub(crate) const USUAL_LENGTH: usize = 2048;

/// The text of an object that does not change any more.
#[derive(Debug, Clone, Default)]
pub(crate) struct Text(Arc<OnceLock<Vec<u8>>>);

impl Text {
    /// The text; always to be asked with the object that it belongs to.
    pub(crate) fn of(&self, object: &Json) -> &[u8] {
        self.0.get_or_init(|| {
            let mut text = Vec::with_capacity(USUAL_LENGTH);
            object.write(&mut text);
            text
        })
    }
}
